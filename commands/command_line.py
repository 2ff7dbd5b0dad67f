"""The command line of Faultline: each subcommand is a few lines over the other layers."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

EXIT_ERROR, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130
PROJECT_DIR = Path(__file__).resolve().parents[1]
DEFAULT_CONFIG = PROJECT_DIR / "configs" / "signals.yaml"

Command = TypeVar("Command", bound=Callable[..., Any])

output_option = click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("output"),
    show_default=True,
    help="Folder that holds all that runs write.",
)
json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON document on standard output; text for people on standard error.",
)

server_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="Only needed for a metadata server: the YAML that names it.",
)


def config_option(command: Command) -> Command:
    """Adds `--config`, which every command that needs a use case shares."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        default=DEFAULT_CONFIG,
        show_default="configs/signals.yaml",
        help="The use case's YAML.",
    )(command)


def exits_cleanly(command: Callable[..., int]) -> Callable[..., None]:
    """Turns a command's result and errors into exit codes, without a traceback for bad input."""

    @wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        from common.errors import InputError, StepFailedError

        try:
            code = command(*args, **kwargs)
        except InputError as error:
            click.echo(f"Error: {error}", err=True)
            code = EXIT_BAD_INPUT
        except StepFailedError as error:
            click.echo(f"Error: {error}", err=True)
            code = EXIT_ERROR
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            code = EXIT_INTERRUPTED
        sys.exit(code)

    return wrapper


def _quiet_libraries() -> None:
    """Keeps ML Metadata's C++ log off the screen; it must be set before the first import."""
    os.environ.setdefault("GLOG_minloglevel", "3")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="faultline")
def main() -> None:
    """Faultline: from recordings to a validated, served model for rare faults.

    \b
    faultline run                          the default use case, signals
    faultline init data.csv --label fault  a config and a schema for your own data
    faultline run --config configs/data.yaml
    faultline serve                        serve it over gRPC and REST
    faultline predict new.csv              ask the served model
    faultline runs                         what has run so far
    faultline lineage latest               where a pushed model comes from

    Exit codes: 0 done, 2 bad input or anomalous data, 3 the model was refused or the verdict is
    inconclusive (0 if it was pushed to the shadow folder), 130 stopped by Ctrl-C, 1 anything else.
    """  # noqa: D301 - click wants the backspace itself, not its two letters


@main.command()
@config_option
@output_option
@json_option
@exits_cleanly
def run(config_path: Path, output: Path, as_json: bool) -> int:
    """Run a use case: from data to a blessed, pushed model.

    Steps whose inputs, parameters and code are unchanged come from the cache. A model that is no
    better than trivial, or worse than the one that was blessed before it, is refused (exit code
    3), and what is served stays as it was. So it does where the test split cannot tell; with
    `gate.on_inconclusive: shadow` the model is then pushed beside the served one (exit code 0).
    """
    from pipeline.running.run import run_use_case

    return run_use_case(config_path, output, as_json=as_json)


@main.command()
@click.argument("data")
@click.option("--label", required=True, help="Column that holds the label.")
@click.option("--positive", help="The label's value that means a fault.  [default: found out]")
@click.option("--name", help="Name of the use case.  [default: from the data's file name]")
@click.option("--force", is_flag=True, help="Overwrite the config and schema of that name.")
@exits_cleanly
def init(data: str, label: str, positive: str | None, name: str | None, force: bool) -> int:
    """Write a config and a schema for DATA: a CSV or Parquet file, a folder or a glob.

    What was decided, and why, stands as comments in the YAML. It runs as it is:

    \b
    faultline init readings.csv --label failed --positive yes
    faultline run --config configs/readings.yaml
    """  # noqa: D301 - as above
    from pipeline.onboarding import initialise, print_report

    print_report(
        initialise(data, label=label, positive=positive, name=name, project_dir=Path(), force=force)
    )
    return 0


@main.group(invoke_without_command=True)
@server_option
@output_option
@json_option
@click.pass_context
def runs(context: click.Context, /, **options: Any) -> None:
    """List runs with their data, code, metrics and verdict, or compare them.

    \b
    faultline runs                         all of them, the newest first
    faultline runs compare RUN RUN         what differs, and which model is better
    faultline runs tensorboard             a log folder of all of them, for TensorBoard
    """  # noqa: D301 - as above
    # What stands before a sub-command counts for it too.
    context.default_map = dict.fromkeys(runs.commands, options)
    if context.invoked_subcommand is None:
        _list_runs(**options)


@exits_cleanly
def _list_runs(config_path: Path | None, output: Path, as_json: bool) -> int:
    _quiet_libraries()
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

    FIRST and SECOND are runs, or pushed versions as `faultline lineage` takes them. Where both runs
    have the same test examples, both models are asked about them, and the verdict is paired.
    """
    _quiet_libraries()
    from commands.queries import print_comparison

    return print_comparison((first, second), config_path, output, as_json=as_json)


@runs.command("tensorboard")
@server_option
@output_option
@json_option
@exits_cleanly
def runs_tensorboard(config_path: Path | None, output: Path, as_json: bool) -> int:
    """Prepare a log folder in which TensorBoard's HParams compares all runs.

    It holds each run's training options, metrics on the test split and training curves, and is
    written anew each time.
    """
    _quiet_libraries()
    from commands.queries import print_tensorboard

    return print_tensorboard(config_path, output, as_json=as_json)


@main.command()
@click.argument("run_id")
@click.option("--by", required=True, help="Who approves the model.")
@click.option("--why", required=True, help="The reason, kept in the metadata.")
@server_option
@output_option
@exits_cleanly
def approve(run_id: str, by: str, why: str, config_path: Path | None, output: Path) -> int:
    """Say yes to the model of RUN_ID, of which the test split could not tell.

    Only where `gate.on_inconclusive` is `ask`. The same `faultline run` again then pushes it.
    """
    _quiet_libraries()
    from commands.queries import approve_model

    return approve_model(run_id, by, why, config_path, output)


@main.command()
@click.argument("reference", default="latest")
@server_option
@output_option
@json_option
@exits_cleanly
def lineage(reference: str, config_path: Path | None, output: Path, as_json: bool) -> int:
    """Print where a pushed model comes from, down to files, code and environment.

    REFERENCE is a pushed version, NAME/VERSION, a run, or `latest`.
    """
    _quiet_libraries()
    from commands.queries import print_lineage

    return print_lineage(reference, config_path, output, as_json=as_json)


@main.command()
@click.argument("row", type=int, required=False)
@click.option("--where", help="COLUMN=VALUE of one row, such as its id, instead of its number.")
@click.option("--run", "reference", default="latest", show_default=True, help="A run or a version.")
@server_option
@output_option
@json_option
@exits_cleanly
def explain(
    row: int | None,
    where: str | None,
    reference: str,
    config_path: Path | None,
    output: Path,
    as_json: bool,
) -> int:
    """Print why the model answered so for ROW of the test split, and write a page.

    Rows are numbered from 0, as in ErrorAnalyzer's list. Integrated gradients say what moved the
    answer; permutation importance what each column is worth to the model.

    \b
    faultline explain 185
    faultline explain --where recording_id=001-0000042
    """  # noqa: D301 - as above
    _quiet_libraries()
    from commands.queries import print_explanation

    return print_explanation(reference, row, where, config_path, output, as_json=as_json)


@main.command()
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="The YAML of the one use case to serve.  [default: all that were pushed]",
)
@output_option
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
@exits_cleanly
def serve(config_path: Path | None, output: Path, flags: tuple[str, ...]) -> int:
    """Serve pushed models over gRPC and REST, as TensorFlow Serving does.

    New versions are served as they are pushed. FLAGS after `--` are TensorFlow Serving's own:

    \b
    faultline serve
    faultline serve -- --port=9000 --rest_api_port=9001 --enable_batching
    faultline serve -- --help              all of them
    """  # noqa: D301 - as above
    from commands.serve import serve as serve_models

    return serve_models(config_path, output, flags)


@main.command()
@click.argument("data")
@config_option
@click.option(
    "--server",
    default="grpc://127.0.0.1:8500",
    show_default=True,
    help="The model server: grpc://HOST:PORT or http://HOST:PORT.",
)
@click.option("--model", help="Name of the served model.  [default: the config's name]")
@click.option("--id", "id_column", help="Column that names a row.  [default: the row's number]")
@click.option(
    "--output-file",
    type=click.Path(path_type=Path),
    help="Ends in .csv, .parquet or .jsonl; with --batch a new folder.  [default: predictions.csv]",
)
@click.option("--batch", is_flag=True, help="Use the model pushed below --output; no server.")
@output_option
@json_option
@exits_cleanly
def predict(**options: Any) -> int:
    """Predict DATA: a CSV, Parquet or JSON-lines file, a folder or a glob.

    Rows are read as training reads them: the config names signals spread over columns, times and
    what means a missing value. The label is not needed.

    \b
    faultline predict new.parquet --id recording_id
    faultline predict new.csv --server http://127.0.0.1:8501 --output-file new.jsonl
    faultline predict archive/ --batch --output-file predictions/
    """  # noqa: D301 - as above
    _quiet_libraries()
    from pipeline.prediction.options import PredictOptions
    from pipeline.prediction.predict import predict as predict_data

    return predict_data(PredictOptions(**options))


@main.command()
@output_option
@json_option
@exits_cleanly
def doctor(output: Path, as_json: bool) -> int:
    """Check that this machine can run the pipeline; exit code 1 where it cannot."""
    from commands.queries import print_doctor

    return print_doctor(output, PROJECT_DIR / "requirements.lock", as_json=as_json)
