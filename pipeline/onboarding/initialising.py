"""`faultline init`: from a data file to a config and a schema that run as they are."""

import contextlib
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from common.errors import InputError
from pipeline.config import Data
from pipeline.config_loading import load_config
from pipeline.onboarding.profile.labels import choose_positive
from pipeline.onboarding.profile.table import read_table
from pipeline.onboarding.profile.words import count, percent, quoted
from pipeline.onboarding.proposal import Proposal, propose
from pipeline.onboarding.schema_text import schema_text
from pipeline.onboarding.yaml_text import yaml_text

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_LISTED = 12


@dataclass(frozen=True, kw_only=True)
class InitReport:
    """What `init` wrote and decided.

    Attributes:
        config_path: The YAML.
        schema_path: The schema.
        proposal: The decisions.
    """

    config_path: Path
    schema_path: Path
    proposal: Proposal


def initialise(
    data: str,
    *,
    label: str,
    positive: str | None,
    name: str | None,
    project_dir: Path,
    force: bool,
) -> InitReport:
    """Looks at the data and writes `configs/NAME.yaml` and `schema/NAME.pbtxt`, both or none.

    Args:
        data: A CSV or Parquet file, a folder or a glob of them.
        label: The label's column.
        positive: The label's value that means a fault; by default it is found out.
        name: Name of the use case; by default it is made from the data's name.
        project_dir: Folder that holds `configs` and `schema`.
        force: Overwrite files of that name.

    Raises:
        InputError: The data cannot be used, the name is no name, or the files exist.
    """
    use_case = _use_case_name(data, name)
    config_path = project_dir / "configs" / f"{use_case}.yaml"
    schema_path = project_dir / "schema" / f"{use_case}.pbtxt"
    _check_free([config_path, schema_path], force=force)
    table = read_table(data, label, Data(path=data).missing_values)
    if table.format == "tfrecord":
        raise InputError(f"{data} is TFRecord. `init` reads CSV and Parquet; give one of these.")
    proposal = propose(table, label, choose_positive(label, table.classes, positive))
    config = yaml_text(
        proposal,
        name=use_case,
        data_path=_relative(data, config_path.parent),
        schema_path=f"../schema/{use_case}.pbtxt",
    )
    _write_all({schema_path: schema_text(proposal), config_path: config})
    return InitReport(config_path=config_path, schema_path=schema_path, proposal=proposal)


def _use_case_name(data: str, name: str | None) -> str:
    if name is not None:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"--name {name!r} must begin with a small letter and hold small letters, digits "
                "and underscores only, at most 64."
            )
        return name
    parts = [part for part in Path(data).parts if not set(part) & set("*?[")]
    stem = Path(parts[-1] if parts else "data").name.split(".")[0]
    made = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_") or "data"
    return (made if made[0].isalpha() else f"data_{made}")[:64]


def _check_free(paths: list[Path], *, force: bool) -> None:
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        raise InputError(
            f"{' and '.join(there)} {'exists' if len(there) == 1 else 'exist'} already. Choose "
            "another name with --name, or overwrite with --force."
        )


def _relative(data: str, folder: Path) -> str:
    """Returns the data's path as seen from `folder`; a URL stays as it is."""
    return data if "://" in data else Path(os.path.relpath(data, folder)).as_posix()


def _write_all(texts: Mapping[Path, str]) -> None:
    """Writes all files or none: drafts first, then renames, undone where one fails.

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
                load_config(draft)  # what `run` would refuse must not be left behind
        for path, draft in drafts.items():
            draft.replace(path)
    except BaseException as error:
        _undo(before)
        if isinstance(error, OSError):
            raise InputError(
                f"Cannot write {error.filename}: {error.strerror}. Run `init` in a folder that "
                "you may write to."
            ) from error
        raise
    finally:
        for draft in drafts.values():
            with contextlib.suppress(OSError):  # never written, for its folder is none
                draft.unlink()


def _undo(before: Mapping[Path, bytes | None]) -> None:
    for path, content in before.items():
        if content is None:
            if path.exists():
                path.unlink()
        elif path.read_bytes() != content:
            path.write_bytes(content)


def print_report(report: InitReport) -> None:
    """Prints what was decided, for people."""
    proposal, table, choice = report.proposal, report.proposal.table, report.proposal.choice
    click.echo(
        f"{count(table.num_rows, 'row')}, {count(len(table.columns) + 1, 'column')}. "
        f"{quoted(proposal.label)} = {choice.positive} in {count(choice.num_positive, 'row')} "
        f"({percent(choice.prevalence)}): {choice.reason}."
    )
    _print_list(f"Features ({len(proposal.features)}):", {
        name: f"{feature.kind}; {reason}" for name, (feature, reason) in proposal.features.items()
    })  # fmt: skip
    _print_list(f"Left out ({len(proposal.left_out)}):", proposal.left_out)
    click.echo(f"Split: {proposal.split.split.strategy}; {proposal.split.reason}.")
    for note in (*proposal.split.not_possible, *proposal.notes):
        click.echo(f"Note: {note}")
    if proposal.split.warning:
        click.echo(f"Warning: {proposal.split.warning}")
    if proposal.drop_duplicates:
        click.echo(f"Duplicates: {count(table.num_duplicates, 'row')} will be dropped.")
    if proposal.max_bad_rows:
        click.echo(f"Bad rows: {count(proposal.max_bad_rows, 'row')} will go to quarantine.")
    click.echo(f"Wrote {report.config_path} and {report.schema_path}. Now run:")
    click.echo(f"  faultline run --config {report.config_path}")


def _print_list(title: str, lines: Mapping[str, str]) -> None:
    if lines:
        click.echo(title)
    for name, text in list(lines.items())[:_MAX_LISTED]:
        click.echo(f"  {' '.join(name.split())}: {text}")
    if len(lines) > _MAX_LISTED:
        click.echo(f"  and {len(lines) - _MAX_LISTED} more, see the config")
