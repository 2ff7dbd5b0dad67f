"""The raw files at a path, by what their suffixes promise, and the tables among them."""

import functools
import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.reading.files.csv_header import read_header
from pipeline.reading.files.encodings import detect_encoding
from pipeline.reading.files.listing import divide, matching_files
from pipeline.reading.files.pieces import (
    SUFFIXES,
    TEXT_SUFFIXES,
    format_of,
    open_stream,
    suffix_of,
)
from pipeline.reading.recordings.beside.tables import read_table
from pipeline.reading.recordings.evidence.header_block import find_block, find_start
from pipeline.reading.recordings.raw.listing import ARRAY_SUFFIXES, list_raw_files
from pipeline.reading.recordings.raw.listing import SUFFIXES as RAW_SUFFIXES
from pipeline.recording_options import Media
from pipeline.unit_names import holds_digits

# Rows of a table that are looked at.
MAX_ROWS = 1_000_000
_HEAD_BYTES = 1 << 16
_MIN_TEXTS = 3  # files of text that are tables
_AUDIO, _IMAGES, _ARRAYS = RAW_SUFFIXES["audio"], RAW_SUFFIXES["image"], ARRAY_SUFFIXES
# Sounds and pictures that the served model cannot decode, and files of LabVIEW.
FOREIGN: dict[Media, tuple[str, ...]] = {
    "audio": (".mp3", ".m4a", ".aac", ".wma", ".aif", ".aiff", ".opus", ".amr"),
    "image": (".tif", ".tiff", ".webp", ".heic", ".jp2", ".dng", ".jfif"),
}
_FOREIGN = (*FOREIGN["audio"], *FOREIGN["image"], ".tdms")
_TABLES = tuple(suffix for suffix, form in SUFFIXES.items() if form in ("csv", "parquet"))
_SHEETS = tuple(suffix for suffix, form in SUFFIXES.items() if form == "sheet")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files below a path.

    Attributes:
        base: The folder that names of files are relative to.
        is_folder: Whether the path is a folder.
        media: Files with sounds or pictures.
        arrays: NumPy, HDF5 and MATLAB files.
        tables: CSV and Parquet files, and files of text that hold tables.
        sheets: Spreadsheets, which may hold labels.
        foreign: Sounds, pictures and TDMS files, of kinds that are not read.
    """

    base: str
    is_folder: bool
    media: dict[Media, tuple[str, ...]]
    arrays: tuple[str, ...]
    tables: tuple[str, ...]
    sheets: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: str) -> "Listing":
        """Lists a file, a folder with its sub-folders, or a glob."""
        if Path(path).is_dir():
            base, pattern = path, "**/*"
        else:
            base, pattern = divide(path)
        suffixes = (*_AUDIO, *_IMAGES, *_ARRAYS, *SUFFIXES, *TEXT_SUFFIXES, *_FOREIGN)
        files = matching_files(base, pattern, suffixes)

        def of_kind(suffixes: Collection[str]) -> tuple[str, ...]:
            return tuple(file for file in files if suffix_of(file, suffixes))

        media: dict[Media, tuple[str, ...]] = {
            "audio": of_kind(_AUDIO),
            "image": of_kind(_IMAGES),
        }
        has_others = any(media.values()) or bool(of_kind(_ARRAYS))
        texts = () if has_others else _tables_among(of_kind(TEXT_SUFFIXES))
        return cls(
            base=base or ".",
            is_folder=Path(path).is_dir(),
            media=media,
            arrays=of_kind(_ARRAYS),
            tables=tuple(sorted((*of_kind(_TABLES), *texts))),
            sheets=of_kind(_SHEETS),
            foreign=of_kind(_FOREIGN),
        )

    def pattern_of(self, files: Sequence[str], media: Media, beside: Sequence[str] = ()) -> str:
        """Returns the path or glob below the base that means exactly these files.

        Args:
            files: The recordings.
            media: What they hold.
            beside: Tables of labels and of events, which the reader leaves out.

        Raises:
            InputError: No folder or glob means them alone.
        """
        folders = {str(Path(file).parent) for file in files}
        suffixes = sorted({Path(file).suffix for file in files})
        candidates = [files[0]] if len(files) == 1 else []
        if len(folders) == 1:
            candidates += [*folders, *(f"{next(iter(folders))}/*{s}" for s in suffixes)]
        shared = os.path.commonpath(folders)
        for folder in dict.fromkeys((self.base, shared)):
            candidates += [folder, *(f"{folder}/**/*{suffix}" for suffix in suffixes)]
        for candidate in candidates:
            if _means(candidate, files, media, beside):
                return candidate
        raise InputError(
            f"{self.base} has recordings beside other files of the same suffix. Move the "
            f"{len(files):,} recordings, such as {files[0]}, into a folder of their own."
        )


def _tables_among(texts: Sequence[str]) -> tuple[str, ...]:
    """Returns the files of text that hold a table of numbers, if there are several of a suffix."""
    kinds = Counter(suffix_of(text, TEXT_SUFFIXES) for text in texts)
    [(suffix, number)] = kinds.most_common(1) or [("", 0)]
    if number < _MIN_TEXTS:
        return ()
    return tuple(text for text in texts if suffix_of(text, (suffix or "",)) and _is_table(text))


def _is_table(text: str) -> bool:
    try:
        return find_start(text) is not None
    except InputError:
        return False


def _means(candidate: str, files: Sequence[str], media: Media, beside: Sequence[str]) -> bool:
    try:
        _, listed = list_raw_files(
            candidate, media, folder=Path(), others=[Path(path) for path in beside]
        )
    except InputError:
        return False
    return set(map(os.path.abspath, listed)) == set(map(os.path.abspath, files))


def has_rows(path: str) -> bool:
    """Tells whether a CSV or Parquet file has a row below its header; only its head is read."""
    try:
        if format_of(path) == "parquet":
            return bool(pq.ParquetFile(path).metadata.num_rows)
        with open_stream(path) as stream:
            head = stream.read(_HEAD_BYTES)
    except (pa.ArrowException, OSError, EOFError):
        return False
    return len(head) == _HEAD_BYTES or sum(bool(line.strip()) for line in head.splitlines()) > 1


class UnreadableTableError(InputError):
    """A file that cannot be read as a table.

    Attributes:
        path: The file.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} {problem}")
        self.path = path


@functools.lru_cache(maxsize=64)
def read_frame(path: str) -> pd.DataFrame:
    """Reads the first rows of a table; decimal commas become points.

    Raises:
        UnreadableTableError: The file cannot be read.
    """
    try:
        if format_of(path) == "parquet":
            file = pq.ParquetFile(path)
            if any(pa.types.is_nested(field.type) for field in file.schema_arrow):
                raise UnreadableTableError(path, "has lists: its rows are recordings already.")
            _check_names(path, file.schema_arrow.names)
            batches = file.iter_batches(batch_size=MAX_ROWS)
            first: pa.RecordBatch | None = next(batches, None)
            return pd.DataFrame() if first is None else _to_frame(first)
        if suffix_of(path, _SHEETS):
            sheet: pd.DataFrame = read_table(Path(path), key="labels").to_pandas()
            return sheet.map(_as_text).apply(_as_numbers)
        options: dict[str, Any] = {"skipinitialspace": True, "low_memory": False}
        # `NAN` of Campbell's loggers is a missing number, as the reader of tables has it.
        frame = _read_csv(path, nrows=MAX_ROWS, na_values=["NAN"], **options)
    except (InputError, ValueError, pa.ArrowException, OSError) as error:
        raise UnreadableTableError(path, f"cannot be read as a table: {error}.") from error
    frame.columns = [str(name).strip() for name in frame.columns]
    _check_names(path, list(frame.columns))
    return _without_units(frame.apply(_with_decimal_points))


def _read_csv(path: str, **options: Any) -> pd.DataFrame:
    """Reads a CSV file from where its table starts."""
    encoding = detect_encoding(path)
    block = find_block(path)
    layout = block.layout(encoding) if block else CsvLayout(encoding=encoding)
    if layout.header is not None:
        options |= {"names": list(layout.header), "header": None, "index_col": False}
    frame: pd.DataFrame = pd.read_csv(
        path,
        sep=read_header(path, layout).delimiter,
        encoding=encoding,
        skiprows=layout.skip_rows,
        **options,
    )
    return frame


def _to_frame(batch: pa.RecordBatch) -> pd.DataFrame:
    """Returns all columns of a batch as columns; pandas would make its index of some."""
    columns = [
        c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in batch.columns
    ]
    plain = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    frame: pd.DataFrame = plain.to_pandas(ignore_metadata=True)
    return frame.map(_as_text)


def _without_units(frame: pd.DataFrame) -> pd.DataFrame:
    """Leaves out a row of units after the header: it has no value, and numbers follow below it."""
    if len(frame) < 2 or any(map(holds_digits, frame.iloc[0].astype(str))):
        return frame
    rest = frame.iloc[1:].reset_index(drop=True).infer_objects().apply(_with_decimal_points)
    texts = [name for name in rest.columns if rest[name].dtype == object]
    numbers = {name: pd.to_numeric(rest[name], errors="coerce") for name in texts}
    read = {name: values for name, values in numbers.items() if values.notna().all()}
    changed = any(rest[name].dtype != frame[name].dtype for name in frame.columns)
    return rest.assign(**read) if read or changed else frame


def _check_names(path: str, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        raise UnreadableTableError(path, "has two columns of one name.")


def has_decimal_commas(path: str) -> bool:
    """Tells whether numbers of a CSV file have a decimal comma."""
    if format_of(path) != "csv":
        return False
    frame = _read_csv(path, nrows=1_000, dtype=str)
    return any(
        frame[name].dropna().str.fullmatch(r"\s*[+-]?\d+,\d+\s*").any() for name in frame.columns
    )


def _as_numbers(column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if numbers.notna().sum() == column.notna().sum() else column


def _as_text(value: object) -> object:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _with_decimal_points(column: pd.Series) -> pd.Series:
    if column.dtype != object and not pd.api.types.is_string_dtype(column.dtype):
        return column
    texts = column.dropna().astype(str).str.strip()
    if not len(texts) or not texts.head(100).str.fullmatch(r"[+-]?\d+(,\d+)?").all():
        return column
    numbers = pd.to_numeric(column.astype(str).str.replace(",", "."), errors="coerce")
    return numbers if numbers.notna().sum() == len(texts) else column
