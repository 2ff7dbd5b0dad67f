"""Export of runs as OpenLineage events, to a file or to a server."""

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.config import OpenLineageTracking
from pipeline.lineage.graph import Graph, Run
from pipeline.tracking.openlineage.events import PRODUCER, run_events
from pipeline.tracking.tracker import INSTALL

if TYPE_CHECKING:
    from openlineage.client.transport import Transport

_TIMEOUT_S = 5.0
_RETRIES = 2
_ENDPOINT = "/api/v1/lineage"


@dataclass(frozen=True)
class OpenLineageTracker:
    """OpenLineage.

    Attributes:
        options: Where events go.
    """

    options: OpenLineageTracking
    key = "openlineage"
    title = "OpenLineage"

    def check_installed(self) -> None:
        """Checks before a run that the client is installed.

        Raises:
            InputError: It is not.
        """
        # Without the package around it, looking for the client is an error. Other packages of the
        # name have no client.
        is_there = importlib.util.find_spec("openlineage") is not None
        if not is_there or importlib.util.find_spec("openlineage.client") is None:
            raise InputError(
                "tracking.openlineage needs the client of OpenLineage, which is not installed. In "
                f"the checkout, run `{INSTALL} openlineage-python`, or remove "
                "`tracking.openlineage` from the config."
            )

    def export(self, graph: Graph, run: Run, folder: OutputFolder) -> Mapping[str, str]:
        """Sends the events of a run and returns where they went."""
        from openlineage.client.event_v2 import set_producer

        set_producer(PRODUCER)
        place = self.options.url or str(folder.root / self.options.file)
        transport = self._transport(place)
        for event in run_events(graph, run, self.options.namespace):
            transport.emit(event)
        return {"openlineage": place}

    def _transport(self, place: str) -> "Transport":
        from openlineage.client.transport.file import FileConfig, FileTransport
        from openlineage.client.transport.http import (
            ApiKeyTokenProvider,
            HttpConfig,
            HttpTransport,
        )
        from openlineage.client.transport.http_common import DEFAULT_RETRY_CONFIG

        if self.options.url is None:
            return FileTransport(FileConfig(log_file_path=place, append=True))
        retry = DEFAULT_RETRY_CONFIG | dict.fromkeys(("total", "read", "connect"), _RETRIES)
        config = HttpConfig(url=_base(place), timeout=_TIMEOUT_S, retry=retry)
        if api_key := os.environ.get(self.options.api_key_env):
            config.auth = ApiKeyTokenProvider({"apiKey": api_key})
        return HttpTransport(config)


def _base(url: str) -> str:
    """Returns the address below which the client puts its endpoint.

    Without a slash at the end, the client replaces the last part of the path.

    >>> _base("http://host:5000"), _base("http://host/marquez/api/v1/lineage")
    ('http://host:5000/', 'http://host/marquez/')
    """
    return url.rstrip("/").removesuffix(_ENDPOINT) + "/"
