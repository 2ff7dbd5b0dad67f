"""A reference as files: its rows as Parquet, the rest as JSON."""

import json
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
from production.monitoring.reference.reference import HeldOut, Ints, Reference

_FORMAT = 1
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
    for path, table in ((files.rows, rows), (files.held_out, held_out)):
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        replace_file(path, sink.getvalue().to_pybytes(), mode=_PRIVATE)
    rest = {
        "format": _FORMAT,
        "features": json.loads(features_to_json(reference.features)),
        "unreadable": list(reference.columns.unreadable),
        **{name: getattr(reference, name) for name in _PLAIN},
    }
    replace_file(files.rest, json.dumps(rest, indent=1).encode(), mode=_PRIVATE)


def read_reference(files: ReferenceFiles) -> Reference | None:
    """Returns the reference that was written; None without one, or if a file of it is gone.

    Args:
        files: Where it is.
    """
    if not all(path.exists() for path in (files.rest, files.rows, files.held_out)):
        return None
    rest: dict[str, Any] = json.loads(files.rest.read_text(encoding="utf-8"))
    if rest["format"] != _FORMAT:
        return None
    rows = pq.ParquetFile(files.rows).read()
    held_out = pq.ParquetFile(files.held_out).read()
    plain = {name: rest[name] for name in _PLAIN}
    plain["measured"] = {name: tuple(figure) for name, figure in rest["measured"].items()}
    return Reference(
        **plain,
        features=features_from_json(json.dumps(rest["features"])),
        columns=columns_from_table(rows, tuple(rest["unreadable"])),
        recordings=_recordings(rows),
        held_out=HeldOut(**{name: held_out[name].to_numpy() for name in held_out.column_names}),
    )


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
