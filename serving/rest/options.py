"""Options of the REST server."""

from collections.abc import Callable
from dataclasses import dataclass

from serving.runtime.arrival.unpacking import MAX_UNPACKED_BYTES


@dataclass(frozen=True, kw_only=True)
class RestOptions:
    """Address, limits and extra routes of the REST server.

    Attributes:
        host: Address to bind.
        port: Port to bind; 0 picks a free one.
        timeout_ms: Milliseconds until a request fails with DEADLINE_EXCEEDED; 0 is no limit.
        enable_cors: Whether answers carry CORS headers.
        metrics_path: Path of the Prometheus metrics; None disables the route.
        is_ready: Returns whether `/readyz` answers 200.
        serves: Returns whether there is a model of a name.
        shares_runs: Whether the models batch, so that a request does not wait in a thread.
        is_lenient: Whether null and left-out keys are missing values.
        grpc_port: Port of the gRPC server on the loopback interface, to which connections that
            begin with HTTP/2 are passed on; None passes none on.
        max_body_bytes: Limit of a body as it is sent, > 0; larger ones get a 413.
        max_unpacked_bytes: Limit of a compressed body once it is unpacked, > 0; TensorFlow
            Serving's.
    """

    host: str = "127.0.0.1"
    port: int = 0
    timeout_ms: int = 30_000
    enable_cors: bool = False
    metrics_path: str | None = None
    is_ready: Callable[[], bool] = lambda: True
    serves: Callable[[str], bool] = lambda _name: True
    shares_runs: bool = False
    is_lenient: bool = False
    grpc_port: int | None = None
    max_body_bytes: int = 2**28
    max_unpacked_bytes: int = MAX_UNPACKED_BYTES

    def __post_init__(self) -> None:
        """Checks the ranges."""
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"port must be between 0 and 65535, got {self.port}")
        for name in ("max_body_bytes", "max_unpacked_bytes"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be > 0, got {getattr(self, name)}")
