"""The files that the paths of a table mean."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.data_options.path_columns import FileKind
from pipeline.reading.files.listing import matching_files
from pipeline.reading.files.pieces import suffix_of
from pipeline.reading.recordings.beside.matching import FileMatcher, normal_id
from pipeline.reading.recordings.raw.listing import SUFFIXES
from pipeline.recording_options import Media

MEDIA: Mapping[FileKind, Media] = {"image": "image", "audio": "audio", "signal": "table"}


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """What a path means.

    Attributes:
        file: The file; empty if there is none.
        problem: Why there is none, or why it cannot be read.
    """

    file: str = ""
    problem: str = ""


def suffixes_of(kind: FileKind) -> tuple[str, ...]:
    """Returns the suffixes of the files of a kind."""
    return SUFFIXES[MEDIA[kind]]


def find_files(
    texts: Collection[str], folder: Path, kind: FileKind, *, others: Collection[str] = ()
) -> dict[str, FoundFile]:
    """Returns the file that each path means.

    A path is relative to the folder of its table. One that does not exist as written, as it was
    written on another computer, is compared with the files below that folder: without its outer
    folders, without a suffix, and in upper or lower case, as long as only one file is meant.

    Args:
        texts: The paths.
        folder: The folder of the table.
        kind: What the files hold.
        others: Files that are none of them: the table.
    """
    found = {text: _as_written(text, folder, kind) for text in dict.fromkeys(texts)}
    missing = [text for text, one in found.items() if not one.file and not one.problem]
    return found | (_elsewhere(missing, folder, kind, others) if missing else {})


def _as_written(text: str, folder: Path, kind: FileKind) -> FoundFile:
    path = folder / normal_id(text)
    try:
        if not path.is_file():
            return FoundFile()
    except (OSError, ValueError):  # too long, or with a null byte
        return FoundFile(problem="it is no path of a file")
    return FoundFile(file=str(path), problem=_problem(path, kind))


def _problem(path: Path, kind: FileKind) -> str:
    suffixes = suffixes_of(kind)
    if suffix_of(path.name, suffixes):
        return ""
    return f"its suffix is `{path.suffix}`; expected one of {', '.join(suffixes)}"


def _elsewhere(
    texts: Sequence[str], folder: Path, kind: FileKind, others: Collection[str]
) -> dict[str, FoundFile]:
    suffixes = suffixes_of(kind)
    listed = matching_files(str(folder), "**/*", suffixes)
    names = {
        Path(file).relative_to(folder).as_posix(): file
        for file in listed
        if suffix_of(file, suffixes) and file not in others
    }
    ids: dict[str, list[str]] = {}
    for text in texts:
        ids.setdefault(normal_id(text), []).append(text)
    matcher = FileMatcher(list(ids), list(names), base=str(folder))
    found = {text: FoundFile(problem="there is no such file") for text in texts}
    for name, file in names.items():
        for id_ in matcher.match(name):
            found |= dict.fromkeys(ids[id_], FoundFile(file=file))
        shared = matcher.ambiguous(name)
        if shared is not None:
            problem = f"it means several files below {folder}, such as {name}"
            found |= dict.fromkeys(ids[shared], FoundFile(problem=problem))
    return found
