"""Discovery of the form of raw recordings, for `init`.

What files hold is concluded from their suffixes, names and contents, the surest evidence first:
sounds, pictures and arrays are recordings; tables are, if a table beside them names their files, if
folders or names give their classes, or if their rows follow each other as samples do. Everything
else is an ordinary table, one example in each row.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.errors import InputError
from pipeline.counting import count
from pipeline.reading.files.pieces import format_of, suffix_of
from pipeline.reading.recordings.evidence import labels as label_evidence
from pipeline.reading.recordings.evidence.header_block import find_block
from pipeline.reading.recordings.evidence.listing import (
    FOREIGN,
    Listing,
    UnreadableTableError,
    has_rows,
    read_frame,
)
from pipeline.reading.recordings.evidence.unread import check_names_no_unread
from pipeline.reading.recordings.forms.array_rows import ArrayForms
from pipeline.reading.recordings.forms.files import FileForms
from pipeline.reading.recordings.forms.group_rows import GroupForms
from pipeline.reading.recordings.forms.request import MANY_FILES, Discovery, Rows
from pipeline.reading.recordings.forms.tables import TableForms
from pipeline.reading.recordings.forms.text_rows import TextRowForms
from pipeline.recording_options import Media

_MAX_UNREADABLE = 20  # tables among others; the reader counts them as bad recordings
_MAX_FOREIGN = 0.1  # share of the sounds or pictures
_UNREAD_ROWS = (".ts", ".arff")
_TDMS = ".tdms"


def discover(
    path: str,
    *,
    labels: str | None,
    label: str | None,
    rows: Rows | None = None,
    positive: str | None = None,
) -> Discovery | None:
    """Returns what the raw files at a path are, or None for an ordinary table.

    Args:
        path: A file, a folder or a glob.
        labels: A table of labels that a person names; of events if it has `start` and `end`.
        label: A label column that a person names.
        rows: What a person says the rows of tables are; by default it is concluded.
        positive: The label's value that a person names as that of a fault.

    Raises:
        InputError: They are recordings, but the label is not found.
    """
    if "://" in path or (rows == "examples" and labels is None):
        return None
    said = {"label": label, "rows": rows, "positive": positive}
    unreadable: set[str] = set()
    try:
        while True:
            try:
                return _discover(path, labels, said, unreadable)
            except UnreadableTableError as error:
                if error.path in {labels, *unreadable} or len(unreadable) >= _MAX_UNREADABLE:
                    raise
                unreadable.add(error.path)
    except UnreadableTableError:
        if labels is not None or _is_mixed(path):
            raise
        return None  # the reader of ordinary tables says what is wrong
    finally:
        read_frame.cache_clear()


def _is_mixed(path: str) -> bool:
    """Whether a folder has a table, and its sub-folders have several: no ordinary data."""
    listing = Listing.of(path)
    tables = [Path(file).parent == Path(path) for file in (*listing.tables, *listing.sheets)]
    return listing.is_folder and any(tables) and tables.count(False) >= MANY_FILES


def _discover(
    path: str, labels: str | None, said: Mapping[str, Any], unreadable: Collection[str]
) -> Discovery | None:
    listing = Listing.of(path)
    if labels is None and len(listing.tables) == 1 and not listing.is_folder:
        labels = _names_media(listing.tables[0])
        if labels is not None:
            listing = _with_named_media(Listing.of(str(Path(labels).parent)), labels)
    damaged = tuple(t for t in listing.tables if t in unreadable or not has_rows(t))
    if damaged and len(listing.tables) - len(damaged) >= MANY_FILES:
        listing = replace(listing, tables=tuple(t for t in listing.tables if t not in damaged))
    else:
        damaged = ()
    given: dict[str, Any] = {
        "listing": listing,
        "labels": labels,
        "damaged": damaged,
        **said,
    }
    media = max(listing.media, key=lambda kind: len(listing.media[kind]))
    # One or two pictures beside many tables are drawings of them.
    enough = MANY_FILES if len(listing.tables) > MANY_FILES else 1
    if len(listing.media[media]) >= enough:
        _check_most_are_read(listing, media)
        return FileForms(**given).of_files(media, listing.media[media])
    in_rows = _rows(given, path, listing)
    if in_rows is not None:
        return in_rows
    if listing.arrays:
        return FileForms(**given).of_files("table", listing.arrays)
    is_tdms = any(file.lower().endswith(_TDMS) for file in listing.foreign)
    if listing.foreign and (is_tdms or (len(listing.tables) < MANY_FILES and listing.is_folder)):
        raise _foreign_error(listing)
    if len(listing.tables) >= MANY_FILES:
        _check_block(listing.tables[0])
    check_names_no_unread(listing)
    discovery = TableForms(**given).of_tables() if listing.tables else None
    if discovery is None and _is_mixed(path):
        raise _nameless_error(listing)
    return discovery


def _rows(given: dict[str, Any], path: str, listing: Listing) -> Discovery | None:
    """Returns the recordings of a file that has many of them."""
    suffix = Path(path).suffix.lower()
    if suffix in _UNREAD_ROWS and Path(path).is_file():
        raise InputError(
            f"{path}: {suffix} files are not read. Write an NPZ file with the array `X` "
            "[recordings, samples] or [recordings, samples, channels] and the labels `y`, or text "
            "with a recording in each line, its label first."
        )
    if not listing.arrays:
        return TextRowForms(**given).of_texts(path)
    in_arrays = ArrayForms(**given).of_arrays(listing.arrays)
    return in_arrays or GroupForms(**given).of_groups(listing.arrays)


def _check_block(table: str) -> None:
    """Checks that lines before a table, if there are any, end with the names of its columns."""
    if format_of(table) == "csv":
        find_block(table)


def _nameless_error(listing: Listing) -> InputError:
    beside = [f for f in (*listing.tables, *listing.sheets) if Path(f).parent == Path(listing.base)]
    below = next(file for file in listing.tables if Path(file).parent != Path(listing.base))
    return InputError(
        f"{listing.base} has tables in sub-folders, such as {below}, and {beside[0]}, of which no "
        "column names them. If they are recordings, write the name of each file into a column of "
        "that table. If each row is an example, give the folder or a glob of these files alone."
    )


def _check_most_are_read(listing: Listing, media: Media) -> None:
    """Checks that few sounds or pictures are of kinds that are not read.

    Raises:
        InputError: So many are that the others are a selection.
    """
    foreign = tuple(file for file in listing.foreign if suffix_of(file, FOREIGN[media]))
    if len(foreign) > _MAX_FOREIGN * (len(foreign) + len(listing.media[media])):
        raise _foreign_error(replace(listing, foreign=foreign))


def _foreign_error(listing: Listing) -> InputError:
    suffixes = sorted({Path(file).suffix.lower() for file in listing.foreign})
    if _TDMS in suffixes:
        return InputError(
            f"{listing.foreign[0]}: TDMS files of LabVIEW are not read. Write a CSV or Parquet "
            "file with a column for each channel in place of each, for example with npTDMS: "
            "`TdmsFile.read(path).as_dataframe(time_index=True).to_csv(...)`."
        )
    return InputError(
        f"{listing.base} has {count(len(listing.foreign), 'file')} such as {listing.foreign[0]}, "
        f"and {', '.join(suffixes)} is not read. Convert sounds to WAV or FLAC, and pictures to "
        "PNG or JPEG."
    )


def _with_named_media(listing: Listing, table: str) -> Listing:
    """Returns the files of a folder without the sounds or pictures that a table does not name."""
    named = {
        kind: files
        if files and label_evidence.match_table(table, read_frame(table), files, listing.base)
        else ()
        for kind, files in listing.media.items()
    }
    return replace(listing, media=named) if any(named.values()) else listing


def _names_media(table: str) -> str | None:
    """Returns a table of which a column names existing sounds or pictures below its folder."""
    folder = Path(table).parent
    media = [file for files in Listing.of(str(folder)).media.values() for file in files]
    if not media or not read_frame(table).select_dtypes(object).shape[1]:
        return None
    matched = label_evidence.match_table(table, read_frame(table), media, str(folder))
    return table if matched else None
