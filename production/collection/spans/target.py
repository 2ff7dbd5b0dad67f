"""Location of a new span: the file beside the earlier spans that `data.path` describes."""

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from common.errors import InputError
from pipeline.config import Config
from pipeline.reading.files.listing import matching_files
from pipeline.reading.files.locations import (
    day_of,
    fill_span,
    new_span_pattern,
    resolve_source,
    span_on,
)
from pipeline.reading.files.pieces import SUFFIXES, Format, suffix_of

FILE_STEM = "collected"
_FORMATS = ("csv", "parquet")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A span that does not exist yet.

    Attributes:
        span: Its number; of a date, the days since 1970-01-01.
        name: The span as a person writes it: the number or the date.
        path: The file to write.
        format: `csv` or `parquet`.
        model_file: A file of the latest span, whose columns the new one repeats.
    """

    span: int
    name: str
    path: Path
    format: Format
    model_file: str


def find_target(config: Config, span: str | None, *, today: date) -> Target:
    """Returns where the next span goes.

    Args:
        config: The use case.
        span: The number or date of the span; by default the latest number and one, or today.
        today: The date, UTC.

    Raises:
        InputError: `data.path` has no spans on this machine or another format, or the span would
            not be the latest.
    """
    base, pattern = _local_pattern(config)
    is_dated = "{YYYY}" in pattern
    latest = fill_span(base, pattern, None)
    number = _number(
        span, is_dated=is_dated, default=span_on(today) if is_dated else latest.span + 1
    )
    if number <= latest.span:
        raise InputError(
            f"Span {_name(latest.span, is_dated)} exists already, and a new span must be later, "
            f"got {_name(number, is_dated)}. "
            + ("Name a later date with --span." if is_dated else "Leave out --span.")
        )
    if config.data.last_span is not None and number > config.data.last_span:
        raise InputError(
            f"data.last_span is {config.data.last_span}: a run would not read span {number}. "
            "Remove `last_span`."
        )
    path = Path(base, _file_name(new_span_pattern(base, pattern, number)))
    return Target(
        span=number,
        name=_name(number, is_dated),
        path=path,
        format=_format(config, path),
        model_file=matching_files(base, latest.pattern)[0],
    )


def _local_pattern(config: Config) -> tuple[str, str]:
    advice = (
        "A new span needs {SPAN} or {DATE} in data.path, such as `spans/{SPAN}/*.parquet`: move "
        "the present data to spans/1/ and set data.path."
    )
    if config.data.path is None:
        raise InputError(f"The data of `{config.name}` are a built-in data set. {advice}")
    source = resolve_source(config.data.path, folder=config.folder, data=config.data)
    pattern = next(iter(source.patterns.values()))
    if "{SPAN" not in pattern and "{YYYY}" not in pattern:
        raise InputError(f"data.path is {config.data.path}. {advice}")
    if "://" in source.base:
        raise InputError(
            f"data.path is the URL {config.data.path}; a new span is written on this machine only."
        )
    return source.base, pattern


def _number(span: str | None, *, is_dated: bool, default: int) -> int:
    if span is None:
        return default
    try:
        return span_on(date.fromisoformat(span)) if is_dated else _natural(span)
    except ValueError:
        kind = "a date such as 2026-11-27" if is_dated else "a whole number"
        raise InputError(f"--span must be {kind}, got `{span}`.") from None


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


def _name(span: int, is_dated: bool) -> str:
    return str(day_of(span)) if is_dated else str(span)


def _file_name(pattern: str) -> str:
    """Returns a file that a glob matches."""
    name = re.sub(r"\*+", FILE_STEM, pattern.replace("**/", ""))
    if re.search(r"[?\[]", name):
        raise InputError(
            f"data.path has `?` or `[…]` after the span is filled in ({pattern}), so that the "
            "name of the new file is open. Use `*`."
        )
    return name if suffix_of(name) else f"{name}.parquet"


def _format(config: Config, path: Path) -> Format:
    suffix = suffix_of(path.name)
    own: Format = config.data.format or (SUFFIXES[suffix] if suffix else "parquet")
    if own not in _FORMATS:
        raise InputError(
            f"The spans of {config.data.path} are {own} files; a new span can be CSV or Parquet. "
            "Convert the earlier spans to Parquet, and change data.path."
        )
    return own
