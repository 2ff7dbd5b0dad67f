"""The lister: which files a path means, the same for `init`, `run`, spans and `predict`.

A path that exists is taken literally, whatever characters it has. Otherwise `*`, `?`, `[...]` and
`**` match file names. A suffix such as `.csv` matches in upper and lower case.
"""

import glob
import os
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from common.errors import InputError
from pipeline.reading.files.pieces import SUFFIXES, Partition, suffix_of

_WILDCARD = re.compile(r"[*?\[]")
_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\]")
_REGEXES = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_ESCAPED = re.compile(r"\[([*?\[])\]")
# What Hive and Spark write for a missing value.
_MISSING = "__HIVE_DEFAULT_PARTITION__"
# A part of a path that TFX's file driver fills in.
PLACEHOLDERS = re.compile(r"\{(?:SPAN|VERSION|DATE|YYYY|MM|DD)\b[^}]*\}")
_DAY = re.compile(r"(?<!\d)\d{4}(-?)\d{2}\1\d{2}(?!\d)")
_NUM_SHOWN = 5


class NoDataError(InputError):
    """A path at which there are no data files."""


def list_files(path: str, suffixes: Collection[str] = tuple(SUFFIXES)) -> list[str]:
    """Returns the data files at a local file path, folder or glob, sorted by name.

    Args:
        path: A file, a folder or a glob.
        suffixes: Known suffixes. In a folder only files with one of them count.

    Raises:
        NoDataError: No data found.
        InputError: It is unclear which files of a folder count.
    """
    if Path(path).is_dir():
        base, patterns = path, folder_patterns(path, suffixes)
    else:
        base, pattern = divide(path)
        patterns = [pattern]
    files = {file for pattern in patterns for file in matching_files(base, pattern, suffixes)}
    if not files:
        raise NoDataError(
            f"No data found at {path}. Give a file, a folder or a glob of files with one of these "
            f"suffixes: {', '.join(suffixes)}."
        )
    return sorted(files)


def divide(path: str) -> tuple[str, str]:
    """Splits a local path into the folder that exists as written and a glob below it.

    The name of an existing file becomes a glob that matches it alone.
    """
    parts = path.split("/")
    place = 0
    while place < len(parts) - 1 and _is_literal(parts, place):
        place += 1
    base, pattern = "/".join(parts[:place]), "/".join(parts[place:])
    if place and not base:
        base = "/"
    return base, glob.escape(pattern) if Path(path).is_file() else pattern


def placeholder_in(path: str) -> str:
    """Returns the first placeholder of spans in a path, such as `{DATE}`; empty without one."""
    match = PLACEHOLDERS.search(path)
    return match[0] if match else ""


def dated_pattern(files: Sequence[str]) -> str:
    """Returns the pattern with `{DATE}` that files named by date have in common, or an empty text.

    A day without dashes, such as `20261018`, becomes `{YYYY}{MM}{DD}`.

    >>> dated_pattern(["data/r-2026-10-18.csv", "data/r-2026-10-19.csv"])
    'data/r-{DATE}.csv'
    >>> dated_pattern(["data/north.csv", "data/south.csv"])
    ''
    """
    base = os.path.commonpath(files) if len(files) > 1 else ""
    patterns = {_DAY.sub(_day_placeholder, file[len(base) :]) for file in files}
    one = patterns.pop() if len(files) > 1 and len(patterns) == 1 else ""
    return base + one if placeholder_in(one) else ""


def _day_placeholder(match: re.Match[str]) -> str:
    try:
        date.fromisoformat(match[0])
    except ValueError:
        return match[0]
    return "{DATE}" if "-" in match[0] else "{YYYY}{MM}{DD}"


def _is_literal(parts: Sequence[str], place: int) -> bool:
    part = parts[place]
    if PLACEHOLDERS.search(part):
        return False
    return not _WILDCARD.search(part) or Path("/".join(parts[: place + 1])).is_dir()


def folder_patterns(folder: str, suffixes: Collection[str] = tuple(SUFFIXES)) -> list[str]:
    """Returns one glob for each known suffix of the data files in a folder.

    Sub-folders are read if the folder itself has no data files.

    Raises:
        NoDataError: The folder has no data files.
        InputError: It has some, and so have its sub-folders.
    """
    files = [name for name in _walk(folder) if suffix_of(name, suffixes) is not None]
    below = [name for name in files if "/" in name]
    if below and len(below) < len(files):
        beside = next(name for name in files if "/" not in name)
        glob_of_beside = f"*{suffix_of(beside, suffixes)}"
        raise InputError(
            f"The folder {folder} has data files ({beside}) and so have its sub-folders "
            f"({below[0]}). Give {folder}/{glob_of_beside} for the files of the folder alone, or "
            f"{folder}/**/{glob_of_beside} for all."
        )
    _check_hive_folders(folder, below)
    if not files:
        raise NoDataError(
            f"No data found at {folder}: no file has one of these suffixes: {', '.join(suffixes)}. "
            f"{_shown(folder)} For other suffixes set `data.format`."
        )
    found = {suffix_of(name, suffixes) for name in files}
    return [f"{'**/' if below else ''}*{suffix}" for suffix in sorted(filter(None, found)) or [""]]


def _check_hive_folders(folder: str, names: Sequence[str]) -> None:
    for name in names:
        are_columns = ["=" in part for part in name.split("/")[:-1]]
        if are_columns != sorted(are_columns):
            raise InputError(
                f"{folder}/{name}: folders `key=value` must be directly above the files, with no "
                "other folder between. Move the files up."
            )


def _shown(folder: str) -> str:
    names = sorted(file.name for file in Path(folder).iterdir())
    more = len(names) - _NUM_SHOWN
    listed = ", ".join(names[:_NUM_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return f"It has {listed}." if names else "It is empty."


def _walk(folder: str) -> Iterator[str]:
    """Yields the visible files below a folder, relative to it; follows links, each once."""
    seen = set()
    for here, folders, names in os.walk(folder, followlinks=True, onerror=_refuse):
        real = os.path.realpath(here)
        folders[:] = [] if real in seen else sorted(filter(_is_visible_folder, folders))
        if real not in seen:
            seen.add(real)
            relative = os.path.relpath(here, folder)
            prefix = "" if relative == "." else f"{relative}/"
            yield from (f"{prefix}{name}" for name in sorted(filter(_is_visible, names)))


def _refuse(error: OSError) -> None:
    if isinstance(error, FileNotFoundError):
        return  # nothing is there, which the caller reports
    raise InputError(f"Cannot read the folder {error.filename}: {error.strerror}.") from error


def matching_files(
    base: str, pattern: str, suffixes: Collection[str] = tuple(SUFFIXES)
) -> list[str]:
    """Returns the files below a local folder that match a glob, sorted.

    Files and folders whose names begin with a dot or an underscore are hidden: a wildcard does not
    match them.
    """
    literal = Path(base, _ESCAPED.sub(r"\1", pattern))
    if not has_wildcard(pattern) and literal.is_file():
        return [str(literal)]
    pattern = _any_case(pattern, suffixes)
    if "**" in pattern:
        matches = re.compile(glob_regex(pattern), re.DOTALL).fullmatch
        names = [name for name in _walk(base or ".") if matches(name)]
    else:
        # pathlib's globs differ between the versions of Python.
        names = glob.glob(pattern, root_dir=base or ".")  # noqa: PTH207
    paths = (PurePosixPath(name) for name in names)
    visible = (
        Path(base, path)
        for path in paths
        if _is_visible(path.name) and all(map(_is_visible_folder, path.parts[:-1]))
    )
    return sorted({str(file) for file in visible if file.is_file()})


def glob_regex(pattern: str) -> str:
    """Returns the regular expression of a glob over paths."""
    parts, end = [], 0
    for match in _TOKEN.finditer(pattern):
        parts.append(re.escape(pattern[end : match.start()]))
        parts.append(_REGEXES.get(match[0]) or _class_regex(match[0][1:-1]))
        end = match.end()
    return "".join([*parts, re.escape(pattern[end:])])


def _class_regex(characters: str) -> str:
    negated = characters.startswith("!")
    escaped = re.sub(r"([\\\[\]^])", r"\\\1", characters[negated:])
    return f"[{'^' if negated else ''}{escaped}]"


def has_wildcard(pattern: str) -> bool:
    """Tells whether a glob may match several names."""
    return bool(_WILDCARD.search(_ESCAPED.sub("", pattern)))


def readable(pattern: str) -> str:
    """Returns a glob as a person wrote it: a literal name without escapes."""
    return pattern if has_wildcard(pattern) else _ESCAPED.sub(r"\1", pattern)


def _any_case(pattern: str, suffixes: Collection[str]) -> str:
    suffix = suffix_of(pattern, suffixes)
    if not suffix:
        return pattern
    letters = (f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in suffix)
    return pattern[: -len(suffix)] + "".join(letters)


def _is_visible(name: str) -> bool:
    # Excel puts a file `~$name` beside an open one.
    return not name.startswith((".", "_", "~$"))


def _is_visible_folder(name: str) -> bool:
    # Hive writes partition columns as folders `key=value`, and a key may begin with an underscore.
    return _is_visible(name) or (name.startswith("_") and "=" in name)


def partition_of(path: str) -> Partition:
    """Returns the Hive partition of a file: the columns in the names of its folders.

    They are the folders `key=value` directly above the file, outermost first. A missing value is an
    empty text.

    >>> partition_of("/data/plant=7/site=north%20west/part-0.parquet")
    (('plant', '7'), ('site', 'north west'))
    """
    folders = path.split("/") if "://" in path else Path(path).absolute().parts
    partition: list[tuple[str, str]] = []
    for name in reversed(folders[:-1]):
        key, equals, value = name.partition("=")
        if not equals or not key:
            break
        partition.append((unquote(key), "" if value == _MISSING else unquote(value)))
    return tuple(reversed(partition))


def partitions_of(files: Sequence[str]) -> list[Partition]:
    """Returns the partition of each file.

    Raises:
        InputError: Two files have different partition columns, or one has a column twice.
    """
    partitions = [partition_of(file) for file in files]
    keys = [tuple(key for key, _ in partition) for partition in partitions]
    for file, own in zip(files, keys, strict=True):
        if len(set(own)) < len(own):
            raise InputError(f"The folders of {file} name a column twice: {_listed(own)}.")
        if set(own) != set(keys[0]):
            raise InputError(
                f"The folders `key=value` above the files differ: {files[0]} has "
                f"{_listed(keys[0])}, {file} has {_listed(own)}. Give all files the same columns."
            )
    return partitions


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys) or "none"
