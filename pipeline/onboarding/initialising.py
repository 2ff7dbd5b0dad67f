"""`faultline init`: generates a runnable config and schema from a data file."""

import contextlib
import re
import shlex
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from common.errors import InputError
from pipeline.agreement import check_agreement
from pipeline.config_loading import load_config
from pipeline.counting import count
from pipeline.data_options.sql import Sql
from pipeline.onboarding.decisions import Decisions
from pipeline.onboarding.few_positives import CROSS_FIT_KEY, cross_fit_words, verdict_warning
from pipeline.onboarding.profile.labels import choose_positive
from pipeline.onboarding.profile.table import ReadOptions, Table, read_table
from pipeline.onboarding.profile.words import percent, quoted
from pipeline.onboarding.proposal import Proposal, propose
from pipeline.onboarding.recordings.origin import Origin
from pipeline.onboarding.recordings.path_features import profile_with_paths
from pipeline.onboarding.recordings.profiling import profile_recordings
from pipeline.onboarding.schema_text import schema_text
from pipeline.onboarding.yaml_text import relative_path, yaml_text
from pipeline.reading.files.listing import (
    PLACEHOLDERS,
    dated_pattern,
    list_files,
    placeholder_in,
)
from pipeline.reading.path_columns.discovery import find_path_columns, table_with_paths
from pipeline.reading.recordings.discovery import discover
from pipeline.reading.recordings.evidence.events import check_no_events
from pipeline.reading.recordings.evidence.labels import label_column
from pipeline.reading.recordings.evidence.listing import read_frame
from pipeline.reading.recordings.forms.request import Discovery, Rows

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_LISTED = 12


@dataclass(frozen=True, kw_only=True)
class InitReport:
    """What `init` decided, and what it wrote or would write.

    Attributes:
        proposal: The decisions.
        config_path: The config.
        schema_path: The schema.
        config_text: Text of the config.
        schema_text: Text of the schema.
        is_dry_run: Whether nothing was written.
        dated_path: `data.path` with `{DATE}`, where the files are named by date and can be spans;
            else empty.
    """

    proposal: Proposal
    config_path: Path
    schema_path: Path
    config_text: str
    schema_text: str
    is_dry_run: bool = False
    dated_path: str = ""


def initialise(  # noqa: PLR0913 - what the command line takes
    data: str,
    *,
    label: str | None,
    positive: str | None,
    negative: str | None = None,
    name: str | None,
    project_dir: Path,
    force: bool,
    reading: ReadOptions | None = None,
    decisions: Decisions | None = None,
    dry_run: bool = False,
    labels: str | None = None,
    rows: Rows | None = None,
    sql: Sql | None = None,
) -> InitReport:
    """Profiles the data and writes `configs/NAME.yaml` and `schema/NAME.pbtxt`, both or neither.

    Args:
        data: A CSV or Parquet file, or recordings, sounds or pictures; a folder or a glob of them.
        label: Name of the label column; recordings may do without.
        positive: Label value that marks a fault; inferred by default.
        negative: In its place the one that marks none; all others are faults.
        name: Name of the use case; derived from the name of the data by default.
        project_dir: Folder that holds `configs` and `schema`.
        force: Overwrite existing files.
        reading: What the person says about how the data are written.
        decisions: What the person decides instead of `init`.
        dry_run: Write nothing.
        labels: Table of the labels of recordings, or of their events; found by default.
        rows: Whether rows of tables are examples or samples of recordings; concluded by default.
        sql: The database that `data` are the rows of, for the config.

    Raises:
        InputError: The data cannot be used, the name is invalid, a decision does not fit the data,
            or the files exist.
    """
    _check_no_placeholder(data)
    use_case = _use_case_name(data, name)
    config_path = project_dir / "configs" / f"{use_case}.yaml"
    schema_path = project_dir / "schema" / f"{use_case}.pbtxt"
    decisions = decisions or Decisions()
    if positive is not None and negative is not None:
        raise InputError(
            f"--positive {positive} and --negative {negative}: give one of them. With --positive "
            "all other values count as healthy, with --negative as faults."
        )
    named = negative if positive is None else positive
    reading = replace(reading or ReadOptions(), leave_out=decisions.leave_out, positive=named)
    paths = _table_with_paths(data) if labels is None else None
    if paths is not None:
        data = paths
        label, table, origin = _profile_paths(data, label, reading)
    else:
        # Names of columns are of a table of examples: text with a recording a line has none.
        rows = rows or ("examples" if reading.header else None)
        discovery = discover(data, labels=labels, label=label, rows=rows, positive=named)
        label = _label_of(discovery, label, data, labels)
        if discovery is not None:
            _check_no_stream(discovery, negative)
            table, origin = _profile_recordings(discovery, reading, positive, negative)
            data = discovery.path
        else:
            table, origin = read_table(data, label, reading), Origin()
    if table.format == "tfrecord":
        raise InputError(f"{data} is TFRecord. `init` reads only CSV and Parquet.")
    with _telling(origin.notes):
        choice = choose_positive(label, table.classes, positive, negative)
    if choice.negative:
        table = table.with_two_classes(choice.positive, choice.negative)
    proposal = propose(table, label, choice, decisions, origin)
    report = InitReport(
        proposal=proposal,
        config_path=config_path,
        schema_path=schema_path,
        config_text=yaml_text(
            proposal,
            name=use_case,
            data_path=relative_path(data, config_path.parent),
            sql=sql,
            folder=config_path.parent,
            schema_path=f"../schema/{use_case}.pbtxt",
        ),
        schema_text=schema_text(proposal),
        is_dry_run=dry_run,
        dated_path="" if sql else _dated_path(proposal, config_path.parent),
    )
    if not dry_run:
        _check_free([config_path, schema_path], force=force)
        _write_all({schema_path: report.schema_text, config_path: report.config_text})
    return report


def _check_no_stream(discovery: Discovery, negative: str | None) -> None:
    if negative is not None and discovery.recordings.window is not None:
        raise InputError(
            f"--negative {negative}: {discovery.path} is of streams, whose windows need one state "
            "that is the fault. Name it with --positive VALUE, or write a label that is 1 in all "
            "states that are faults."
        )


def _profile_recordings(
    discovery: Discovery, reading: ReadOptions, positive: str | None, negative: str | None
) -> tuple[Table, Origin]:
    with _telling(discovery.notes):
        return profile_recordings(discovery, reading, positive, negative)


@contextlib.contextmanager
def _telling(notes: Sequence[str]) -> Iterator[None]:
    """Adds to an error what was concluded before it, such as where the labels come from."""
    try:
        yield
    except InputError as error:
        raise InputError("\n".join([str(error), *(f"Found: {note}." for note in notes)])) from error


def _table_with_paths(data: str) -> str | None:
    return None if "://" in data else table_with_paths(data)


def _profile_paths(data: str, label: str | None, reading: ReadOptions) -> tuple[str, Table, Origin]:
    """Returns the label, the profile and the files of a table with columns of paths.

    Raises:
        InputError: Which column is the label is not clear, or the table cannot be used.
    """
    columns = {
        name: option
        for name, option in find_path_columns(data).items()
        if name not in reading.leave_out
    }
    label = label_column(read_frame(data), wanted=label, not_label=tuple(columns), where=data)
    table, origin = profile_with_paths(data, label, columns, reading)
    return label, table, origin


def _label_of(discovery: Discovery | None, label: str | None, data: str, labels: str | None) -> str:
    """Returns the label's column.

    Raises:
        InputError: An ordinary table comes without a label, or with a table of labels; or there
            are no data.
    """
    if discovery is not None:
        return discovery.label
    if labels is not None:
        check_no_events(labels, read_frame(labels))
        raise InputError(
            f"--labels {labels}: {data} holds no recordings that it could name. Give the folder of "
            "the recordings, or a table with an id and the times of its samples."
        )
    if label is None:
        if "://" not in data:
            list_files(data)  # a path without data is the first thing to say
        raise InputError(
            f"{data} is a table with one example in each row, and its label is not known. Name its "
            "column with --label."
        )
    return label


def _check_no_placeholder(data: str) -> None:
    """Checks that the data are files: `init` profiles all of them, not the latest span.

    Raises:
        InputError: The path has a placeholder of spans, and no such file exists.
    """
    placeholder = placeholder_in(data)
    if placeholder and not Path(data).exists():
        raise InputError(
            f"{data} has the placeholder {placeholder}, which only `data.path` of a config takes. "
            f"Give `init` all files, such as '{PLACEHOLDERS.sub('*', data)}'. Then write "
            f"{placeholder} into `data.path` of the config, and set `data.window` to the number "
            "of spans to train on (docs/spans.md)."
        )


def _use_case_name(data: str, name: str | None) -> str:
    if name is not None:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"--name {name!r} must start with a lower-case letter and contain only "
                "lower-case letters, digits and underscores, at most 64 characters."
            )
        return name
    parts = [part for part in Path(data).parts if not set(part) & set("*?[")]
    stem = Path(parts[-1] if parts else "data").name.split(".")[0]
    slug = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_") or "data"
    return (slug if slug[0].isalpha() else f"data_{slug}")[:64]


def _check_free(paths: list[Path], *, force: bool) -> None:
    existing = [str(path) for path in paths if path.exists()]
    if existing and not force:
        raise InputError(
            f"{' and '.join(existing)} already {'exists' if len(existing) == 1 else 'exist'}. "
            "Choose another name with --name, or overwrite with --force."
        )


def _dated_path(proposal: Proposal, folder: Path) -> str:
    """Returns `data.path` with `{DATE}`, or an empty text if the files cannot be spans."""
    if proposal.origin.is_recordings:
        return ""
    if proposal.split.split.strategy == "group":  # a window refuses it: spans may share a group
        return ""
    pattern = dated_pattern(proposal.table.files)
    return relative_path(pattern, folder) if pattern else ""


def _write_all(texts: Mapping[Path, str]) -> None:
    """Writes all files or none: drafts first, then renames, which are undone if one fails.

    Raises:
        InputError: A folder cannot be written.
    """
    drafts = {path: path.with_name(f".{uuid.uuid4().hex}{path.suffix}") for path in texts}
    before = {path: path.read_bytes() if path.exists() else None for path in texts}
    try:
        for path, draft in drafts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(texts[path], encoding="utf-8")
            if path.suffix == ".yaml":
                load_config(draft)  # leave no config behind that `run` would refuse
        for path, draft in drafts.items():
            draft.replace(path)
        for path in texts:
            if path.suffix == ".yaml":
                check_agreement(load_config(path), path)
    except BaseException as error:
        _undo(before)
        if isinstance(error, OSError):
            raise InputError(
                f"Cannot write {error.filename}: {error.strerror}. Run `init` in a folder "
                "with write permission."
            ) from error
        raise
    finally:
        for draft in drafts.values():
            with contextlib.suppress(OSError):  # not written: its folder could not be created
                draft.unlink()


def _undo(before: Mapping[Path, bytes | None]) -> None:
    for path, content in before.items():
        if content is None:
            if path.exists():
                path.unlink()
        elif path.read_bytes() != content:
            path.write_bytes(content)


def print_report(report: InitReport) -> None:
    """Prints the decisions in human-readable form."""
    proposal, table, choice = report.proposal, report.proposal.table, report.proposal.choice
    for found in proposal.origin.notes:
        click.echo(f"Found: {found}.")
    click.echo(
        f"{count(table.num_rows, 'row')}, {count(len(table.columns) + 1, 'column')}. "
        f"{quoted(proposal.label)} = {choice.positive} in {count(choice.num_positive, 'row')} "
        f"({percent(choice.prevalence)}): {choice.reason}."
    )
    others = [value for value in table.classes if value != choice.positive]
    if len(others) > 1:
        healthy = ", ".join(f"{quoted(v)} ({count(table.classes[v], 'row')})" for v in others)
        click.echo(f"Healthy are {healthy}.")
    _print_list(f"Features ({len(proposal.features)}):", {
        name: f"{feature.kind}; {reason}" for name, (feature, reason) in proposal.features.items()
    })  # fmt: skip
    _print_list(f"Excluded ({len(proposal.left_out)}):", proposal.left_out)
    click.echo(f"Split: {proposal.split.split.strategy}; {proposal.split.reason}.")
    for note in (*proposal.split.not_possible, *proposal.other_faults, *proposal.notes):
        click.echo(f"Note: {note}")
    _print_warnings(proposal)
    _print_few_positives(proposal.split.num_test_positives)
    if proposal.drop_duplicates:
        click.echo(f"Duplicates: {count(table.num_duplicates, 'row')} will be dropped.")
    if table.num_unlabelled:
        share = percent(table.num_unlabelled / table.num_rows)
        marks = ", ".join(quoted(mark) for mark in table.label_marks)
        also = f", those with {marks} among them" if marks else ""
        click.echo(
            f"Without a label: {count(table.num_unlabelled, 'row')} ({share}) will be set "
            f"aside{also}."
        )
    if proposal.max_bad_rows:
        unit = "recording" if proposal.origin.is_recordings else "row"
        click.echo(f"Bad rows: {count(proposal.max_bad_rows, unit)} will go to quarantine.")
    _print_dates(report)
    if proposal.decisions.flags:
        decided = ", ".join(quoted(flag) for flag in proposal.decisions.flags)
        click.echo(f"Your decisions: {decided}.")
    if report.is_dry_run:
        _print_texts(report)
        return
    click.echo(f"Wrote {report.config_path} and {report.schema_path}. Now run:")
    click.echo(f"  faultline run --config {shlex.quote(str(report.config_path))}")


def _print_warnings(proposal: Proposal) -> None:
    for warning in proposal.origin.warnings:
        click.echo(f"Warning: {warning}.")
    if proposal.split.warning:
        click.echo(f"Warning: {proposal.split.warning}")


def _print_dates(report: InitReport) -> None:
    if report.dated_path:
        click.echo(
            "Note: the files are named by date. To train on the latest days and read only new "
            f"ones, set data.path: {report.dated_path} and data.window: "
            f"{len(report.proposal.table.files)} in the config (docs/spans.md)."
        )


def _print_few_positives(num_positives: int) -> None:
    if verdict_warning(num_positives):
        click.echo(f"Warning: {verdict_warning(num_positives)}")
    if cross_fit_words(num_positives):
        click.echo(
            f"Proposal: {cross_fit_words(num_positives)} To do so, uncomment {CROSS_FIT_KEY} "
            "in the config."
        )


def _print_texts(report: InitReport) -> None:
    texts = {report.config_path: report.config_text, report.schema_path: report.schema_text}
    for path, text in texts.items():
        click.echo(f"\nWould write {path}:\n")
        click.echo(text)
    click.echo("Dry run: nothing was written.")


def _print_list(title: str, lines: Mapping[str, str]) -> None:
    if lines:
        click.echo(title)
    for name, text in list(lines.items())[:_MAX_LISTED]:
        click.echo(f"  {' '.join(name.split())}: {text}")
    if len(lines) > _MAX_LISTED:
        click.echo(f"  and {len(lines) - _MAX_LISTED} more, see the config")
