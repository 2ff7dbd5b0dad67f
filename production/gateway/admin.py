"""Envoy's admin interface over its Unix socket: what it serves, and what it has acknowledged."""

import http.client
import json
import os
import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

_TIMEOUT_S = 5.0


class AdminError(Exception):
    """Envoy does not answer, or refuses; the message says what was asked."""


class EnvoyAdmin:
    """Questions to a running Envoy.

    Attributes:
        path: Its socket.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def stats(self, pattern: str) -> dict[str, str]:
        """Returns the counters, gauges and texts whose names match a regular expression."""
        lines = self._ask("GET", f"/stats?filter={quote(pattern)}").splitlines()
        pairs = (line.partition(": ") for line in lines)
        return {name: value.strip('"') for name, _, value in pairs}

    def metrics(self, pattern: str) -> str:
        """Returns the counters, gauges and histograms whose names match, in Prometheus's format."""
        return self._ask("GET", f"/stats/prometheus?filter={quote(pattern)}")

    def is_live(self) -> bool:
        """Whether Envoy has started and has its listeners."""
        try:
            return self._ask("GET", "/ready").strip() == "LIVE"
        except AdminError:
            return False

    def listening(self) -> set[str]:
        """Returns the names of the listeners whose ports are open."""
        statuses = json.loads(self._ask("GET", "/listeners?format=json"))
        return {status["name"] for status in statuses.get("listener_statuses", [])}

    def healthy(self) -> dict[str, bool]:
        """Returns by cluster whether all of its members pass their health checks.

        A cluster without members of its own, such as an aggregate, is left out.
        """
        statuses = json.loads(self._ask("GET", "/clusters?format=json"))["cluster_statuses"]
        return {
            status["name"]: all(map(_is_healthy, status["host_statuses"]))
            for status in statuses
            if status.get("host_statuses")
        }

    def reopen_logs(self) -> None:
        """Lets Envoy open its access logs again, after they were renamed."""
        self._ask("POST", "/reopen_logs")

    def drain(self) -> None:
        """Closes the listeners; requests in progress go on."""
        self._ask("POST", "/drain_listeners")

    def _ask(self, method: str, path: str) -> str:
        try:
            with closing(_UnixConnection(self.path, timeout=_TIMEOUT_S)) as connection:
                connection.request(method, path)
                answer = connection.getresponse()
                text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise AdminError(f"Envoy does not answer {method} {path}: {error}") from error
        # /ready answers 503 until Envoy is live.
        if answer.status != http.HTTPStatus.OK and not path.startswith("/ready"):
            raise AdminError(f"Envoy answers {method} {path} with {answer.status}: {text}")
        return text


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, *, timeout: float) -> None:
        super().__init__("envoy", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        # The kernel takes 107 bytes of a socket's path; a folder may have more.
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


def _is_healthy(host: Mapping[str, Any]) -> bool:
    """Whether a member passes its health checks and is not set aside by them."""
    health = host.get("health_status", {})
    return health.get("eds_health_status", "HEALTHY") == "HEALTHY" and not any(
        value is True for name, value in health.items() if name.startswith("failed")
    )
