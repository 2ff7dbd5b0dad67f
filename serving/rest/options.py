"""What the REST side of the server is told when it starts."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RestOptions:
    """Where to listen, and what beside the models to answer.

    Attributes:
        host: Address to bind.
        port: Port to bind; 0 takes a free one.
        timeout_ms: A request that takes longer is answered DEADLINE_EXCEEDED; 0 waits for ever.
        enable_cors: Whether answers carry CORS headers.
        metrics_path: Path of Prometheus's metrics; None is no such route.
        is_ready: Asked by `/readyz`.
        shares_runs: Whether the models batch, so that a request need not wait in a thread.
        max_body_bytes: Larger bodies are refused (413), before or after they are unpacked.
    """

    host: str = "127.0.0.1"
    port: int = 0
    timeout_ms: int = 30_000
    enable_cors: bool = False
    metrics_path: str | None = None
    is_ready: Callable[[], bool] = lambda: True
    shares_runs: bool = False
    max_body_bytes: int = 2**28

    def __post_init__(self) -> None:
        """Checks the ranges."""
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"port must be between 0 and 65535, got {self.port}")
        if self.max_body_bytes <= 0:
            raise ValueError(f"max_body_bytes must be > 0, got {self.max_body_bytes}")
