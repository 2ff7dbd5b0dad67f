"""A reference as files: its rows as Parquet, the rest as JSON."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from common.output_folder import replace_file
from models.features import features_from_json, features_to_json
from production.monitoring.chunks.columns import Categories, Columns
from production.monitoring.reference.reference import HeldOut, Ints, Judged, Reference

_FORMAT = 2
_NUMBER, _CATEGORY, _TIME, _MISSING = "number ", "category ", "time ", "missing "
_RECORDING = "recording"
_PRIVATE = 0o600
_PLAIN = (
    *("model", "version", "run", "num_train", "num_faults", "num_repeated"),
    *("threshold", "measured", "confidence"),
)


@dataclass(frozen=True, kw_only=True)
class ReferenceFiles:
    """The files of the reference of a version.

    Attributes:
        folder: The folder `monitoring/NAME`.
        version: The version.
    """

    folder: Path
    version: int

    @property
    def rows(self) -> Path:
        """The sample of training rows."""
        return self.folder / f"reference-{self.version}.parquet"

    @property
    def held_out(self) -> Path:
        """Answers to the test split."""
        return self.folder / f"reference-{self.version}-test.parquet"

    @property
    def rest(self) -> Path:
        """Everything else; it is written last."""
        return self.folder / f"reference-{self.version}.json"


def save_reference(files: ReferenceFiles, reference: Reference) -> None:
    """Writes a reference; a reader sees all of it or nothing.

    Args:
        files: Where to.
        reference: The reference.
    """
    files.folder.mkdir(parents=True, exist_ok=True)
    files.rest.unlink(missing_ok=True)
    rows = columns_to_table(reference.columns)
    if reference.recordings is not None:
        rows = rows.append_column(_RECORDING, pa.array(reference.recordings))
    held_out = pa.table({name: pa.array(v) for name, v in vars(reference.held_out).items()})
    digests = {}
    for path, table in ((files.rows, rows), (files.held_out, held_out)):
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        content = sink.getvalue().to_pybytes()
        replace_file(path, content, mode=_PRIVATE)
        digests[path.name] = _digest(content)
    rest = {
        "digests": digests,
        "features": json.loads(features_to_json(reference.features)),
        "unreadable": list(reference.columns.unreadable),
        **{name: getattr(reference, name) for name in _PLAIN},
    }
    text = json.dumps(rest, indent=1)
    envelope = {"format": _FORMAT, "digest": _digest(text.encode()), "rest": text}
    replace_file(files.rest, json.dumps(envelope).encode(), mode=_PRIVATE)


def read_reference(files: ReferenceFiles) -> Reference | None:
    """Returns the reference that was written; None if it must be made anew.

    It must if there is none, if a file of it is gone or was changed, or if it is of another version
    or format.

    Args:
        files: Where it is.
    """
    rest = _read_rest(files)
    if rest is None:
        return None
    judged, rows = _read_judged(files, rest), _read_table(files.rows, rest["digests"])
    if judged is None or rows is None:
        return None
    return Reference(
        **{name: rest[name] for name in _PLAIN} | vars(judged),
        features=features_from_json(json.dumps(rest["features"])),
        columns=columns_from_table(rows, tuple(rest["unreadable"])),
        recordings=_recordings(rows),
    )


def read_judged(files: ReferenceFiles) -> Judged | None:
    """Returns what the gate measured, without the training rows, which are most of a reference.

    Args:
        files: Where the reference is; None is returned as by `read_reference`.
    """
    rest = _read_rest(files)
    return None if rest is None else _read_judged(files, rest)


def _read_judged(files: ReferenceFiles, rest: Mapping[str, Any]) -> Judged | None:
    table = _read_table(files.held_out, rest["digests"])
    if table is None:
        return None
    return Judged(
        held_out=HeldOut(**{name: table[name].to_numpy() for name in table.column_names}),
        measured={name: tuple(figure) for name, figure in rest["measured"].items()},
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_rest(files: ReferenceFiles) -> dict[str, Any] | None:
    """What is not rows; None if it is gone, changed, or of another version or format."""
    try:
        envelope = json.loads(files.rest.read_bytes())
        if (
            envelope["format"] != _FORMAT
            or _digest(envelope["rest"].encode()) != envelope["digest"]
        ):
            return None
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
    rest: dict[str, Any] = json.loads(envelope["rest"])
    return rest if rest["version"] == files.version else None


def _read_table(path: Path, digests: Mapping[str, str]) -> pa.Table | None:
    """The rows of a file; None if it is gone or changed."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if _digest(content) != digests.get(path.name):
        return None
    return pq.ParquetFile(pa.BufferReader(content)).read()


def _recordings(rows: pa.Table) -> Ints | None:
    return np.asarray(rows[_RECORDING].to_numpy()) if _RECORDING in rows.column_names else None


def columns_to_table(columns: Columns) -> pa.Table:
    """Returns features as a table that `columns_from_table` reads."""
    parts: dict[str, pa.Array] = {}
    for prefix, arrays in ((_NUMBER, columns.numbers), (_TIME, columns.times)):
        parts |= {prefix + name: pa.array(values) for name, values in arrays.items()}
    for name, one in columns.categories.items():
        indices = pa.array(one.codes, mask=one.codes < 0).cast(pa.int32())
        dictionary = pa.array(one.names, pa.string())
        parts[_CATEGORY + name] = pa.DictionaryArray.from_arrays(indices, dictionary)
    parts |= {_MISSING + name: pa.array(flags) for name, flags in columns.missing.items()}
    return pa.table(parts)


def columns_from_table(table: pa.Table, unreadable: tuple[str, ...] = ()) -> Columns:
    """Returns the features of what `columns_to_table` returned, of one table or of several."""
    columns = Columns(num_rows=table.num_rows, unreadable=unreadable)
    for stored in table.column_names:
        kind, _, name = stored.partition(" ")
        match kind + " ":
            case "number ":
                columns.numbers[name] = table[stored].to_numpy()
            case "time ":
                columns.times[name] = table[stored].to_numpy()
            case "missing ":
                columns.missing[name] = np.asarray(table[stored].to_numpy(), bool)
            case "category ":
                columns.categories[name] = _categories(table[stored])
            case _:
                pass
    return columns


def _categories(column: pa.ChunkedArray) -> Categories:
    encoded = column.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    codes = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy()
    return Categories(codes=np.asarray(codes), names=tuple(encoded.dictionary.to_pylist()))
