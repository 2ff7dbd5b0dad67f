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
    """Runs the job server while the context is open; the context is its endpoint `HOST:PORT`.

    Args:
        port: Where it answers; by default a free port.
        master: REST address `HOST:PORT` of a Flink cluster; by default it embeds one in itself.
    """
    arguments = [] if master is None else [f"--flink-master={master}"]
    return job_server(POM, _DRIVER, arguments, port=port, heap_mb=_HEAP_MB)
