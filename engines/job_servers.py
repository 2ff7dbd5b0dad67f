"""Context manager that starts, awaits and stops a Beam job server."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from common.processes import child_process, free_ports, wait_for_port
from engines.java import class_path, java_command

_START_S = 60.0


@contextmanager
def job_server(
    pom: Path, driver: str, arguments: Sequence[str], *, port: int | None, heap_mb: int
) -> Iterator[str]:
    """Runs a Beam job server while the context is open, and yields its endpoint `HOST:PORT`.

    Args:
        pom: The `pom.xml` of the server.
        driver: Full name of the server's main class.
        arguments: Arguments of the server besides its ports.
        port: Its port; by default a free one.
        heap_mb: Maximum heap of the server, in MiB.

    Raises:
        InputError: Java, Maven or the jars are missing.
        EngineFailedError: It did not start.
    """
    jars = class_path(pom)
    job_port, artifact_port, expansion_port = free_ports(3)
    job_port = port or job_port
    with tempfile.TemporaryDirectory(prefix="faultline-engine-") as folder:
        temporary, log = Path(folder), Path(folder) / "job-server.log"
        command = java_command(
            driver,
            [
                "--job-host=localhost",
                f"--job-port={job_port}",
                f"--artifact-port={artifact_port}",
                f"--expansion-port={expansion_port}",
                f"--artifacts-dir={temporary / 'artifacts'}",
                *arguments,
            ],
            jars=jars,
            temporary=temporary,
            heap_mb=heap_mb,
        )
        with child_process(command, log=log) as process:
            wait_for_port(process, job_port, log=log, timeout_s=_START_S)
            yield f"localhost:{job_port}"
