"""The commands that read earlier runs or this machine: list, compare, trace, explain, check."""

import getpass
import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement

from common.errors import InputError
from common.guards.terminal import escape_lines
from common.logs import are_json, log_event
from common.metadata_options import Metadata
from common.output_folder import OutputFolder, exclusive, is_locked, open_output, replace_file
from common.paths import shown_path
from pipeline.config import SHADOW_SUFFIX, Config
from pipeline.config_loading import load_config
from pipeline.counting import count
from pipeline.prediction.served_config import default_config

_PIPE_WIDTH = 160
_UNLIMITED = 10_000  # characters: wider than any word


def print_runs(config_path: Path | None, output: Path, *, as_json: bool) -> int:
    """Prints the list of runs; returns the exit code.

    Args:
        config_path: The YAML that names a metadata server, or None for the output's SQLite file.
        output: The output folder.
        as_json: JSON on standard output instead of a table.
    """
    from pipeline.lineage import list_runs, render_runs

    rows = list_runs(open_runs(config_path, output), may_be_running=is_locked(OutputFolder(output)))
    print_answer([row.to_json() for row in rows], lambda: render_runs(rows), as_json=as_json)
    return 0


def print_comparison(
    references: tuple[str, str], config_path: Path | None, output: Path, *, as_json: bool
) -> int:
    """Prints what differs between two runs and which model is better; returns the exit code.

    Args:
        references: Two runs: ids, or models as in `print_lineage`.
        config_path: The YAML that names a metadata server, or None for the output's SQLite file.
        output: The output folder.
        as_json: JSON on standard output instead of tables.
    """
    from pipeline.comparing.comparison import compare_runs
    from pipeline.comparing.rendering import render_comparison
    from pipeline.lineage.graph import read_graph

    compared = compare_runs(read_graph(open_runs(config_path, output)), *references)
    print_answer(compared.to_json(), lambda: render_comparison(compared), as_json=as_json)
    return 0


def print_tensorboard(config_path: Path | None, output: Path, *, as_json: bool) -> int:
    """Writes TensorBoard's log folder of all runs and prints how to open it.

    Args:
        config_path: The YAML that names a metadata server, or None for the output's SQLite file.
        output: The output folder.
        as_json: JSON on standard output instead of a line.
    """
    from pipeline.tracking.tensorboard import prepare_tensorboard

    store, running = open_runs(config_path, output), is_locked(OutputFolder(output))
    made = prepare_tensorboard(store, output, may_be_running=running)
    logdir = shlex.quote(str(made["logdir"]))
    text = f"{count(int(made['num_runs']), 'run')}. View them: tensorboard --logdir {logdir}"
    print_answer(made, lambda: text, as_json=as_json)
    return 0


def approve_model(
    run_id: str,
    by: str,
    why: str,
    config_path: Path | None,
    output: Path,
    *,
    new_anchor: bool = False,
) -> int:
    """Records a person's approval of a model; returns the exit code.

    Args:
        run_id: The run that trained the model; a unique prefix of its id is enough.
        by: Who approves it.
        why: The reason.
        config_path: The YAML that names a metadata server, or None for the output's SQLite file.
        output: The output folder.
        new_anchor: Whether the model becomes the anchor of later comparisons.
    """
    from pipeline.running.approval import Approval, record_approval

    store = open_runs(config_path, output)
    with exclusive(open_output(output)):
        approval = Approval(run_id=run_id, by=by, why=why, new_anchor=new_anchor)
        approved = record_approval(store, approval)
    effect = (
        "Later models are compared with its model and the best one since."
        if new_anchor
        else "Repeat the same `faultline run` to push the model."
    )
    _console(stderr=False).print(f"Approved: {approved}. {effect}", soft_wrap=True)
    return 0


def print_lineage(
    reference: str, config_path: Path | None, output: Path, *, short: bool = False, as_json: bool
) -> int:
    """Prints the lineage of a model; returns the exit code.

    Args:
        reference: A pushed version, NAME/VERSION, a run id or `latest`.
        config_path: The YAML that names a metadata server, or None for the output's SQLite file.
        output: The output folder.
        short: The few lines that come before the tree, without the tree.
        as_json: JSON on standard output instead of a tree.
    """
    from pipeline.lineage import command_lines, lineage_of, render_short, render_tree, short_lineage

    node = lineage_of(open_runs(config_path, output), reference)
    lines = short_lineage(node)
    if short:
        print_answer(lines, lambda: render_short(lines), as_json=as_json)
    else:
        whole = Group(render_short(lines), "", render_tree(node))
        print_answer(node.to_json(), lambda: whole, as_json=as_json)
        # A command is one line, whatever the terminal's width; in the tree it would be broken.
        for line in command_lines(node):
            print_line(line, to_errors=as_json)
    return 0


def print_doctor(output: Path, lock_path: Path, *, as_json: bool) -> int:
    """Prints the checks of `doctor`; returns 1 if a run would fail, else 0.

    Args:
        output: The output folder.
        lock_path: The lock file.
        as_json: JSON on standard output instead of a table.
    """
    from pipeline.doctor.checks import render_checks, run_checks

    checks = run_checks(output, lock_path)
    print_answer(
        [check.to_json() for check in checks], lambda: render_checks(checks), as_json=as_json
    )
    return 0 if all(check.ok for check in checks) else 1


def print_bill(lock: Path, output_file: Path | None, *, whole: bool) -> int:
    """Prints the bill of materials, or writes it to a file; returns the exit code, 0.

    Args:
        lock: The lock file.
        whole: All packages of the lock file, not those alone that runs need.
        output_file: The file to write; None prints to standard output.

    Raises:
        InputError: The lock file cannot be read, or the file cannot be written.
    """
    from common.software.bill_of_materials import make_bill

    bill = make_bill(lock, whole=whole)
    if output_file is None:
        sys.stdout.write(bill)
        return 0
    try:
        replace_file(output_file, bill.encode())
    except OSError as error:
        raise InputError(
            f"--output-file {output_file} cannot be written: {error.strerror}. Name a file in an "
            "existing folder."
        ) from error
    sys.stdout.write(f"Bill of materials: {shown_path(output_file)}\n")
    return 0


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which model is meant, and where its output is.

    Attributes:
        model: Name of the model; None for the use case's.
        config_path: The use case's config; None for that of the only served use case.
        output: The output folder.
        as_json: JSON on standard output instead of text.
    """

    model: str | None
    config_path: Path | None
    output: Path
    as_json: bool

    @property
    def folder(self) -> OutputFolder:
        """The output folder."""
        return OutputFolder(self.output.absolute())

    def config(self) -> Config:
        """Returns the config of the use case.

        Raises:
            InputError: There is none, or it is wrong.
        """
        config = load_config(self.config_path or default_config(self.folder))
        say_other_config(config, self.model or config.name)
        return config

    def name(self) -> str:
        """Returns the name of the model.

        Raises:
            InputError: Neither the model nor a config is named, and none is the only one.
        """
        return self.model or self.config().name


def open_runs(config_path: Path | None, output: Path) -> Any:
    """Returns the metadata store of earlier runs.

    Args:
        config_path: The YAML that names a metadata server, or None for the output's SQLite file.
        output: The output folder.

    Raises:
        InputError: There is no store yet, or it cannot be reached.
    """
    from common.metadata import connection_config, open_store

    metadata = Metadata() if config_path is None else load_config(config_path).metadata
    if metadata.url is None and not (output / "metadata.db").exists():
        raise InputError(
            f"No runs yet: {output / 'metadata.db'} does not exist. Run `faultline run` first, or "
            "set --output to the folder of earlier runs."
        )
    return open_store(connection_config(metadata, output.absolute(), os.environ), must_exist=True)


def deciding_person(name: str | None) -> str:
    """Returns who decides.

    Args:
        name: The name that was given; None for that of the login.

    Raises:
        InputError: None was given, and the account has none, as in some containers.
    """
    if name is not None:
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise InputError("This account has no name. Say who decides with --by.") from error


def print_line(line: str, *, to_errors: bool = False) -> None:
    """Prints a line or some for people at once; logs it where logs are JSON lines."""
    if are_json():
        log_event(line)
        return
    text = escape_lines(line.splitlines())
    Console(stderr=to_errors, soft_wrap=True).print(text, highlight=False)


def say_other_config(config: Config, model: str) -> None:
    """Says on standard error if a config is not that of a model, whose prices it then decides.

    Args:
        config: The config.
        model: Name of the served model; a shadow has the config of its use case.
    """
    if model.removesuffix(SHADOW_SUFFIX) != config.name:
        print_line(
            f"Note: the config is that of {config.name}. Its columns, limits, costs and receivers "
            f"of alarms are used for {model}. Name another config with --config.",
            to_errors=True,
        )


def print_answer(values: Any, render: Callable[[], RenderableType], *, as_json: bool) -> None:
    """Prints an answer for people, or as one JSON document.

    Args:
        values: The answer as JSON values.
        render: Returns what rich prints for people.
        as_json: JSON on standard output, and text for people on standard error.
    """
    # With --json, readable text goes to standard error, where the caller can still show it.
    _print_unbroken(render(), _console(stderr=as_json))
    if as_json:
        print(json.dumps(values, indent=2, default=str))  # noqa: T201


def _print_unbroken(renderable: RenderableType, console: Console) -> None:
    """Prints lines of the console's width, or wider where an id or a path needs more."""
    shown = console.render_str(renderable) if isinstance(renderable, str) else renderable
    unlimited = console.options.update(width=_UNLIMITED)
    longest = Measurement.get(console, unlimited, shown).minimum
    console.width = max(console.width, longest)
    console.print(shown)


def _console(*, stderr: bool) -> Console:
    """A console as wide as the terminal, or wide enough for every table if there is none."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=_PIPE_WIDTH)
