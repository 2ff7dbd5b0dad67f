"""Commands on what runs have left: comparison, lineage, explanations, notebooks."""

from pathlib import Path
from typing import Any

import click

from commands.command_line.exits import exits_cleanly, quiet_libraries
from commands.command_line.options import config_option, json_option, output_option, server_option
from commands.command_line.program import main


@main.group(invoke_without_command=True)
@server_option
@output_option
@json_option
@click.pass_context
def runs(context: click.Context, /, **options: Any) -> None:
    """List runs with their data, code, metrics and verdict.

    \b
    faultline runs                         list all runs, newest first
    faultline runs compare RUN RUN         show differences and the better model
    faultline runs tensorboard             write a TensorBoard log folder of all runs
    """  # noqa: D301 - as above
    # Options before a subcommand apply to it too.
    context.default_map = dict.fromkeys(runs.commands, options)
    if context.invoked_subcommand is None:
        _list_runs(**options)


@exits_cleanly
def _list_runs(config_path: Path | None, output: Path, as_json: bool) -> int:
    quiet_libraries()
    from commands.queries import print_runs

    return print_runs(config_path, output, as_json=as_json)


@runs.command("compare")
@click.argument("first")
@click.argument("second")
@server_option
@output_option
@json_option
@exits_cleanly
def runs_compare(
    first: str, second: str, config_path: Path | None, output: Path, as_json: bool
) -> int:
    """Compare two runs: data, code, configuration, packages, metrics.

    FIRST and SECOND are run ids or pushed versions, as for `faultline lineage`. If both runs have
    the same test examples, both models predict them and the verdict is paired.
    """
    quiet_libraries()
    from commands.queries import print_comparison

    return print_comparison((first, second), config_path, output, as_json=as_json)


@runs.command("tensorboard")
@server_option
@output_option
@json_option
@exits_cleanly
def runs_tensorboard(config_path: Path | None, output: Path, as_json: bool) -> int:
    """Write a log folder that compares all runs in TensorBoard's HParams.

    The folder holds the training options, test metrics and training curves of each run. Each call
    replaces it.
    """
    quiet_libraries()
    from commands.queries import print_tensorboard

    return print_tensorboard(config_path, output, as_json=as_json)


@main.group()
def notebook() -> None:
    """Execute a notebook into a page of the reports.

    \b
    faultline notebook explore --config configs/signals.yaml
    faultline notebook errors --config configs/signals.yaml

    Needs the extra `notebooks`. The notebooks are in the folder notebooks/.
    """  # noqa: D301 - as above


def _execute_notebook(
    name: str, config_path: Path, output: Path, as_json: bool, **parameters: Any
) -> int:
    from rich.markup import escape

    from commands.queries import print_answer
    from common.paths import shown_path
    from pipeline.notebooks.execution import Order, execute_notebook

    order = Order(name=name, config_path=config_path, output=output, parameters=parameters)
    executed = execute_notebook(order)
    print_answer(
        executed.to_json(), lambda: f"Page: {escape(shown_path(executed.page))}", as_json=as_json
    )
    return 0


@notebook.command("explore")
@click.option(
    "--max-rows",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="Read at most this many rows.",
)
@config_option
@output_option
@json_option
@exits_cleanly
def notebook_explore(max_rows: int, config_path: Path, output: Path, as_json: bool) -> int:
    """Show the data as a run would read them: classes, columns, distributions, recordings."""
    return _execute_notebook("explore", config_path, output, as_json, max_rows=max_rows)


@notebook.command("errors")
@click.option("--run", default="", help="A run's id or a pushed version.  [default: the latest]")
@config_option
@output_option
@json_option
@exits_cleanly
def notebook_errors(run: str, config_path: Path, output: Path, as_json: bool) -> int:
    """Show the errors of a run's model on its test split."""
    return _execute_notebook("errors", config_path, output, as_json, run=run)


@main.command()
@click.argument("run_id")
@click.option("--by", required=True, help="Name of the person who approves.")
@click.option("--why", required=True, help="Reason, recorded in the metadata.")
@click.option(
    "--new-anchor",
    is_flag=True,
    help="Compare later models with this one instead of the anchor; it may be blessed already.",
)
@server_option
@output_option
@exits_cleanly
def approve(
    run_id: str, by: str, why: str, *, new_anchor: bool, config_path: Path | None, output: Path
) -> int:
    """Approve the inconclusive model of RUN_ID.

    Requires `gate.on_inconclusive: ask`. Repeat the same `faultline run` to push the model.
    """
    quiet_libraries()
    from commands.queries import approve_model

    return approve_model(run_id, by, why, config_path, output, new_anchor=new_anchor)


@main.command()
@click.argument("reference", default="latest")
@click.option(
    "--short", is_flag=True, help="Print model, data, code and verdict, without the tree."
)
@server_option
@output_option
@json_option
@exits_cleanly
def lineage(
    reference: str, short: bool, config_path: Path | None, output: Path, as_json: bool
) -> int:
    """Trace a pushed model to its files, code and environment.

    REFERENCE is a pushed version, NAME/VERSION, the NAME of a served model, a run id or `latest`.
    """
    quiet_libraries()
    from commands.queries import print_lineage

    return print_lineage(reference, config_path, output, short=short, as_json=as_json)


@main.command()
@click.argument("row", type=int, required=False)
@click.option("--row", "number", type=int, help="The same as ROW.")
@click.option("--where", help="Select the row by COLUMN=VALUE, such as its id.")
@click.option("--data", help="CSV, Parquet or JSON-lines file with the row.  [default: test split]")
@click.option("--request", help="JSON request with one row, or the name of its file.")
@click.option(
    "--run",
    "reference",
    help="Run id, pushed version or NAME of a model.  [default: latest version of the use case]",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="YAML of the use case, which says how --data is read.  [default: the only use case]",
)
@output_option
@json_option
@exits_cleanly
def explain(**options: Any) -> int:
    """Explain the prediction for one row.

    ROW is a row of the test split from 0, as in ErrorAnalyzer's list, or with --data a row of the
    file from 1, as `faultline predict` numbers them. --where also searches eval and train. Shapley
    values attribute the prediction to the columns, the nearest training rows show similar cases,
    and permutation importance ranks the columns for the whole model. The explanation is also
    written as an HTML page.

    \b
    faultline explain 185
    faultline explain --where recording_id=001-0000042
    faultline explain --data new.csv --row 12
    faultline explain --request '{"pressure": 4.2, "maker": "a"}' --run readings/1795485203
    """  # noqa: D301 - as above
    quiet_libraries()
    from commands.explain import ExplainOptions, print_explanation

    return print_explanation(ExplainOptions(**options))
