"""Raw files of a prediction: which of those in a folder are recordings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import InputError
from common.paths import tidy_path
from pipeline.config import Config
from pipeline.counting import count
from pipeline.reading.recordings.raw.listing import list_raw_files, text_suffix_of
from pipeline.recording_options import Recordings


@dataclass(frozen=True, kw_only=True)
class RawSource:
    """The recordings to predict.

    Attributes:
        path: A file, a folder or a glob; absolute.
        beside: Tables in it that are no recordings.
        notes: What is not read, in words.
    """

    path: str
    beside: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def find_raw_source(data: str, config: Config, recordings: Recordings) -> RawSource:
    """Returns which files of a path are recordings.

    Of a folder that holds the training data, they are those that the config's `data.path` names:
    `init` had found that the others are none. Of another folder, they are all files except tables
    that are called as the config's tables of labels and events are. Files of text, such as `.txt`,
    are read if `data.path` names their suffix.

    Args:
        data: A file, a folder or a glob.
        config: The use case, with the folder that its `data.path` is relative to.
        recordings: How its raw files become rows.
    """
    full = tidy_path(Path(data).absolute())
    if not full.is_dir():
        return RawSource(path=str(full))
    tables = [config.folder / name for name in (recordings.labels, recordings.events) if name]
    tables += _tables_named_alike(full, tables)
    own = _training_path(config)
    read = [] if own is None else _files(own, recordings, tables)
    if own is None or not read or not all(Path(file).is_relative_to(full) for file in read):
        texts = text_suffix_of(own or "")
        pattern = f"{full}/**/*{texts[0]}" if texts else str(full)
        return RawSource(path=pattern, beside=tuple(tables))
    unread = sorted({*_files(str(full), recordings, tables)} - {*read})
    notes = (_unread_note(unread, data),) if unread else ()
    return RawSource(path=own, beside=tuple(tables), notes=notes)


def _training_path(config: Config) -> str | None:
    path = config.data.path
    if path is None or "://" in path:
        return None
    return str(tidy_path((config.folder / path).absolute()))


def _tables_named_alike(folder: Path, tables: Sequence[Path]) -> list[Path]:
    names = dict.fromkeys(path.name for path in tables)
    return [path for name in names for path in folder.rglob(name) if path.is_file()]


def _files(path: str, recordings: Recordings, tables: Sequence[Path]) -> list[str]:
    try:
        return list_raw_files(path, recordings.media, folder=Path(), others=tables)[1]
    except InputError:
        return []  # the assembly says so


def _unread_note(unread: Sequence[str], data: str) -> str:
    return (
        f"not read: {count(len(unread), 'file')} of {data} that data.path of the config does not "
        f"name, such as {unread[0]}"
    )
