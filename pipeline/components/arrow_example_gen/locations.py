"""From `data.path` to what TFX's file driver understands: a base folder and patterns below it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.components.arrow_example_gen import sources
from pipeline.config import Data
from pipeline.errors import InputError
from pipeline.paths import tidy_path

_SPECIAL = re.compile(r"[*?\[{]")
_SPAN = re.compile(r"\{SPAN(:\d+)?\}")
_DATE = "{YYYY}"
_SPECS = re.compile(r"\{(SPAN|VERSION)(:\d+)?\}|\{YYYY\}|\{MM\}|\{DD\}")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the data is, by the rules of TFX's file driver.

    Attributes:
        base: The folder below which the patterns are matched.
        patterns: Input name to pattern; may hold `{SPAN}` or `{YYYY}{MM}{DD}`, and `{VERSION}`.
        span: The span to use, or None for the latest; only with a span in the patterns.
        spans: All spans where several are read together; their patterns are filled in already.
    """

    base: str
    patterns: dict[str, str]
    span: int | None = None
    spans: tuple[int, ...] = ()


def resolve_source(path: str, *, folder: Path, data: Data) -> Source:
    """Returns where the data of a path is.

    Args:
        path: A file, a folder, a glob, or a pattern with `{SPAN}` or `{DATE}` (short for
            `{YYYY}-{MM}-{DD}`) and perhaps `{VERSION}`; relative to `folder`, or a URL.
        folder: The folder of the YAML.
        data: The config's `data`, for the format and the range of spans.

    Raises:
        InputError: Nothing is there.
    """
    full = path if "://" in path else str((folder / path).absolute())
    full = full.replace("{DATE}", "{YYYY}-{MM}-{DD}")
    base, pattern = _divide(full)
    if "://" not in full:
        base, full = str(tidy_path(Path(base))), str(tidy_path(Path(full)))
    if _SPECS.search(pattern):
        return _with_spans(base, pattern, data)
    if data.first_span is not None or data.last_span is not None:
        raise InputError(
            "data.first_span and data.last_span need {SPAN} or {DATE} in data.path, got " + path
        )
    if "://" not in full and Path(full).is_dir():
        return Source(base=full, patterns=_folder_patterns(full, data))
    return Source(base=base, patterns={"data": pattern})


def _divide(full: str) -> tuple[str, str]:
    """Divides a path before its first part with a special character, else before its name."""
    parts = full.split("/")
    special = next((i for i, part in enumerate(parts) if _SPECIAL.search(part)), len(parts) - 1)
    return "/".join(parts[:special]) or "/", "/".join(parts[special:])


def _folder_patterns(folder: str, data: Data) -> dict[str, str]:
    """One pattern for each suffix among the data files of a folder."""
    names = [Path(file).name for file in _files_or_none(folder)]
    suffixes = {suffix for name in names if (suffix := sources.suffix_of(name)) is not None}
    if data.format is not None:
        suffixes = {suffix for suffix in suffixes if sources.SUFFIXES[suffix] == data.format}
        return {"data": "*"} if not suffixes else _by_suffix(suffixes)
    if not suffixes:
        raise InputError(
            f"No data found in the folder {folder}. Known suffixes: {', '.join(sources.SUFFIXES)}; "
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
    first, last = data.first_span, data.last_span
    if first is None or first == last:
        return Source(base=base, patterns={"data": pattern}, span=last)
    if not _SPAN.search(pattern) or "{VERSION" in pattern:
        raise InputError(
            "data.first_span and data.last_span of several spans need {SPAN}, without {VERSION}, "
            f"in data.path; got {pattern}."
        )
    spans = [span for span in _spans_found(base, pattern) if first <= span]
    spans = [span for span in spans if last is None or span <= last]
    if not spans:
        raise InputError(
            f"No span from {first} to {last or 'the latest'} found at {base}/{pattern}."
        )
    patterns = {f"span_{span}": _fill_span(pattern, span) for span in spans}
    return Source(base=base, patterns=patterns, spans=tuple(spans))


def _fill_span(pattern: str, span: int) -> str:
    def fill(match: re.Match[str]) -> str:
        return str(span).zfill(int(match[1][1:]) if match[1] else 0)

    return _SPAN.sub(fill, pattern)


def _spans_found(base: str, pattern: str) -> list[int]:
    """The spans that are there, ascending."""
    before, after = pattern[: (match := _SPAN.search(pattern)).start()], pattern[match.end() :]  # type: ignore[union-attr]
    regex = re.compile(_as_regex(before) + r"(\d+)" + _as_regex(after) + "$")
    spans = set()
    for file in Path(base).glob(f"{before}*{after}"):
        match = regex.search(file.relative_to(base).as_posix())
        if match:
            spans.add(int(match[1]))
    return sorted(spans)


def _as_regex(glob: str) -> str:
    return re.escape(glob).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")


def check_source(source: Source, *, path: str) -> None:
    """Checks that every pattern of a local source matches a file.

    Args:
        source: Where the data is.
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
                "folder or a glob of CSV, Parquet or TFRecord files, relative to the YAML's folder."
            )


def matching_files(base: str, pattern: str) -> list[str]:
    """Returns the visible files that match a local pattern, sorted."""
    found = [file for file in Path(base).glob(pattern) if file.is_file()]
    return sorted(str(file) for file in visible(found))


def visible(files: Sequence[Path]) -> list[Path]:
    """Returns the files whose names do not begin with a dot or an underscore."""
    return [file for file in files if not file.name.startswith((".", "_"))]
