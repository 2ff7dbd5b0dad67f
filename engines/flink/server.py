"""Beam's job server for Flink."""

from contextlib import AbstractContextManager
from pathlib import Path

from engines.job_servers import job_server

POM = Path(__file__).with_name("pom.xml")
_DRIVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
_HEAP_MB = 1536


def flink_job_server(
    *, port: int | None = None, master: str | None = None
) -> AbstractContextManager[str]:
    """Runs the job server while the context is open, and yields its endpoint `HOST:PORT`.

    Args:
        port: Its port; by default a free one.
        master: REST address `HOST:PORT` of a Flink cluster; by default an embedded one.
    """
    arguments = [] if master is None else [f"--flink-master={master}"]
    return job_server(POM, _DRIVER, arguments, port=port, heap_mb=_HEAP_MB)
