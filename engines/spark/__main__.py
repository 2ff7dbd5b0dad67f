"""`python -m engines.spark`: Spark behind Beam's job server, until Ctrl-C."""

import sys

import click

from engines.command_line import hold
from engines.spark import spark_job_server


@click.command()
@click.option("--port", default=8099, show_default=True, help="Port of the job server.")
@click.option("--master", default="local[2]", show_default=True, help="Spark's master URL.")
def main(*, port: int, master: str) -> None:
    """Starts Spark on the loopback and prints the endpoint."""
    sys.exit(hold("Spark", spark_job_server(port=port, master=master)))


if __name__ == "__main__":
    main()
