"""`faultline predict`: predictions for data files."""

import json
import os
import sys
import time
from traceback import format_exc

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.errors import InputError, StepFailedError
from common.output_folder import OutputFolder, captured_output, log_of_reader
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.counting import count
from pipeline.prediction.options import PredictOptions, PredictSummary
from pipeline.prediction.served_config import default_config
from pipeline.prediction.skew import describe_totals
from pipeline.reading.sql.database import is_database_url
from pipeline.running.console import format_duration


def predict(options: PredictOptions) -> int:
    """Runs a prediction and prints its summary.

    Returns:
        The exit code.

    Raises:
        InputError: The input is invalid; no output is written.
        StepFailedError: The server cannot be reached or failed; no output is written.
    """
    started = time.monotonic()
    console = Console(file=sys.stderr if options.as_json else sys.stdout)
    folder = OutputFolder(options.output.absolute())
    config = load_config(options.config_path or default_config(folder))
    summary = _predict(options, config, console)
    summary.duration_s = time.monotonic() - started
    _print_summary(summary, console)
    if options.as_json:
        sys.stdout.write(json.dumps(summary.to_json(), indent=2) + "\n")
    return 0


def _predict(options: PredictOptions, config: Config, console: Console) -> PredictSummary:
    """Predicts rows of files or of a database, into a file or a table."""
    if options.into is None and (options.into_url or options.into_password_env):
        raise InputError(
            "--into-url and --into-password-env are for the table of --into, which is not given. "
            "Name the table with --into."
        )
    names_database = options.table or options.query or options.partition_column
    if not is_database_url(options.data) and options.into is None and not names_database:
        return _predict_files(options, config, console)
    # Files need none of the drivers.
    from pipeline.prediction.tables.database_rows import predict_database_rows
    from pipeline.prediction.tables.into_table import predict_into_table
    from pipeline.prediction.tables.source import find_source

    def predict_files(inner: PredictOptions, config: Config) -> PredictSummary:
        return _predict_files(inner, config, console)

    source = find_source(options)
    if options.into is not None:
        return predict_into_table(options, config, source, predict_files, console)
    assert source is not None  # noqa: S101 - `find_source` refuses the other options
    return predict_database_rows(options, config, source, predict_files)


def _predict_files(options: PredictOptions, config: Config, console: Console) -> PredictSummary:
    if options.batch:
        return _predict_quietly(options, config)
    from pipeline.prediction.by_server import predict_by_server

    return predict_by_server(options, config, console)


def _predict_quietly(options: PredictOptions, config: Config) -> PredictSummary:
    """Predicts with Beam; the output of TensorFlow and Beam goes to a log."""
    from pipeline.prediction.batch import predict_batch

    log = log_of_reader(options.output.absolute() / "predict.log")
    try:
        with (
            captured_output(log) as (out, err),
            os.fdopen(os.dup(err if options.as_json else out), "w") as text,
        ):
            summary = predict_batch(options, config, Console(file=text))
    except (InputError, KeyboardInterrupt):
        raise
    except Exception as error:
        traceback = format_exc()
        with log.open("a", encoding="utf-8") as stream:
            stream.write(traceback)
        raise StepFailedError(f"{error}\nTraceback and library log: {log}") from error
    return summary


def _print_skews(summary: PredictSummary, console: Console) -> None:
    """Prints what differs from the data of training, as a table."""
    if not summary.compared_with:
        console.print("  not compared with the data of training: no reference of the model here")
        return
    if not summary.skews:
        console.print(f"  no difference from {summary.compared_with}", highlight=False)
        return
    table = Table(
        title=f"differs from {summary.compared_with}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for heading in ("column", "what", "here", "in training"):
        table.add_column(heading)
    for skew in summary.skews:
        table.add_row(*map(escape, (skew.column, skew.what, skew.here, skew.reference)))
    console.print(table)
    totals = describe_totals(summary.skews)
    if totals:
        console.print(
            f"[yellow]Warning: {escape(totals)}. The predictions may be worthless: check that the "
            "file has the right columns and spellings. --strict refuses such a file.[/yellow]",
            highlight=False,
            soft_wrap=True,
        )


def _print_summary(summary: PredictSummary, console: Console) -> None:
    versions = ", ".join(str(version) for version in summary.versions)
    by = f"{summary.model}" + (f" version {versions}" if versions else "")
    console.print(
        f"[green]✓[/green] {count(summary.num_rows, 'row')} predicted by {escape(by)} in "
        f"{format_duration(summary.duration_s)}: {escape(summary.output)}",
        highlight=False,
        soft_wrap=True,
    )
    if summary.decisions:
        counts = ", ".join(f"{value}: {n:,}" for value, n in sorted(summary.decisions.items()))
        console.print(f"  decision  {counts}", highlight=False)
    if summary.alarms is not None:
        console.print(
            f"  {count(summary.num_alarms, 'alarm')}, with start and end: {escape(summary.alarms)}",
            highlight=False,
            soft_wrap=True,
        )
    for note in summary.notes:
        console.print(f"  {escape(note)}", highlight=False, soft_wrap=True)
    _print_skews(summary, console)
    if summary.num_left_out:
        skipped = count(summary.num_left_out, "unreadable row")
        console.print(
            f"  [yellow]{skipped} skipped[/yellow], listed in {escape(str(summary.left_out))}",
            highlight=False,
            soft_wrap=True,
        )
