"""The proposal as a YAML text, every decision with its reason beside it."""

import dataclasses
import json
import re
import textwrap
from collections.abc import Iterable, Iterator

from models.features import Feature, Signal
from models.train_options import TrainOptions
from pipeline.config import Data, Validation
from pipeline.onboarding.profile.words import count, percent, quoted
from pipeline.onboarding.proposal import Proposal

_WIDTH = 96
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
# What YAML does not allow in a file, and what it takes for the end of a line.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_NOT_TEXT = re.compile(r"(true|false|null|yes|no|on|off|y|n|inf|nan|~)", re.IGNORECASE)


def yaml_text(proposal: Proposal, *, name: str, data_path: str, schema_path: str) -> str:
    """Returns the YAML of a use case.

    Args:
        proposal: What was decided.
        name: Name of the use case.
        data_path: The data, relative to the YAML's folder.
        schema_path: The schema, relative to the YAML's folder.
    """
    lines = [
        *_comment(_headline(proposal)),
        *_comment("Written by `faultline init`; change what you know better."),
        f"name: {scalar(name)}",
        "",
        *_label(proposal),
        "",
        *_data(proposal, data_path),
        *_comment("What each column holds: types, presence, known values. A run stops on data"
                  " that differ."),
        f"schema: {scalar(schema_path)}",
        "",
        *_features(proposal),
        "",
        *_split(proposal),
        "",
        *_validation(proposal.validation),
        *_train(*proposal.train),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def scalar(value: object) -> str:
    """Returns a YAML scalar; a text is quoted where it could be read as something else."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and not _NOT_TEXT.fullmatch(value):
        return value
    return _quoted_json(value)


def _quoted_json(value: object) -> str:
    """Returns JSON, which YAML reads alike once its unprintable characters are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _comment(text: str, indent: str = "") -> list[str]:
    lead = f"{indent}# "
    words = _UNPRINTABLE.sub("?", " ".join(text.split()))
    return textwrap.wrap(
        words[:1].upper() + words[1:],
        width=_WIDTH,
        initial_indent=lead,
        subsequent_indent=lead + ("  " if words.startswith("- ") else ""),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _headline(proposal: Proposal) -> str:
    table = proposal.table
    return (
        f"{count(table.num_rows, 'row')} in {count(len(table.files), 'file')}, "
        f"{count(len(table.columns) + 1, 'column')}; {count(proposal.choice.num_positive, 'row')} "
        f"positive ({percent(proposal.choice.prevalence)})."
    )


def _label(proposal: Proposal) -> Iterator[str]:
    choice = proposal.choice
    yield "label:"
    yield f"  column: {scalar(proposal.label)}"
    yield from _comment(
        f"{choice.num_positive:,} positive, {choice.num_negative:,} negative: {choice.reason}.",
        "  ",
    )
    yield f"  positive: {positive_scalar(choice.positive)}"


def positive_scalar(positive: str) -> str:
    """Returns the positive value as YAML: a whole number as such, all else as text."""
    return positive if re.fullmatch(r"-?\d{1,18}", positive) else _quoted_json(positive)


def _data(proposal: Proposal, data_path: str) -> Iterator[str]:
    table = proposal.table
    yield "data:"
    yield from _comment("Relative to this file's folder.", "  ")
    yield f"  path: {scalar(data_path)}"
    if proposal.drop_duplicates:
        share = percent(table.num_duplicates / table.num_rows)
        yield from _comment(
            f"{count(table.num_duplicates, 'row')} ({share}) equal an earlier one in every column; "
            "in two splits at once they would flatter the test.",
            "  ",
        )
        yield "  drop_duplicates: true"
    if proposal.max_bad_rows:
        yield from _comment(f"{_bad_rows(proposal)}; they go to the quarantine file.", "  ")
        yield f"  max_bad_rows: {proposal.max_bad_rows}"
    for name, wide in proposal.wide_signals.items():
        yield "  wide_signals:" if name == next(iter(proposal.wide_signals)) else ""
        yield f"    {scalar(name)}: {{first: {scalar(wide.first)}, last: {scalar(wide.last)}}}"
    num_default = len(Data(path=data_path).missing_values)
    if len(proposal.missing_values) > num_default:
        yield from _comment(
            "Texts that mean a missing value, beside the empty field; the last "
            f"{len(proposal.missing_values) - num_default} because of this data.",
            "  ",
        )
        listed = ", ".join(_quoted_json(text) for text in proposal.missing_values)
        yield f"  missing_values: [{listed}]"


def _bad_rows(proposal: Proposal) -> str:
    table = proposal.table
    parts = {
        "with a wrong number of fields": table.num_ragged,
        "with a text that is not UTF-8": table.num_not_utf8,
        "without a label": table.num_unlabelled,
    }
    column = proposal.split.split.column
    if column:
        parts[f"without {quoted(column)}"] = table.columns[column].num_missing
    return ", ".join(f"{count(number, 'row')} {what}" for what, number in parts.items() if number)


def _features(proposal: Proposal) -> Iterator[str]:
    for note in proposal.notes:
        yield from _comment(f"Note: {note}")
    yield "features:"
    for name, (feature, reason) in proposal.features.items():
        yield from _comment(f"{reason}.", "  ")
        if isinstance(feature, Signal) and feature.rate_column is None:
            yield from _comment(
                "sampling_rate_hz: write the true rate in Hz here; the data does not say it.", "  "
            )
        yield f"  {scalar(name)}: {flow(feature)}"
    if proposal.left_out:
        yield from _comment("Left out:", "  ")
    for name, reason in proposal.left_out.items():
        yield from _comment(f"- {' '.join(name.split())}: {reason}.", "  ")


def flow(feature: Feature) -> str:
    """Returns a feature in YAML's flow form, without what is default but the kind."""
    parts = []
    for field in dataclasses.fields(feature):
        value = getattr(feature, field.name)
        needed = isinstance(feature, Signal) and field.name in ("num_samples", "sampling_rate_hz")
        if field.name == "kind" or needed or value != field.default:
            parts.append(f"{field.name}: {_value(value)}")
    return f"{{{', '.join(parts)}}}"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(scalar(item) for item in value)}]"
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_]\w*", value):
        return _quoted_json(value)
    return scalar(value)


def _split(proposal: Proposal) -> Iterator[str]:
    choice = proposal.split
    yield from _comment(f"{choice.reason}.")
    for refused in choice.not_possible:
        yield from _comment(f"Not {refused}.")
    if choice.warning:
        yield from _comment(f"Warning: {choice.warning}")
    yield "split:"
    yield f"  strategy: {choice.split.strategy}"
    if choice.split.column:
        yield f"  column: {scalar(choice.split.column)}"
    if choice.split.block_rows:
        yield f"  block_rows: {choice.split.block_rows}"
    for name in ("train", "eval", "test"):
        yield f"  {name}: {getattr(choice.split, name):.2f}"


def _validation(validation: Validation) -> Iterator[str]:
    if validation == Validation():
        return
    yield from _comment(
        "Twice the recordings with gaps, or at another rate, that the data has now; above, a run "
        "stops."
    )
    yield "validation:"
    for name in ("max_gap_share", "max_wrong_rate_share"):
        yield f"  {name}: {getattr(validation, name):g}"
    yield ""


def _train(options: TrainOptions, reason: str) -> Iterable[str]:
    default = TrainOptions()
    yield from _comment(f"Chosen {reason}; early stopping usually ends sooner.")
    yield "train:"
    for name in ("epochs", "batch_size", "patience", "learning_rate"):
        value = getattr(options, name)
        if name in ("epochs", "batch_size") or value != getattr(default, name):
            yield f"  {name}: {value}"
