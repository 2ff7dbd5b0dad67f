"""The command line of Faultline: each subcommand calls the layers below in a few lines."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
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
    help="Folder for all run output.",
)
json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON document to standard output and readable text to standard error.",
)

server_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="YAML that names a metadata server. Not needed for the default SQLite file.",
)
use_case_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="YAML file of the use case.  [default: that of the only served use case]",
)

why_option = click.option("--why", required=True, help="Reason, kept in ML Metadata.")
by_option = click.option("--by", help="Name of the person who decides.  [default: the login name]")


def deciding_options(command: Command) -> Command:
    """Adds the options of commands by which a person decides on versions in service."""
    return why_option(by_option(server_option(output_option(json_option(command)))))


def use_case_options(command: Command) -> Command:
    """Adds the options of commands on a use case in service."""
    return use_case_option(output_option(json_option(command)))


def model_options(command: Command) -> Command:
    """Adds the options of commands on a model in service."""
    model = click.option("--model", help="Name of the model.  [default: the config's name]")
    return use_case_option(model(output_option(json_option(command))))


def _decision(flag: str, **options: Any) -> Callable[[Command], Command]:
    """Returns an option of `init` by which a person decides; it may be repeated."""
    return click.option(flag, multiple=True, **options)


def config_option(command: Command) -> Command:
    """Adds the `--config` option of commands that need a use case."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        default=DEFAULT_CONFIG,
        show_default="configs/signals.yaml",
        help="YAML file of the use case.",
    )(command)


def exits_cleanly(command: Callable[..., int]) -> Callable[..., None]:
    """Turns a command's result and errors into exit codes; bad input prints no traceback."""

    @wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        from common.guards.stopping import as_stop, stop_number, stop_signals
        from common.guards.vector_instructions import limit_vector_instructions

        limit_vector_instructions()
        with stop_signals():
            try:
                code = command(*args, **kwargs)
            except (Exception, KeyboardInterrupt) as caught:  # noqa: BLE001 - the last resort
                code = _report(as_stop(caught))
        if number := stop_number():
            # Libraries may have threads that never end, or that die with the interpreter.
            with suppress(OSError):
                sys.stdout.flush()
            os._exit(128 + number)
        sys.exit(code)

    return wrapper


def _report(error: BaseException) -> int:
    """Prints why a command ended and returns its exit code; any other error is raised again."""
    from common.errors import InputError, StepFailedError
    from common.guards.redaction import redact_text
    from common.guards.stopping import exit_code, stop_words
    from common.guards.terminal import visible

    if isinstance(error, KeyboardInterrupt):
        code, words = exit_code(error), stop_words(error)
        with suppress(OSError):  # after SIGHUP there may be no terminal any more
            click.echo(
                "Stopped." if code == EXIT_INTERRUPTED else f"{words[0].upper()}{words[1:]}.",
                err=True,
            )
        return code
    if isinstance(error, PermissionError) and error.filename:
        error = InputError(f"This account may not access {error.filename}: {error.strerror}.")
    if not isinstance(error, InputError | StepFailedError):
        raise error
    words = "\n".join(map(visible, redact_text(str(error)).split("\n")))
    click.echo(f"Error: {words}", err=True)
    return EXIT_BAD_INPUT if isinstance(error, InputError) else EXIT_ERROR


def _quiet_libraries() -> None:
    """Keeps ML Metadata's C++ log off the screen; has no effect after its first import."""
    os.environ.setdefault("GLOG_minloglevel", "3")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="faultline")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Format of the logs: text, or json for a line of JSON for each event.",
)
def main(log_format: str) -> None:
    """Train, validate and serve models that detect rare faults.

    \b
    faultline run                          run the default use case, signals
    faultline init data.csv --label fault  write a config and a schema for your data
    faultline run --config configs/data.yaml
    faultline step Trainer --run ID        run one step in a process of its own
    faultline new wells                    make a project folder of your own
    faultline serve                        serve pushed models over gRPC and REST
    faultline predict new.csv              get predictions from the served model
    faultline runs                         list all runs
    faultline lineage latest               trace a pushed model to its data and code
    faultline notebook explore             look at the data in a notebook
    faultline labels x.csv --id i --label y  keep labels of recorded requests
    faultline span                         make new training data of them
    faultline clean --keep 5               remove what older runs left
    faultline rollback signals --why ...   serve the previous version again
    faultline rollout start --why ...      let a new version take over in steps
    faultline automation queue             list what waits for a person
    faultline monitor --watch              watch requests and answers for drift and loss
    faultline alarms                       list what the monitor raised
    faultline replay REQUEST               ask a recorded request again
    faultline loop --serve                 monitor, retrain and roll out by itself
    faultline simulate list                months of production in minutes, with faults
    faultline metrics                      serve metrics for Prometheus
    faultline package signals -t IMAGE     put a pushed model into an image that serves it

    Exit codes: 0 success, 2 bad input or anomalous data, 3 model rejected or verdict inconclusive
    (0 if the model was pushed to the shadow folder), 130 stopped by Ctrl-C (by SIGTERM 143, `serve`
    0, by SIGHUP 129), 1 any other failure.
    """  # noqa: D301 - click wants the backspace itself, not its two letters
    if log_format == "json":
        from common.logs import LogFormat, set_up_logs

        set_up_logs(LogFormat.JSON)


@main.command()
@config_option
@click.option(
    "--data-rev",
    metavar="REV",
    help="Run on data of this git revision, which `dvc` fetches; the working copy is untouched.",
)
@output_option
@json_option
@exits_cleanly
def run(config_path: Path, data_rev: str | None, output: Path, as_json: bool) -> int:
    """Run a use case from raw data to a blessed, pushed model.

    Steps whose inputs, parameters and code are unchanged come from the cache. A model without
    skill, or worse than the last blessed model, is rejected: the command exits with code 3 and the
    served model is unchanged. The same holds for an inconclusive verdict, unless
    `gate.on_inconclusive` is `shadow`: then the model is pushed to the shadow folder (exit code 0).
    """
    from pipeline.running.run import run_use_case

    return run_use_case(config_path, output, as_json=as_json, data_revision=data_rev)


@main.command()
@click.argument("step_id", metavar="STEP")
@click.option("--run", "run_id", required=True, help="Id of the run, of your choice.")
@output_option
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="YAML file of the use case; for `begin`.",
)
@click.option("--metadata-url", help="Replaces `metadata.url` of the config; for `begin`.")
@click.option(
    "--window", type=int, help="Replaces `data.window` of the config; -1 does not. For `begin`."
)
@click.option(
    "--span", type=int, help="Replaces `data.last_span` of the config; -1 does not. For `begin`."
)
@click.option("--seed", type=int, help="Replaces `seed` of the config; for `begin`.")
@click.option("--steps", help="Digest of the steps that will be started; for `begin`.")
@exits_cleanly
def step(step_id: str, run_id: str, output: Path, **options: Any) -> int:
    """Run one step of a run in a process of its own.

    STEP is `begin`, then the id of each step, such as Trainer, then `end`, which prints the summary
    that `faultline run` prints. The steps share the output folder and the metadata store. A step
    waits for no other: it refuses to start before those that it depends on have ended. Steps that
    do not depend on each other may run at the same time. Each may be repeated.

    \b
    faultline step begin --run trial-1 --config configs/taxi.yaml
    faultline step ArrowExampleGen --run trial-1
    faultline step end --run trial-1
    """  # noqa: D301 - as above
    from commands.running.step import run_part

    return run_part(step_id, run_id, output, options)


@main.command()
@click.argument("data")
@click.option("--label", help="Column that holds the label; recordings may do without.")
@click.option(
    "--labels", help="Table of the labels of recordings, or of their events.  [default: found]"
)
@click.option(
    "--rows",
    type=click.Choice(["examples", "samples"]),
    help="What the rows of tables are: examples, or samples of recordings.  [default: concluded]",
)
@click.option("--positive", help="Label value that marks a fault.  [default: inferred]")
@click.option("--name", help="Name of the use case.  [default: the name of the data file]")
@click.option(
    "--dates",
    type=click.Choice(["day-first", "month-first"]),
    help="How to read dates such as 03/04/2024 where no value decides.",
)
@click.option("--header", help="Column names, separated by commas, of CSV files without a header.")
@click.option("--force", is_flag=True, help="Overwrite an existing config and schema of that name.")
@_decision("--keep", metavar="COLUMN", help="Use COLUMN as a feature, whatever speaks against it.")
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

    FIRST and SECOND are run ids or pushed versions, as for `faultline lineage`. If both runs have
    the same test examples, both models predict them and the verdict is paired.
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
    """Write a log folder that compares all runs in TensorBoard's HParams.

    The folder holds the training options, test metrics and training curves of each run. Each call
    replaces it.
    """
    _quiet_libraries()
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
    _quiet_libraries()
    from commands.queries import approve_model

    return approve_model(run_id, by, why, config_path, output, new_anchor=new_anchor)


@main.command()
@click.argument("reference", metavar="NAME[/VERSION]")
@deciding_options
@exits_cleanly
def rollback(config_path: Path | None, output: Path, as_json: bool, **order: Any) -> int:
    """Serve the previous version again, or VERSION.

    Newer versions are moved out of the folder that servers watch and kept aside. The next run does
    not push the same model again; it pushes a new one as usual. A withdrawn VERSION is put back.

    \b
    faultline rollback signals --why "alarms on every warm-up"
    faultline rollback signals/1795485203 --why "the sensor was at fault" --by Ada
    """  # noqa: D301 - as above
    _quiet_libraries()
    from commands.rollback import Order, roll_back

    return roll_back(Order(**order), config_path, output, as_json=as_json)


@main.command()
@click.argument("reference", metavar="NAME/VERSION")
@deciding_options
@exits_cleanly
def withdraw(config_path: Path | None, output: Path, as_json: bool, **order: Any) -> int:
    """Take one version out of service.

    If it is the served version, the next lower one is served. The files are kept aside, and
    `faultline rollback NAME/VERSION` puts them back.
    """
    _quiet_libraries()
    from commands.rollback import Order
    from commands.rollback import withdraw as withdraw_version

    return withdraw_version(Order(**order), config_path, output, as_json=as_json)


@main.group()
def rollout() -> None:
    """Let a pushed model take over from the served one, in steps.

    `faultline serve --gateway` sends requests to both models as the rollout says. Without a running
    gateway, an action applies when the next one starts.

    \b
    faultline rollout start wells/1795485203 --why "trained on May"
    faultline rollout status               how far it is, and what the evidence says
    faultline rollout advance --why ...    take the next step; after the last one, promote
    faultline rollout hold --why ...       stay at this step
    faultline rollout approve --why ...    let a rollout go on that waits or is held
    faultline rollout rollback --why ...   serve the version from before, also after promotion
    faultline rollout abort --why ...      end it without a judgement
    faultline rollout history              who decided what, when and why
    """  # noqa: D301 - as above


@rollout.command("start")
@click.argument("reference", metavar="[NAME[/VERSION]]", required=False)
@click.option(
    "--strategy",
    type=click.Choice(["shadow", "canary", "blue_green"]),
    help="How the model takes over.  [default: `rollout.strategy` of the config]",
)
@why_option
@by_option
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="YAML with the `rollout` options.  [default: the config that the model's run recorded]",
)
@output_option
@json_option
@exits_cleanly
def rollout_start(strategy: Any, **options: Any) -> int:
    """Start the rollout of VERSION, by default the newest.

    The version must be BLESSED, in service and undamaged. An INCONCLUSIVE one, NAME_shadow/VERSION,
    starts in shadow mode and is promoted only after `faultline rollout approve`. A model has one
    rollout at a time.
    """
    _quiet_libraries()
    from commands.rollout import Order, start_rollout

    return start_rollout(Order(**options), strategy)


@rollout.command("status")
@click.argument("model", metavar="[NAME]", required=False)
@output_option
@json_option
@exits_cleanly
def rollout_status(model: str | None, output: Path, *, as_json: bool) -> int:
    """Show what is served of NAME, the step of its rollout, the evidence and what comes next."""
    from commands.rollout import print_status

    return print_status(model, output, as_json=as_json)


@rollout.command("history")
@click.argument("model", metavar="[NAME]", required=False)
@output_option
@json_option
@exits_cleanly
def rollout_history(model: str | None, output: Path, *, as_json: bool) -> int:
    """List every transition of NAME, the newest first, with who decided it and why."""
    from commands.rollout import print_history

    return print_history(model, output, as_json=as_json)


def _rollout_action(name: str, action: Any, text: str) -> None:
    """Adds a command that takes an action on the rollout of a model."""

    @rollout.command(name, help=text)
    @click.argument("reference", metavar="[NAME]", required=False)
    @deciding_options
    @exits_cleanly
    def command(**options: Any) -> int:
        _quiet_libraries()
        from commands.rollout import Order, take_action

        return take_action(Order(**options), action)


_rollout_action(
    "advance", "advance", "Take the next step of NAME now; after the last one, promote."
)
_rollout_action("hold", "hold", "Keep NAME at the current step until `approve` or `advance`.")
_rollout_action(
    "approve",
    "approve",
    "Let a rollout of NAME go on that waits for a person or is held.\n\nIt takes the step that a "
    "waiting rollout asks for. It also approves the promotion of a model whose verdict is "
    "INCONCLUSIVE.",
)
_rollout_action(
    "abort",
    "abort",
    "End the rollout of NAME without a judgement; the served version is unchanged.",
)
_rollout_action(
    "rollback",
    "roll_back",
    "Serve the version of NAME from before the rollout.\n\nAfter a promotion too, as long as that "
    "version is in service. No file moves; `faultline rollback` also takes the newer version out "
    "of service.",
)


@main.group()
def automation() -> None:
    """Decide what the automation leaves to people.

    `automation.level` of the config says how much is decided without a person: 0 human_inspection,
    1 shadow_mode, 2 human_in_the_loop, 3 full_automation.

    \b
    faultline automation queue             predictions that wait for a person
    faultline automation decide REQUEST --label 1 --why "bearing is loose"
    faultline automation report            what each level would have decided, and how it turned out
    """  # noqa: D301 - as above


@automation.command("queue")
@click.option(
    "--days",
    type=click.FloatRange(0, 36_500),
    default=7,
    show_default=True,
    help="Days to look back.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Lines to print."
)
@model_options
@exits_cleanly
def automation_queue(days: float, limit: int, **options: Any) -> int:
    """List the predictions that wait for a person, the oldest first.

    At level 0 these are all alarms, at level 2 the uncertain predictions. From level 1 on, requests
    on which the two models of a rollout differ are listed too: their labels are the evidence that
    tells which model is right. --json prints all of them.
    """
    from commands.automation import print_queue
    from commands.queries import Place

    return print_queue(Place(**options), days=days, limit=limit)


@automation.command("decide")
@click.argument("request_id", metavar="REQUEST")
@click.option("--label", required=True, help="The label, in the words of the training data.")
@click.option("--row", type=click.IntRange(min=0), help="Row of the request, from 0.")
@click.option("--why", required=True, help="Reason, kept with the label.")
@by_option
@model_options
@exits_cleanly
def automation_decide(request_id: str, **options: Any) -> int:
    """Decide one prediction: your decision is kept as the label of REQUEST.

    It is a label like those of `faultline labels`: evidence in rollouts, and training data of
    `faultline span`. The same decision again changes nothing; another one corrects it.
    """
    from commands.automation import Order, decide
    from commands.queries import Place

    names = ("label", "row", "why", "by")
    order = Order(request_id=request_id, **{name: options.pop(name) for name in names})
    return decide(Place(**options), order)


@automation.command("report")
@model_options
@exits_cleanly
def automation_report(**options: Any) -> int:
    """Compare the levels: what each would have decided, and how it turned out.

    A rollout counts once it was promoted or rolled back, a prediction once it has a label.
    """
    _quiet_libraries()
    from commands.automation import print_automation_report
    from commands.queries import Place

    return print_automation_report(Place(**options))


@main.command()
@model_options
@click.option("--watch", is_flag=True, help="Go on until the command is stopped.")
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(min=1),
    default=30.0,
    show_default=True,
    help="Seconds between two looks, with --watch.",
)
@click.option(
    "--release",
    type=click.IntRange(min=0),
    metavar="CHUNK",
    help="Release a chunk from quarantine instead: its data are right. Needs --why.",
)
@click.option("--why", default="", help="Reason of --release.")
@by_option
@exits_cleanly
def monitor(**options: Any) -> int:
    """Watch what a served model is asked and answers.

    Recorded requests are divided into chunks, by default one a day in UTC. Each finished chunk is
    taken once. Broken data come first: they are quarantined and no training data. Other chunks are
    compared with the training data of the version that answered, and recall, precision and cost
    are estimated without labels. Once the labels of a chunk are complete, they are measured, and
    the estimates are graded. All kinds of alarm together keep monitoring.false_alarms_per_year.

    \b
    faultline monitor                      take what is new, once; for cron
    faultline monitor --watch              look every 30 seconds, and deliver alarms
    faultline alarms                       what is open, and what to do
    faultline monitor --release 12 --why "the new firmware sends these values"
    """  # noqa: D301 - as above
    _quiet_libraries()
    from commands.monitoring.monitor import MonitorOrder
    from commands.monitoring.monitor import monitor as take_chunks

    return take_chunks(MonitorOrder(**options))


@main.group(invoke_without_command=True)
@click.option("--all", "with_closed", is_flag=True, help="Also list closed alarms.")
@model_options
@click.pass_context
def alarms(context: click.Context, /, *, with_closed: bool, **options: Any) -> None:
    """List the open alarms of the monitor.

    \b
    faultline alarms                       what is open, since when, and what it costs
    faultline explain-alarm a3             training against production, examples, causes
    faultline alarms acknowledge a3 --why "sensor is being replaced"
    faultline alarms close a3 --why "sensor was replaced"
    faultline alarms test                  send a test alarm to all receivers
    """  # noqa: D301 - as above
    # Options before a subcommand apply to it too.
    context.default_map = dict.fromkeys(alarms.commands, options)
    if context.invoked_subcommand is None:
        _list_alarms(with_closed=with_closed, **options)


@exits_cleanly
def _list_alarms(*, with_closed: bool, **options: Any) -> int:
    from commands.monitoring.alarms import print_alarms
    from commands.queries import Place

    return print_alarms(Place(**options), with_closed=with_closed)


@alarms.command("acknowledge")
@click.argument("id_", metavar="ID")
@click.option("--why", required=True, help="Reason, kept with the alarm.")
@by_option
@model_options
@exits_cleanly
def alarms_acknowledge(id_: str, why: str, by: str | None, **options: Any) -> int:
    """Take the alarm ID on: it stays open, but is neither sent again nor escalated."""
    from commands.monitoring.alarms import acknowledge
    from commands.queries import Place

    return acknowledge(Place(**options), id_, by=by, why=why)


@alarms.command("close")
@click.argument("id_", metavar="ID")
@click.option("--why", required=True, help="Reason, kept with the alarm.")
@by_option
@model_options
@exits_cleanly
def alarms_close(id_: str, why: str, by: str | None, **options: Any) -> int:
    """Close the alarm ID; the same trouble then opens a new one.

    The monitor itself closes alarms whose cause is gone or whose version no longer answers.
    """
    from commands.monitoring.alarms import close
    from commands.queries import Place

    return close(Place(**options), id_, by=by, why=why)


@alarms.command("test")
@model_options
@exits_cleanly
def alarms_test(**options: Any) -> int:
    """Send a test alarm to all receivers in `monitoring.deliver`; exits with 1 if one fails."""
    from commands.monitoring.alarms import send_test
    from commands.queries import Place

    return send_test(Place(**options))


@main.command("explain-alarm")
@click.argument("id_", metavar="ID")
@model_options
@exits_cleanly
def explain_alarm(id_: str, **options: Any) -> int:
    """Explain the alarm ID: what happened, and why.

    It compares training and production for each feature concerned, and shows a few requests, likely
    causes and what to do.
    """
    _quiet_libraries()
    from commands.monitoring.alarms import print_explanation
    from commands.queries import Place

    return print_explanation(Place(**options), id_)


@main.command()
@click.argument("request_id", metavar="REQUEST")
@model_options
@exits_cleanly
def replay(request_id: str, **options: Any) -> int:
    """Answer REQUEST again, and compare bit for bit.

    The version that answered is asked. Prints what was recorded, the version, and the run, code,
    data and environment that it came from. Exits with code 1 if an answer is another one.
    """
    _quiet_libraries()
    from commands.monitoring.replay import replay_request
    from commands.queries import Place

    return replay_request(Place(**options), request_id)


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
    _quiet_libraries()
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
    _quiet_libraries()
    from commands.explain import ExplainOptions, print_explanation

    return print_explanation(ExplainOptions(**options))


@main.command("package")
@click.argument("reference", metavar="NAME[/VERSION]")
@click.option("-t", "image", metavar="IMAGE", help="Build an image of this name.")
@click.option(
    "-o",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write the build context to DIR, a new or empty folder.",
)
@click.option(
    "--base",
    "base_image",
    metavar="IMAGE",
    default="faultline-serving",
    show_default=True,
    help="The image of the server, from `docker build --target serving`.",
)
@click.option(
    "--engine",
    type=click.Choice(["docker", "podman", "buildah"]),
    help="The program that builds the image.  [default: the first of these on the path]",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="YAML that names a metadata server, or the public keys that may have signed the model.",
)
@output_option
@json_option
@exits_cleanly
def package(*, as_json: bool, **options: Any) -> int:
    """Put a pushed version into a container image that serves it.

    The image answers REST and gRPC on the port in $PORT, as serverless platforms ask. A version
    that is neither BLESSED nor approved by a person is refused, and so is one that was withdrawn
    or damaged. NAME alone is the version that is served.

    \b
    docker build --target serving -t faultline-serving .
    faultline package signals -t signals-image
    faultline package signals/1795765575 -o context/
    """  # noqa: D301 - as above
    _quiet_libraries()
    from commands.serve.packaging import Order
    from commands.serve.packaging import package as package_model

    return package_model(Order(**options), as_json=as_json)


@main.command()
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="YAML of the only use case to serve.  [default: all pushed models]",
)
@click.option(
    "--gateway",
    "has_gateway",
    is_flag=True,
    help="Serve one model by two servers behind Envoy, for `faultline rollout`.",
)
@output_option
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
@exits_cleanly
def serve(
    config_path: Path | None, output: Path, flags: tuple[str, ...], *, has_gateway: bool
) -> int:
    """Serve pushed models over gRPC and REST.

    The APIs are those of TensorFlow Serving. New versions are served as soon as they are pushed.
    FLAGS after `--` are TensorFlow Serving's own:

    \b
    faultline serve
    faultline serve -- --port=9000 --rest_api_port=9001 --enable_batching
    faultline serve -- --help              list all flags

    With --gateway, a pushed version does not take over at once. The stable version serves on, the
    candidate is loaded beside it, and Envoy divides the requests as the rollout says, over gRPC and
    REST alike. No request fails when a version takes over or is taken back. The config's section
    `gateway` has TLS, clients and limits, `rollout` the steps, `collection` what is recorded. FLAGS
    are for both servers:

    \b
    faultline serve --gateway --config configs/signals.yaml
    faultline rollout start signals --why "lower costs on the test split"
    faultline rollout status
    """  # noqa: D301 - as above
    if has_gateway:
        from commands.serve.gateway import serve_gateway

        return serve_gateway(config_path, output, flags)
    from commands.serve.alone import serve as serve_models

    return serve_models(config_path, output, flags)


@main.command()
@click.argument("data")
@use_case_option
@click.option(
    "--server",
    default="grpc://127.0.0.1:8500",
    show_default=True,
    help="Model server: grpc://HOST:PORT or http://HOST:PORT.",
)
@click.option("--model", help="Name of the served model.  [default: the config's name]")
@click.option("--id", "id_column", help="Column that identifies a row.  [default: the row number]")
@click.option(
    "--output-file",
    type=click.Path(path_type=Path),
    help="A .csv, .parquet or .jsonl file; a new folder with --batch.  [default: predictions.csv]",
)
@click.option(
    "--batch", is_flag=True, help="Use the model pushed under --output, on Beam, without a server."
)
@click.option(
    "--strict", is_flag=True, help="Write nothing if the rows differ from the data of training."
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="Table with the context of recordings; no label is needed.  [default: that of training]",
)
@click.option("--table", help="Table to read, if DATA is a database.")
@click.option("--query", help="SELECT to read, if DATA is a database.")
@click.option(
    "--partition-column",
    help="Column in whose ranges several readers read a database, over one snapshot.",
)
@click.option(
    "--into",
    metavar="TABLE",
    help="Write the predictions into this table, upserted by --id, in place of a file.",
)
@click.option("--into-url", metavar="URL", help="Database of that table.  [default: DATA]")
@click.option(
    "--password-env",
    default="FAULTLINE_DATABASE_PASSWORD",
    show_default=True,
    help="Environment variable with the password of a database.",
)
@click.option(
    "--into-password-env",
    metavar="NAME",
    help="Environment variable with the password of --into-url.  [default: that of DATA]",
)
@output_option
@json_option
@exits_cleanly
def predict(**options: Any) -> int:
    """Write predictions for the rows of DATA.

    DATA is a CSV, Parquet or JSON-lines file, a folder, a glob, or the URL of a database. Rows are
    read as in training: the config defines wide signals, times and missing values. The label is not
    needed. A table says where the rows differ from the data of training: missing, unseen and
    out-of-range values, distributions, and the share of alarms.

    \b
    faultline predict new.parquet --id recording_id
    faultline predict new.csv --server http://127.0.0.1:8501 --output-file new.jsonl
    faultline predict archive/ --batch --output-file predictions/
    faultline predict recordings/ --labels machines.csv

    With --into, predictions go into a table with the columns id, probability, decision,
    model_version, run_id and predicted_at, which is created if it is not there. Rows are upserted
    by --id in transactions of 5,000. After a kill, the same command continues where it stopped:

    \b
    faultline predict postgresql://me@host/plant --table readings --id id --into predictions
    faultline predict mysql://me@host/plant --query "SELECT * FROM new" --id id --into done --batch
    faultline predict sqlite:///plant.db --table readings --id id --output-file predictions.csv
    """  # noqa: D301 - as above
    _quiet_libraries()
    from pipeline.prediction.options import PredictOptions
    from pipeline.prediction.predict import predict as predict_data

    return predict_data(PredictOptions(**options))


@main.command()
@click.argument("data", metavar="FILE|URL")
@click.option("--id", "id_column", required=True, help="Column that holds the request ids.")
@click.option("--label", "label_column", required=True, help="Column that holds the label.")
@click.option(
    "--row",
    "row_column",
    help="Column that holds the row in the request, from 0.  [default: every request has one row]",
)
@click.option(
    "--with",
    "others",
    multiple=True,
    metavar="COLUMN",
    help="Also keep COLUMN, which the training data have and requests lack. May be repeated.",
)
@use_case_option
@click.option("--model", help="Name of the model that answered.  [default: the config's name]")
@output_option
@json_option
@exits_cleanly
def labels(**options: Any) -> int:
    """Keep labels that arrive after the answers.

    FILE is a CSV, Parquet or JSON-lines file, a spreadsheet, a folder or a glob. The server returns
    a request's id as `x-request-id`. Labels are written as in the training data. The same file may
    come again: labels that are known are not kept twice, and another label of a row corrects it.

    \b
    faultline labels repairs.csv --id request_id --label failed
    faultline labels https://lab.example/results.csv --id request --row sample --label state
    faultline labels repairs.csv --id request_id --label failed --with machine
    """  # noqa: D301 - as above
    _quiet_libraries()
    from commands.labels import LabelOptions, keep_labels

    return keep_labels(LabelOptions(**options))


@main.command()
@use_case_option
@click.option("--span", help="Number or date of the span.  [default: the next number, or today]")
@click.option("--model", help="Name of the model that answered.  [default: the config's name]")
@output_option
@json_option
@exits_cleanly
def span(**options: Any) -> int:
    """Make the next span of recorded requests with labels.

    A span is a part of the training data. The file goes beside the earlier ones, as `data.path`
    with {SPAN} or {DATE} says, and holds the columns that training needs, as it reads them. Every
    row is written once: the next call takes rows whose labels came in between. `faultline run` then
    reads the span like any other.

    \b
    faultline labels repairs.csv --id request_id --label failed
    faultline span --config configs/wells.yaml
    faultline run --config configs/wells.yaml
    """  # noqa: D301 - as above
    _quiet_libraries()
    from commands.labels import SpanOptions, make_span

    return make_span(SpanOptions(**options))


@main.group(invoke_without_command=True)
@click.option("--why", help="Reason to begin a retraining, kept in its journal and in ML Metadata.")
@by_option
@click.option("--dry-run", is_flag=True, help="Begin nothing; print what is missing, as `status`.")
@use_case_options
@click.pass_context
def retrain(
    context: click.Context, /, *, why: str | None, by: str | None, dry_run: bool, **place: Any
) -> None:
    """Train a new model on the latest labelled requests.

    They become the newest span. The gate compares the model with the served one, and the rollout
    follows as the config says. `faultline loop` begins retrainings by itself, as `retraining` of
    the config says. One that was interrupted goes on.

    \b
    faultline retrain --why "two new sensors"
    faultline retrain --dry-run            what would begin one now, and what is missing
    faultline retrain status               what goes on, and why nothing does
    faultline retrain history              all retrainings, what began them and what came of them
    faultline retrain approve --why ...    let a proposed one begin
    faultline retrain decline --why ...    end a proposed one
    """  # noqa: D301 - as above
    # Options before a subcommand apply to it too.
    context.default_map = dict.fromkeys(retrain.commands, place | {"why": why, "by": by})
    if context.invoked_subcommand is not None:
        return
    if dry_run:
        _retrain_status(**place)
    if why is None:
        raise click.UsageError("Give the reason with --why, or --dry-run to see what is missing.")
    _begin_retraining(why, by, **place)


@exits_cleanly
def _begin_retraining(why: str, by: str | None, **place: Any) -> int:
    _quiet_libraries()
    from commands.retraining.retrain import Order, Place, begin_retraining

    return begin_retraining(Place(**place), Order(why=why, by=by))


@exits_cleanly
def _retrain_status(**place: Any) -> int:
    _quiet_libraries()
    from commands.retraining.retrain import Place, print_status

    return print_status(Place(**place))


@retrain.command("status")
@use_case_options
def retrain_status(**place: Any) -> None:
    """Show the retraining that goes on, the last one, and what the automation waits for."""
    _retrain_status(**place)


@retrain.command("history")
@use_case_options
@exits_cleanly
def retrain_history(**place: Any) -> int:
    """List all retrainings, the newest first: trigger, data, result."""
    from commands.retraining.retrain import Place, print_history

    return print_history(Place(**place))


def _retrain_decision(name: str, *, is_approved: bool, text: str) -> None:
    """Adds a command that decides on a proposed retraining."""

    @retrain.command(name, help=text)
    @why_option
    @by_option
    @use_case_options
    @exits_cleanly
    def command(why: str, by: str | None, **place: Any) -> int:
        _quiet_libraries()
        from commands.retraining.retrain import Order, Place, decide_proposal

        return decide_proposal(Place(**place), Order(why=why, by=by), is_approved=is_approved)


_retrain_decision(
    "approve",
    is_approved=True,
    text="Let a proposed retraining begin.\n\nA running `faultline loop` carries it out; without "
    "one, this command does.",
)
_retrain_decision("decline", is_approved=False, text="End a retraining before it trains.")


@main.command()
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(min=0.5),
    default=60.0,
    show_default=True,
    help="Seconds between two looks at the recorded requests.",
)
@click.option("--serve", "has_server", is_flag=True, help="Start `serve --gateway` too.")
@use_case_option
@output_option
@exits_cleanly
def loop(**options: Any) -> int:
    """Monitor, retrain and roll out until a signal comes.

    Retrainings begin as `retraining` of the config says, rollouts as `rollout` and `automation` do:
    with `rollout.start: on_push` and level 3, a better model takes over with nobody touching it.
    The gateway runs in a process of its own, `faultline serve --gateway`, or by --serve. Everything
    is kept in the output folder: after a kill, the next loop goes on.

    \b
    faultline loop --config configs/wells.yaml --serve
    faultline retrain status               what it waits for
    """  # noqa: D301 - as above
    _quiet_libraries()
    from commands.retraining.loop import LoopOptions, run_loop

    return run_loop(LoopOptions(**options))


@main.command()
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    required=True,
    help="Number of runs of each use case to keep.",
)
@click.option("--dry-run", is_flag=True, help="Remove nothing; print the folders and their size.")
@server_option
@output_option
@json_option
@exits_cleanly
def clean(**options: Any) -> int:
    """Remove what old runs left: folders, reports, artifacts.

    Served and withdrawn versions stay, and so does everything that the kept runs, the served model
    and the next comparison need. The history stays complete: `runs` and `lineage` still show every
    run.

    \b
    faultline clean --keep 5 --dry-run
    faultline clean --keep 5
    """  # noqa: D301 - as above
    _quiet_libraries()
    from commands.clean import clean_output

    return clean_output(**options)


@main.command()
@output_option
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="IP address that it listens on."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=9464,
    show_default=True,
    help="Port that it listens on; 0 picks a free one.",
)
@click.option("--once", is_flag=True, help="Print the metrics and end.")
@exits_cleanly
def metrics(output: Path, host: str, port: int, *, once: bool) -> int:
    """Serve metrics of production for Prometheus.

    Those of gateways, rollouts, monitors and retraining are read from the output folder at each
    scrape. /metrics has them, /targets the servers behind gateways, whose own metrics Prometheus
    scrapes too:

    \b
    faultline metrics
    faultline metrics --once
    prometheus --config.file=serving/deploy/prometheus/prometheus.yml
    """  # noqa: D301 - as above
    from commands.monitoring.metrics import print_metrics, serve_metrics

    return print_metrics(output) if once else serve_metrics(output, host=host, port=port)


@main.command()
@output_option
@json_option
@exits_cleanly
def doctor(output: Path, as_json: bool) -> int:
    """Check that this machine can run the pipeline. Exits with code 1 if it cannot."""
    from commands.queries import print_doctor

    return print_doctor(output, PROJECT_DIR / "requirements.lock", as_json=as_json)


@main.command()
@click.option(
    "--output-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; by default the bill is printed.",
)
@click.option(
    "--lock",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Lock file whose packages are all listed, such as that of an image.",
)
@exits_cleanly
def sbom(output_file: Path | None, lock: Path | None) -> int:
    """Write a software bill of materials, as CycloneDX JSON.

    It lists each package of requirements.lock that runs need on this platform: version, hashes,
    dependencies, and the licence that the installed package declares. Each model carries the bill
    of the environment that it was trained in, in assets.extra/sbom.cdx.json.

    \b
    faultline sbom --output-file faultline.cdx.json
    """  # noqa: D301 - as above
    from commands.queries import print_bill

    return print_bill(
        lock or PROJECT_DIR / "requirements.lock", output_file, whole=lock is not None
    )


@main.command()
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO...|all|list")
@click.option("--short", is_flag=True, help="A small model and short days: weaker guards.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    help="Seed of every random draw.",
)
@output_option
@json_option
@exits_cleanly
def simulate(
    scenarios: tuple[str, ...], output: Path, *, short: bool, seed: int, as_json: bool
) -> int:
    """Fly months of production in minutes, with faults.

    A plant of simulated magnets sends its requests through a real gateway to real servers on the
    loopback; monitor, rollout and retraining work as in production. Each scenario injects one
    fault. The scorecard says which guard noticed it, after how many chunks, how many wrong answers
    clients got meanwhile and what they cost, and whether the right action followed without a
    person. Needs Envoy: make gateway.

    \b
    faultline simulate list
    faultline simulate stuck_sensor worse_candidate
    faultline simulate all --output /tmp/flight

    The model is trained once and kept in the output folder. Exit code 1: fewer than 90 % of the
    harmful scenarios were noticed within three chunks and handled, or there was a false alarm.
    """  # noqa: D301 - as above
    _quiet_libraries()
    from commands.monitoring.simulate import simulate as fly

    return fly(scenarios, output, short=short, seed=seed, as_json=as_json)
