"""`python -m engines.flink`: Flink behind Beam's job server, until Ctrl-C."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from engines.command_line import hold
from engines.flink import flink_cluster, flink_job_server
from engines.worker import process_environment


@click.command()
@click.option("--port", default=8099, show_default=True, help="Port of the job server.")
@click.option(
    "--cluster",
    is_flag=True,
    help="One JobManager and two TaskManagers, instead of a cluster inside the job server.",
)
def main(*, port: int, cluster: bool) -> None:
    """Starts Flink on the loopback and prints the endpoint."""
    server = _behind_cluster(port) if cluster else flink_job_server(port=port)
    sys.exit(hold("Flink", server))


@contextmanager
def _behind_cluster(port: int) -> Iterator[str]:
    with flink_cluster() as cluster, flink_job_server(port=port, master=cluster.master) as endpoint:
        options = [f"--job_endpoint={endpoint}", "--parallelism=2"]
        options += process_environment(cluster.folder)
        click.echo(f"The cluster's own page: http://{cluster.master}", err=True)
        # Two TaskManagers cannot share the one process of LOOPBACK: each starts a worker.
        click.echo(f"python beam_runner.py --engine flink {shlex.join(options)}", err=True)
        yield endpoint


if __name__ == "__main__":
    main()
