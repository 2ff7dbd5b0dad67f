"""Raw files that no reader takes as they are, and what to do about it."""

import re
from pathlib import Path

from common.errors import InputError
from pipeline.reading.recordings.evidence.listing import Listing, read_frame
from pipeline.reading.recordings.raw.listing import SUFFIXES as RAW_SUFFIXES

_READ = {suffix for suffixes in RAW_SUFFIXES.values() for suffix in suffixes}
_MIN_NAMED = 3
_MAX_TABLES = 3  # beside files that are not read


def check_names_no_unread(listing: Listing) -> None:
    """Checks that no table names existing files of a kind that is not read.

    Otherwise the table alone would be taken for the data.

    Raises:
        InputError: Shows the column, a file and the kinds that are read.
    """
    tables = (*listing.tables, *listing.sheets)
    for table in tables if listing.is_folder and len(tables) <= _MAX_TABLES else ():
        frame = read_frame(table)
        for name in frame.columns:
            texts = [text for text in frame[name].dropna().unique() if isinstance(text, str)]
            files = [text.replace("\\", "/") for text in texts[:100]]
            unread = [file for file in files if _is_unread(Path(table).parent, file)]
            if len(unread) >= max(_MIN_NAMED, len(files) / 2):
                suffix = Path(unread[0]).suffix
                raise InputError(
                    f"The column `{name}` of {table} names files such as {unread[0]}, and {suffix} "
                    f"files are not read: expected {', '.join(sorted(_READ))}. Convert them; text "
                    "with delimiters and a row of column names only needs the suffix .csv."
                )


def _is_unread(folder: Path, file: str) -> bool:
    suffix = Path(file).suffix.lower()
    is_named = re.fullmatch(r"\.[a-z][a-z0-9]{0,4}", suffix) is not None
    return is_named and suffix not in _READ and (folder / file).is_file()
