"""Envoy's access log: a line of JSON for each request."""

from collections.abc import Callable
from pathlib import Path

from common.output_folder import open_log
from production.gateway.envoy.matching import Value, typed
from serving.headers import ARM_HEADER, REQUEST_ID_HEADER, ROLLOUT_HEADER, VERSION_HEADER

# About 150,000 requests.
_MAX_BYTES = 64 * 2**20
_FIELDS = {
    "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%6fZ)%",
    "request_id": f"%REQ({REQUEST_ID_HEADER})%",
    "client": "%DYNAMIC_METADATA(faultline:client)%",
    "address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(:PATH)%",
    "rollout": f"%REQ({ROLLOUT_HEADER})%",
    # The arm that the key belongs to; the upstream is the server that answered.
    "arm": f"%REQ({ARM_HEADER})%",
    "upstream": "%UPSTREAM_HOST%",
    "version": f"%RESP({VERSION_HEADER})%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "duration_ms": "%DURATION%",
    "upstream_ms": "%RESPONSE_DURATION%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
}


def set_aside(path: Path, *, max_bytes: int = _MAX_BYTES) -> bool:
    """Renames an access log that has become large, over the one set aside before.

    Returns:
        Whether it did; Envoy then has to open its logs again.
    """
    if not path.exists() or path.stat().st_size <= max_bytes:
        return False
    path.replace(path.with_name(f"{path.name}.1"))
    return True


class AccessLogFile:
    """The access log's file, which is set aside when it has become large."""

    def __init__(self, path: Path, reopen: Callable[[], None]) -> None:
        """Makes nothing yet.

        Args:
            path: The file.
            reopen: Lets Envoy open its logs again.
        """
        self._path, self._reopen = path, reopen
        self._is_set_aside = False

    def make(self) -> None:
        """Makes the file, which Envoy would let everybody read, for its owner only."""
        open_log(self._path).close()

    def tend(self) -> None:
        """Sets a large file aside; what then fails is tried again by the next call.

        Raises:
            OSError: A new file cannot be made. Envoy writes to the one that was set aside.
            AdminError: Envoy does not open its logs again, and does the same.
        """
        self._is_set_aside |= set_aside(self._path)
        if self._is_set_aside:
            self.make()
            self._reopen()
            self._is_set_aside = False


def make_access_log(path: Path, *, key_header: str | None) -> Value:
    """Returns the access log.

    Args:
        path: The file.
        key_header: Request header with the sticky key; None leaves the key out.
    """
    kind = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
    key = {} if key_header is None else {"key": f"%REQ({key_header})%"}
    return typed(
        "envoy.access_loggers.file",
        kind,
        path=str(path),
        log_format={"json_format": {**_FIELDS, **key}},
    )
