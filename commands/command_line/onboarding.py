"""Commands that begin a use case."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from commands.command_line.exits import exits_cleanly
from commands.command_line.options import Command
from commands.command_line.program import main


def _decision(flag: str, **options: Any) -> Callable[[Command], Command]:
    """Returns an option of `init` by which a person decides; it may be repeated."""
    return click.option(flag, multiple=True, **options)


def _once(flag: str, **options: Any) -> Callable[[Command], Command]:
    """Returns an option that must not be given with two values, of which click takes the last."""

    def single(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> Any:
        different = list(dict.fromkeys(values))
        if len(different) > 1:
            shown = " and ".join(f"`{value}`" for value in different)
            raise click.UsageError(f"{flag} is {shown}. Give one of them.")
        return different[0] if different else None

    return click.option(flag, multiple=True, callback=single, **options)


@main.command()
@click.argument("data")
@_once("--label", help="Column that holds the label; optional for recordings.")
@click.option(
    "--labels",
    help="Table of the labels of recordings, or of their events.  [default: searched for]",
)
@click.option(
    "--rows",
    type=click.Choice(["examples", "samples"]),
    help="What the rows of tables are: examples, or samples of recordings.  [default: inferred]",
)
@_once("--positive", help="Label value that marks a fault.  [default: inferred]")
@_once("--negative", help="Label value that marks no fault; all others mark faults.")
@click.option("--name", help="Name of the use case.  [default: the name of the data file]")
@click.option(
    "--dates",
    type=click.Choice(["day-first", "month-first"]),
    help="How to read dates such as 03/04/2024 where no value decides.",
)
@click.option("--header", help="Column names, separated by commas, of CSV files without a header.")
@click.option("--force", is_flag=True, help="Overwrite an existing config and schema of that name.")
@_decision("--keep", metavar="COLUMN", help="Use COLUMN as a feature even if it looks unfit.")
@_decision("--leave-out", metavar="COLUMN", help="Do not use COLUMN as a feature.")
@_decision("--kind", metavar="COLUMN=KIND", help="Use COLUMN as a feature of this kind.")
@_decision("--group", metavar="COLUMN", help="Keep rows with the same COLUMN in one split.")
@_decision("--time", metavar="COLUMN", help="Split by COLUMN, which holds the time.")
@_decision("--split", metavar="STRATEGY", help="Split: stratified, group, time or blocks.")
@click.option("--table", help="Table or view, if DATA is the URL of a database.")
@click.option("--query", help="SELECT in place of --table.")
@click.option("--order-by", help="Columns that order its rows.  [default: the primary key]")
@click.option("--dry-run", is_flag=True, help="Print what would be written, and write nothing.")
@exits_cleanly
def init(data: str, **options: Any) -> int:
    """Write a config and a schema for your data.

    DATA is a CSV or Parquet file, a folder or a glob, or the URL of a database, whose password
    comes from FAULTLINE_DATABASE_PASSWORD, ~/.pgpass or ~/.my.cnf. Comments in the YAML explain
    each decision. The config runs without changes. The options --keep, --leave-out and --kind may
    be repeated; the config names them as your decisions. DATA may also be recordings (a file for
    each, a long table, streams with events), sounds or pictures, with labels beside them, in a
    column, or in the names of folders:

    \b
    faultline init clips/
    faultline init parts/ --negative good
    faultline init streams/ --labels events.csv
    faultline init readings.csv --label failed --positive yes
    faultline init readings.csv --label failed --leave-out repaired --group machine --dry-run
    faultline init postgresql://user@host/plant --table readings --label failed
    faultline run --config configs/readings.yaml
    """  # noqa: D301 - as above
    from common.errors import InputError
    from pipeline.onboarding import ReadOptions, initialise, make_decisions, print_report
    from pipeline.reading.sql.database import is_database_url

    header, dates = options.pop("header"), options.pop("dates")
    names = tuple(name.strip() for name in header.split(",")) if header else None
    reading = ReadOptions(dates=dates, header=names)
    flags = ("keep", "leave_out", "kind", "group", "time", "split")
    decisions = make_decisions(**{flag: options.pop(flag) for flag in flags})
    options |= {"project_dir": Path(), "reading": reading, "decisions": decisions}
    rows = {key: options.pop(key) for key in ("table", "query", "order_by")}
    if is_database_url(data):
        from pipeline.onboarding.databases import DatabaseTable, initialise_database

        report = initialise_database(data, DatabaseTable(**rows), environ=os.environ, **options)
    elif any(rows.values()):
        given = ", ".join(f"--{key.replace('_', '-')}" for key, value in rows.items() if value)
        raise InputError(f"{given}: {data} is no URL of a database, such as sqlite:///readings.db.")
    else:
        report = initialise(data, **options)
    print_report(report)
    return 0


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@exits_cleanly
def new(folder: Path) -> int:
    """Make a project of your own in DIR, a new or empty folder.

    It gets folders for configs, schemas and data, a .gitignore, a README.md, and a Makefile with
    `run` and `serve`. Runs started in it record its git commit beside that of Faultline.
    """
    from commands.new import create_project

    create_project(folder)
    return 0
