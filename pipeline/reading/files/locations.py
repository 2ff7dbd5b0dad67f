"""Translation of `data.path` to the base folder and patterns of TFX's file driver."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from common.errors import InputError
from common.paths import tidy_path
from pipeline.config import Data
from pipeline.reading.files.listing import (
    NoDataError,
    divide,
    folder_patterns,
    glob_regex,
    matching_files,
    readable,
)
from pipeline.reading.files.pieces import SUFFIXES

_SPECIAL = re.compile(r"[*?\[{]")
_SPECS = re.compile(r"\{(SPAN|VERSION)(:\d+)?\}|\{YYYY\}|\{MM\}|\{DD\}")
_DIGITS = {"YYYY": "{4}", "MM": "{2}", "DD": "{2}"}
_EPOCH = date(1970, 1, 1)
_LAST_DAY = (date.max - _EPOCH).days


@dataclass(frozen=True, kw_only=True)
class Source:
    """Location of the data, in the terms of TFX's file driver.

    Attributes:
        base: The folder below which the patterns are matched.
        patterns: Input name to pattern; may hold `{SPAN}` or `{YYYY}{MM}{DD}`, and `{VERSION}`.
        span: The span to use, or None for the latest; only if the patterns contain a span.
        window: All spans to train on, ascending, ending with `span`; empty if only `span` is
            used.
        kept_digests: File in which the digests of unchanged files are kept; empty for none.
        notes: What a run says of its data: what was read from a database.
    """

    base: str
    patterns: dict[str, str]
    span: int | None = None
    window: tuple[int, ...] = ()
    kept_digests: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SpanFiles:
    """A pattern with its span and version filled in.

    Attributes:
        pattern: A glob without specs.
        span: The span; 0 if the pattern has none.
        version: The version, or None if the pattern has none.
    """

    pattern: str
    span: int = 0
    version: int | None = None


def resolve_source(path: str, *, folder: Path, data: Data) -> Source:
    """Returns the location of the data at a path.

    Args:
        path: A file, a folder, a glob, or a pattern with `{SPAN}` or `{DATE}` (short for
            `{YYYY}-{MM}-{DD}`) and perhaps `{VERSION}`; relative to `folder`, or a URL.
        folder: The folder of the YAML file.
        data: The config's `data` block, for the format and the range of spans.

    Raises:
        InputError: No data found.
    """
    dated = path.replace("{DATE}", "{YYYY}-{MM}-{DD}")
    if "://" in path:
        base, pattern = _divide_url(dated)
    else:
        full = str((folder / dated).absolute())
        if Path(full).is_dir():
            _check_no_window(path, data)
            full = str(tidy_path(Path(full)))
            return Source(base=full, patterns=_folder_patterns(full, data))
        base, pattern = divide(full)
        base = str(tidy_path(Path(base)))
    if _SPECS.search(pattern):
        if "{YYYY}" in pattern:
            check_days(data)
        return _with_spans(base, pattern, data)
    _check_no_window(path, data)
    return Source(base=base, patterns={"data": pattern})


def check_days(data: Data) -> None:
    """Checks the bounds of spans that are days.

    Raises:
        InputError: A bound is beyond all days, as a day written as 20260402 is.
    """
    for name, span in (("first_span", data.first_span), ("last_span", data.last_span)):
        if span is None or span <= _LAST_DAY:
            continue
        try:
            day = date.fromisoformat(str(span))
        except ValueError:
            day = date(2026, 4, 2)
        raise InputError(
            f"data.{name} is {span}, beyond all days. The number of a day is its days since "
            f"1970-01-01: {day} is {span_on(day)}."
        )


def _check_no_window(path: str, data: Data) -> None:
    if data.has_window or data.last_span is not None:
        raise InputError(
            "data.window, data.first_span and data.last_span need {SPAN} or {DATE} in data.path, "
            f"got {path}"
        )


def _divide_url(url: str) -> tuple[str, str]:
    """Splits a URL before its first part with a special character, else before its name."""
    parts = url.split("/")
    special = next((i for i, part in enumerate(parts) if _SPECIAL.search(part)), len(parts) - 1)
    return "/".join(parts[:special]), "/".join(parts[special:])


def _folder_patterns(folder: str, data: Data) -> dict[str, str]:
    """Returns one pattern for each suffix of the data files in a folder."""
    suffixes = [s for s, suffix_format in SUFFIXES.items() if data.format in (None, suffix_format)]
    try:
        patterns = folder_patterns(folder, suffixes)
    except NoDataError:
        if data.format is None:
            raise
        # No file has a suffix of the declared format: all are read, whatever their suffix.
        patterns = folder_patterns(folder, [""])
    names = [pattern.rpartition("*")[2].strip(".").replace(".", "_") for pattern in patterns]
    return {name or "data": pattern for name, pattern in zip(names, patterns, strict=True)}


def _with_spans(base: str, pattern: str, data: Data) -> Source:
    if not data.has_window:
        return Source(base=base, patterns={"data": pattern}, span=data.last_span)
    first, last = data.first_span or 0, data.last_span
    spans = [span for span in _spans_found(base, pattern) if first <= span]
    spans = [span for span in spans if last is None or span <= last]
    if data.window is not None:
        spans = spans[-data.window :]
    if not spans:
        until = "the latest" if last is None else last
        raise InputError(f"No span from {first} to {until} found at {base}/{pattern}.")
    return Source(base=base, patterns={"data": pattern}, span=spans[-1], window=tuple(spans))


def day_of(span: int) -> date:
    """Returns the day of a dated span; as in TFX, its number is the days since 1970-01-01."""
    return _EPOCH + timedelta(days=span)


def span_on(day: date) -> int:
    """Returns the number of the dated span of a day."""
    return (day - _EPOCH).days


def fill_span(base: str, pattern: str, span: int | None) -> SpanFiles:
    """Fills a span and its latest version into a local pattern.

    Args:
        base: The folder below which the pattern is matched.
        pattern: A pattern, with or without specs.
        span: The span, or None for the latest.

    Raises:
        InputError: The span does not exist, or its files write it in two ways, such as 7 and 07.
    """
    if not _SPECS.search(pattern):
        return SpanFiles(pattern=pattern)
    matches = [
        (found, int(match.groupdict().get("VERSION", -1)), match.groupdict())
        for match in _matches(base, pattern)
        if (found := _span_of(match)) is not None and span in (None, found)
    ]
    if not matches:
        what = "span" if span is None else f"span {span}"
        raise NoDataError(f"No {what} found at {base}/{pattern}.")
    latest = max((found, version) for found, version, _ in matches)
    texts = [text for found, version, text in matches if (found, version) == latest]
    if any(text != texts[0] for text in texts):
        raise InputError(
            f"The files at {base}/{pattern} write span {latest[0]} in several ways: {texts[0]} and "
            f"{next(text for text in texts if text != texts[0])}. Rename them."
        )

    def fill(match: re.Match[str]) -> str:
        return texts[0][match[1] or match[0].strip("{}")]

    return SpanFiles(
        pattern=_SPECS.sub(fill, pattern),
        span=latest[0],
        version=None if latest[1] < 0 else latest[1],
    )


def new_span_pattern(base: str, pattern: str, span: int) -> str:
    """Fills a span that does not exist yet into a local pattern, and its first version.

    Args:
        base: The folder below which the pattern is matched.
        pattern: A pattern with a span; the new one is written as the latest of its spans is.
        span: The span.

    Raises:
        InputError: There is no span yet, or a number has more digits than the pattern allows.
    """
    matches = [match for match in _matches(base, pattern) if _span_of(match) is not None]
    if not matches:
        raise NoDataError(f"No span found at {base}/{pattern}.")
    latest = max(matches, key=lambda match: (_span_of(match), match.groupdict().get("VERSION")))
    day = day_of(span if "{YYYY}" in pattern else 0)
    values = {"SPAN": span, "VERSION": 1, "YYYY": day.year, "MM": day.month, "DD": day.day}

    def fill(match: re.Match[str]) -> str:
        name = match[1] or match[0].strip("{}")
        before = latest[name]
        is_padded = before.startswith("0") or match[2] is not None or name in _DIGITS
        text = str(values[name]).zfill(len(before) if is_padded else 0)
        if match[2] is not None and len(text) > int(match[2][1:]):
            raise InputError(f"{name} {text} has more digits than {match[0]} of data.path allows.")
        return text

    return _SPECS.sub(fill, pattern)


def _spans_found(base: str, pattern: str) -> list[int]:
    """Returns the existing spans in ascending order."""
    spans = (_span_of(match) for match in _matches(base, pattern))
    return sorted({span for span in spans if span is not None})


def _matches(base: str, pattern: str) -> list[re.Match[str]]:
    matcher = _matcher(pattern)
    names = _names(base, _SPECS.sub("*", pattern))
    return [match for name in names if (match := matcher.fullmatch(name))]


def _names(base: str, pattern: str) -> list[str]:
    """Returns the matching files below a base folder, relative to it."""
    if "://" not in base:
        return [str(Path(file).relative_to(base)) for file in matching_files(base, pattern)]
    from tfx.dsl.io import fileio

    return [str(file)[len(base) + 1 :] for file in fileio.glob(f"{base}/{pattern}")]


def _matcher(pattern: str) -> re.Pattern[str]:
    """Returns the regular expression of a pattern; a repeated spec must match the same text."""
    parts, end, names = [], 0, set()
    for match in _SPECS.finditer(pattern):
        parts.append(glob_regex(pattern[end : match.start()]))
        name = match[1] or match[0].strip("{}")
        width = f"{{{match[2][1:]}}}" if match[2] else _DIGITS.get(name, "+")
        parts.append(f"(?P={name})" if name in names else rf"(?P<{name}>\d{width})")
        names.add(name)
        end = match.end()
    # The names have matched the glob, whose suffix may be in another case.
    return re.compile("".join([*parts, glob_regex(pattern[end:])]), re.IGNORECASE | re.DOTALL)


def _span_of(match: re.Match[str]) -> int | None:
    """Returns the span number in a file's name, or None if the date is invalid."""
    values = {name: int(value) for name, value in match.groupdict().items()}
    if "SPAN" in values:
        return values["SPAN"]
    try:
        return span_on(date(values["YYYY"], values["MM"], values["DD"]))
    except (KeyError, ValueError):
        return None


def source_files(source: Source) -> list[str]:
    """Returns the files of a local source, of its span alone; of the latest one by default.

    Raises:
        InputError: A pattern matches nothing.
    """
    files: set[str] = set()
    for pattern in source.patterns.values():
        filled = fill_span(source.base, pattern, source.span).pattern
        matches = matching_files(source.base, filled)
        if not matches:
            raise NoDataError(f"No data found at {source.base}/{readable(filled)}.")
        files.update(matches)
    return sorted(files)


def check_source(source: Source, *, path: str) -> None:
    """Checks that every pattern of a local source matches at least one file.

    Args:
        source: Location of the data.
        path: `data.path` as the user wrote it.

    Raises:
        InputError: Names the path that matches nothing.
    """
    if "://" in source.base:
        return
    try:
        source_files(source)
    except NoDataError as error:
        [*_, pattern] = source.patterns.values()
        raise InputError(
            f"No data found at {path} (looked for {source.base}/{readable(pattern)}). Give a file, "
            "a folder or a glob of CSV, Parquet or TFRecord files, relative to the config's folder."
        ) from error
