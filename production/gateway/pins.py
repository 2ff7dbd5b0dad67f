"""The version that a server behind the gateway is pinned to, by its models config file."""

import http.client
import json
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import quote

from common.output_folder import OutputFolder, replace_file
from production.gateway.traffic import Arm, Pin

_TIMEOUT_S = 2.0
_LOADED = "AVAILABLE"
_NO_ERROR = ("", "OK")
# The server polls its file each second; until then it may report an earlier failure of the version.
_POLLED_S = 2.5


class PinState(Enum):
    """How far a server is on its way to the version that it is pinned to."""

    LOADING = "loading"
    SERVING = "serving"  # serves this version and no other
    FAILED = "failed"  # goes on with what it served before


@dataclass(frozen=True, kw_only=True)
class VersionState:
    """What a server says about a version.

    Attributes:
        state: State in TensorFlow Serving's words, such as `AVAILABLE`.
        error: Why it did not load; empty without an error.
    """

    state: str
    error: str = ""

    @property
    def is_available(self) -> bool:
        """Whether requests are answered by it."""
        return self.state == _LOADED


def model_entry(name: str, base_path: Path, policy: str = "") -> str:
    """Returns the entry of one model in TensorFlow Serving's config of models, in text format.

    Args:
        name: Name in requests.
        base_path: Folder of the versions.
        policy: Lines on versions and labels; without them, the latest version is served.
    """
    # Text of any language as it is: the escapes of JSON are pairs of surrogates above U+FFFF.
    quoted_name, quoted_path = (
        json.dumps(text, ensure_ascii=False) for text in (name, str(base_path))
    )
    return (
        f"  config {{\n    name: {quoted_name}\n    base_path: {quoted_path}\n"
        f'    model_platform: "tensorflow"\n{policy}  }}\n'
    )


def models_config(
    name: str, base_path: Path, versions: Collection[int], *, labelled: int | None
) -> str:
    """Returns TensorFlow Serving's config of one model at certain versions, in text format.

    Args:
        name: Name in requests.
        base_path: Folder of the versions.
        versions: The versions to load.
        labelled: Version that the labels `stable` and `candidate` name on this server; None for
            no labels. Both name it: a client reaches a label's server by the gateway's routes, and
            is answered by the other one while that server is down.
    """
    chosen = " ".join(f"versions: {version}" for version in sorted(versions))
    labels = "".join(
        f'    version_labels {{ key: "{arm}" value: {labelled} }}\n'
        for arm in Arm
        if labelled is not None
    )
    policy = f"    model_version_policy {{ specific {{ {chosen} }} }}\n{labels}"
    return f"model_config_list {{\n{model_entry(name, base_path, policy)}}}\n"


class PinnedServer:
    """Keeps a server at one version: writes its config file, reads what it serves.

    A server refuses a config with a label of a version that it has not loaded. So the file names
    the version that serves, with the labels, and the new one; once that one serves, it names only
    that one.

    Attributes:
        config_file: The server's models config file.
        state: How far it is.
        error: Why it does not serve its version; empty if it does, or is about to.
    """

    def __init__(self, name: str, folder: OutputFolder, config_file: Path) -> None:
        """Writes nothing yet; see `pin`.

        Args:
            name: Name of the model in requests.
            folder: The output folder.
            config_file: Models config file, which the server polls.
        """
        self.config_file = config_file
        self.state = PinState.LOADING
        self.error = ""
        self._name = name
        self._folder = folder
        self._pin: Pin | None = None
        self._pinned_s = 0.0
        # Folder of each version that the server ever was to serve.
        self._bases: dict[int, str] = {}
        self._available: frozenset[int] = frozenset()

    def pin(self, pin: Pin) -> None:
        """Pins the server to a version in place of the one before."""
        self._pin, self._pinned_s = pin, time.monotonic()
        self._bases[pin.version] = pin.base
        self.state, self.error = PinState.LOADING, ""
        self._write(pin)

    def observe(self, versions: Mapping[int, VersionState] | None) -> None:
        """Goes on by what the server says of its versions; None if it does not answer."""
        pin = self._pin
        if pin is None:
            return
        self.state, self.error = PinState.LOADING, ""
        if versions is None:
            return
        self._available = frozenset(n for n, version in versions.items() if version.is_available)
        self._write(pin)
        if self._available == {pin.version}:
            self.state = PinState.SERVING
        elif pin.version in versions and time.monotonic() - self._pinned_s > _POLLED_S:
            self.error = versions[pin.version].error
            self.state = PinState.FAILED if self.error else PinState.LOADING

    def _write(self, pin: Pin) -> None:
        same_folder = {n for n in self._available if self._bases.get(n) == pin.base}
        if pin.version in self._available or not self._available:
            versions, labelled = {pin.version}, pin.version
        elif same_folder:
            versions, labelled = same_folder | {pin.version}, max(same_folder)
        else:
            # A config has one folder. What serves from another one serves on until this version
            # does, but no label can name it.
            versions, labelled = {pin.version}, None
        base = self._folder.serving(pin.base)
        text = models_config(self._name, base, versions, labelled=labelled)
        with suppress(OSError):
            if self.config_file.read_text(encoding="utf-8") == text:
                return
        replace_file(self.config_file, text.encode())


def read_versions(port: int, name: str) -> dict[int, VersionState] | None:
    """Returns the versions of a model on a server of this machine, or None if it does not answer.

    Args:
        port: Port of REST.
        name: Name of the model.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", f"/v1/models/{quote(name, safe='')}")
        answer = connection.getresponse()
        body = json.loads(answer.read())
        statuses = body["model_version_status"] if answer.status == http.HTTPStatus.OK else []
        return {int(status["version"]): _version_state(status) for status in statuses}
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _version_state(status: Mapping[str, Mapping[str, str] | str]) -> VersionState:
    error = status["status"]
    if isinstance(error, str) or error["error_code"] in _NO_ERROR:
        return VersionState(state=str(status["state"]))
    return VersionState(
        state=str(status["state"]), error=f"{error['error_code']}: {error['error_message']}"
    )
