"""`python -m engines`: fetches the jars of the engines in advance."""

import sys

import click

from common.errors import InputError
from engines.flink.server import POM as FLINK
from engines.java import class_path
from engines.spark.server import POM as SPARK

_POMS = {"flink": FLINK, "spark": SPARK}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(_POMS)), required=True)
def main(names: tuple[str, ...]) -> None:
    """Resolves the jars of the named engines into .venv/engines with Maven."""
    try:
        for name in names:
            jars = class_path(_POMS[name])
            click.echo(f"{name}: {jars.count(':') + 1} jars")
    except InputError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
