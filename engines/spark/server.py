"""Beam's job server for Spark."""

from contextlib import AbstractContextManager
from pathlib import Path

from engines.job_servers import job_server

POM = Path(__file__).with_name("pom.xml")
_DRIVER = "org.apache.beam.runners.spark.SparkJobServerDriver"
_HEAP_MB = 2048


def spark_job_server(
    *, port: int | None = None, master: str = "local[2]"
) -> AbstractContextManager[str]:
    """Runs the job server while the context is open, and yields its endpoint `HOST:PORT`.

    Args:
        port: Its port; by default a free one.
        master: Spark's master URL; by default two threads in the server.
    """
    return job_server(POM, _DRIVER, [f"--spark-master-url={master}"], port=port, heap_mb=_HEAP_MB)
