"""Names of recordings in a table, matched with their files."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.reading.recordings.raw.listing import stem


def normal_id(name: str) -> str:
    r"""Returns an id with the separators of a path.

    >>> normal_id(".\\night\\7.wav"), normal_id("7")
    ('night/7.wav', '7')
    """
    return name.strip().replace("\\", "/").removeprefix("./")


class FileMatcher:
    """Finds what a table says of a file: by its path below the folder, or by its name.

    Each is tried with suffix and without, and the path also without its outer folders. An id with
    more folders than the path must be the end of the absolute path: `b/7.wav` is not the file
    `a/7.wav`, even if `a` is the folder. An absolute id may be from another computer, so its last
    folder decides. An id that means no file as written is compared regardless of upper and lower
    case, and then without the zeros before its numbers, which a spreadsheet drops from `001`.

    Args:
        ids: The ids of the table.
        names: Paths of all files below the folder.
        base: The folder.
    """

    def __init__(self, ids: Sequence[str], names: Sequence[str], *, base: str) -> None:
        folder = Path(base).absolute().as_posix()
        self._exact = _Index(ids, names, folder, composed)
        self._folded = _Index(ids, names, folder, folded)
        others = [id_ for id_ in ids if not self._folded.has_file(id_)]
        self._unpadded = _Index(others, names, folder, unpadded)

    def match(self, name: str) -> list[str]:
        """Returns the ids that mean a file, without those that mean several files.

        Args:
            name: The file's path below the folder.
        """
        return self._exact.match(name) or self._folded.match(name) or self._unpadded.match(name)

    def ambiguous(self, name: str) -> str | None:
        """Returns an id that means this file and another one, or None."""
        indexes = (self._exact, self._folded, self._unpadded)
        return next((id_ for index in indexes if (id_ := index.ambiguous(name))), None)


def composed(name: str) -> str:
    """Returns a name with one code point for a letter and its accent; macOS stores two."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """Returns a name without the difference between upper and lower case."""
    return composed(name).casefold()


def unpadded(name: str) -> str:
    """Returns a name in any case without the zeros before its numbers.

    >>> unpadded("Night_01/007.wav"), unpadded("0.05.csv")
    ('night_1/7.wav', '0.05.csv')
    """
    return re.sub(r"(?<![\d.,])0+(?=\d)", "", folded(name))


class _Index:
    """Ids by what they may be called, in one form of writing."""

    def __init__(
        self, ids: Sequence[str], names: Sequence[str], base: str, form: Callable[[str], str]
    ) -> None:
        self._form = form
        folders = form(base).split("/")
        whole: dict[str, list[str]] = {}
        tails: dict[str, list[str]] = {}
        for id_ in ids:
            parts = form(id_).split("/")
            whole.setdefault("/".join(parts), []).append(id_)
            for first in (n for n in range(1, len(parts)) if _is_below(parts, n, folders)):
                tails.setdefault("/".join(parts[first:]), []).append(id_)
        self._ids = _unique(whole)
        self._ids_of_paths = _unique(tails | whole)
        self._num_files = Counter(
            key
            for name in names
            for key in dict.fromkeys((*_paths(form(name)), *_tails(form(name))))
        )

    def match(self, name: str) -> list[str]:
        keys = self._ids_by_key(name).items()
        return list(dict.fromkeys(id_ for key, id_ in keys if self._num_files[key] == 1))

    def has_file(self, id_: str) -> bool:
        return self._form(id_) in self._num_files

    def ambiguous(self, name: str) -> str | None:
        keys = self._ids_by_key(name).items()
        return next((id_ for key, id_ in keys if self._num_files[key] > 1), None)

    def _ids_by_key(self, name: str) -> dict[str, str]:
        name = self._form(name)
        by_tail = {key: self._ids[key] for key in _tails(name) if key in self._ids}
        paths = (key for key in _paths(name) if key in self._ids_of_paths)
        return {key: self._ids_of_paths[key] for key in paths} | by_tail


def _is_below(parts: Sequence[str], first: int, folders: Sequence[str]) -> bool:
    """Tells whether an id's parts from `first` on may be a path below a folder."""
    outer = parts[:first]
    if outer == folders[-first:]:
        return True
    is_absolute = not parts[0] or parts[0].endswith(":")
    return is_absolute and (first < len(parts) - 1 or outer[-1] == folders[-1])


def _unique(owners: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {key: own[0] for key, own in owners.items() if len(own) == 1}


def _paths(name: str) -> tuple[str, str]:
    folder, slash, end = name.rpartition("/")
    return name, f"{folder}{slash}{stem(end)}"


def _tails(name: str) -> Iterator[str]:
    """Yields a path without its outer folders, with and without suffix; last the name alone."""
    for path in _paths(name):
        parts = path.split("/")
        yield from ("/".join(parts[first:]) for first in range(1, len(parts)))
    yield from _paths(name.rpartition("/")[2])
