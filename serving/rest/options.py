"""What the REST side is started with."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RestOptions:
    """Where REST listens, and what it offers.

    Attributes:
        host: Address to listen on.
        port: Port; 0 takes a free one.
        timeout_ms: A call that takes longer is given up, in milliseconds.
        enable_cors: Send CORS headers.
        metrics_path: Path of the metrics; None offers none.
        is_ready: Whether every model has a version that answers.
    """

    host: str
    port: int
    timeout_ms: int = 30_000
    enable_cors: bool = False
    metrics_path: str | None = None
    is_ready: Callable[[], bool]
