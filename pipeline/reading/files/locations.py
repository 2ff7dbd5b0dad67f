"""Translation of `data.path` to the base folder and patterns of TFX's file driver."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from common.errors import InputError
from common.paths import tidy_path
from pipeline.config import Data
from pipeline.reading.files import sources
from pipeline.reading.files.pieces import SUFFIXES, suffix_of

_SPECIAL = re.compile(r"[*?\[{]")
_SPECS = re.compile(r"\{(SPAN|VERSION)(:\d+)?\}|\{YYYY\}|\{MM\}|\{DD\}")
_DIGITS = {"YYYY": "{4}", "MM": "{2}", "DD": "{2}"}
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Location of the data, in the terms of TFX's file driver.

    Attributes:
        base: The folder below which the patterns are matched.
        patterns: Input name to pattern; may hold `{SPAN}` or `{YYYY}{MM}{DD}`, and `{VERSION}`.
        span: The span to use, or None for the latest; only if the patterns contain a span.
        window: All spans to train on, ascending, ending with `span`; empty if only `span` is
            used.
    """

    base: str
    patterns: dict[str, str]
    span: int | None = None
    window: tuple[int, ...] = ()


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
    full = path if "://" in path else str((folder / path).absolute())
    full = full.replace("{DATE}", "{YYYY}-{MM}-{DD}")
    base, pattern = _divide(full)
    if "://" not in full:
        base, full = str(tidy_path(Path(base))), str(tidy_path(Path(full)))
    if _SPECS.search(pattern):
        return _with_spans(base, pattern, data)
    if data.has_window or data.last_span is not None:
        raise InputError(
            "data.window, data.first_span and data.last_span need {SPAN} or {DATE} in data.path, "
            f"got {path}"
        )
    if "://" not in full and Path(full).is_dir():
        return Source(base=full, patterns=_folder_patterns(full, data))
    return Source(base=base, patterns={"data": pattern})


def _divide(full: str) -> tuple[str, str]:
    """Splits a path before its first part with a special character, else before its name."""
    parts = full.split("/")
    special = next((i for i, part in enumerate(parts) if _SPECIAL.search(part)), len(parts) - 1)
    return "/".join(parts[:special]) or "/", "/".join(parts[special:])


def _folder_patterns(folder: str, data: Data) -> dict[str, str]:
    """Returns one pattern for each suffix of the data files in a folder."""
    names = [Path(file).name for file in _files_or_none(folder)]
    suffixes = {suffix for name in names if (suffix := suffix_of(name)) is not None}
    if data.format is not None:
        suffixes = {suffix for suffix in suffixes if SUFFIXES[suffix] == data.format}
        return {"data": "*"} if not suffixes else _by_suffix(suffixes)
    if not suffixes:
        raise InputError(
            f"No data found in the folder {folder}. Known suffixes: {', '.join(SUFFIXES)}; "
            "for others set `data.format`."
        )
    return _by_suffix(suffixes)


def _by_suffix(suffixes: set[str]) -> dict[str, str]:
    return {suffix.strip(".").replace(".", "_"): f"*{suffix}" for suffix in sorted(suffixes)}


def _files_or_none(folder: str) -> list[str]:
    try:
        return sources.list_files(folder)
    except InputError:
        return []


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


def _fill_span(pattern: str, span: int) -> str:
    """Returns the pattern of one span. As in TFX, a date's span is its days since 1970-01-01."""
    day = _EPOCH + timedelta(days=span)

    def fill(match: re.Match[str]) -> str:
        if match[1] == "SPAN":
            return str(span).zfill(int(match[2][1:]) if match[2] else 0)
        dates = {"{YYYY}": f"{day.year:04}", "{MM}": f"{day.month:02}", "{DD}": f"{day.day:02}"}
        return dates.get(match[0], match[0])

    return _SPECS.sub(fill, pattern)


def _spans_found(base: str, pattern: str) -> list[int]:
    """Returns the existing spans in ascending order."""
    matcher = _matcher(pattern)
    matches = (matcher.fullmatch(name) for name in _names(base, _SPECS.sub("*", pattern)))
    return sorted({span for match in matches if match and (span := _span_of(match)) is not None})


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
        parts.append(_as_regex(pattern[end : match.start()]))
        name = match[1] or match[0].strip("{}")
        width = f"{{{match[2][1:]}}}" if match[2] else _DIGITS.get(name, "+")
        parts.append(f"(?P={name})" if name in names else rf"(?P<{name}>\d{width})")
        names.add(name)
        end = match.end()
    return re.compile("".join([*parts, _as_regex(pattern[end:])]))


def _span_of(match: re.Match[str]) -> int | None:
    """Returns the span number in a file's name, or None if the date is invalid."""
    values = {name: int(value) for name, value in match.groupdict().items()}
    if "SPAN" in values:
        return values["SPAN"]
    try:
        return (date(values["YYYY"], values["MM"], values["DD"]) - _EPOCH).days
    except (KeyError, ValueError):
        return None


def _as_regex(glob: str) -> str:
    return re.escape(glob).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")


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
    for pattern in source.patterns.values():
        filled = pattern
        if source.span is not None:
            filled = _fill_span(filled, source.span)
        if not matching_files(source.base, _SPECS.sub("*", filled)):
            raise InputError(
                f"No data found at {path} (looked for {source.base}/{pattern}). Give a file, a "
                "folder or a glob of CSV, Parquet or TFRecord files, relative to the config."
            )


def matching_files(base: str, pattern: str) -> list[str]:
    """Returns the visible files that match a local pattern, sorted."""
    files = [file for file in Path(base).glob(pattern) if file.is_file()]
    return sorted(str(file) for file in visible(files))


def visible(files: Sequence[Path]) -> list[Path]:
    """Returns the files whose names do not begin with a dot or an underscore."""
    return [file for file in files if not file.name.startswith((".", "_"))]
