"""Tables whose paths are replaced by what the files hold, as Parquet with the same rows.

A row whose file cannot be used stays in the table, with its reason beside it, so that reading sets
it aside as any other bad row, under its number in the table.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock
from pydantic import TypeAdapter

from common.digests import FilesDigest, code_digest, digest_local_files
from common.errors import InputError
from common.output_folder import new_folder, remove_abandoned, remove_superseded
from pipeline.config import Data
from pipeline.reading.files.listing import list_files
from pipeline.reading.files.sources import common_format, plan_pieces
from pipeline.reading.path_columns.cells import Cells, find_cells
from pipeline.reading.path_columns.writing import Counts, write_table

_PROJECT = Path(__file__).resolve().parents[3]
_CODE = (
    _PROJECT / "pipeline/reading",
    _PROJECT / "pipeline/data_options/path_columns.py",
    _PROJECT / "pipeline/column_format.py",
)
_RECORD = "_embedded.json"
KEPT_DIGESTS = "digests-of-paths.json"
_LOCK = ".paths-lock"
_PREFIX = "embedded-"
_NUM_KEPT = 3  # tables of a use case; another run may still read an earlier one


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Tables with the content of files in place of their paths.

    Attributes:
        pattern: Path of the Parquet files, a glob.
        counts: What was counted.
        raw_path: The tables' path, as it was given.
        raw: Digest of the tables and of the files that they name.
    """

    pattern: str
    counts: Counts
    raw_path: str
    raw: FilesDigest

    @property
    def notes(self) -> tuple[str, ...]:
        """What was counted, in words."""
        return tuple(self.counts.notes())

    def properties(self) -> dict[str, str | int]:
        """Returns what to note of the raw files on an `Examples` artifact, for lineage to show."""
        return self.raw.raw_properties(self.raw_path)


def embed_files(
    path: str, data: Data, *, folder: Path, target: Path, rates: Mapping[str, float] | None = None
) -> Embedded:
    """Puts the files that tables name in place of their paths, unless that was done before.

    Args:
        path: The tables: a file, a folder or a glob; relative to `folder`.
        data: The config's `data` block, with `path_columns`.
        folder: The folder of the YAML.
        target: Folder for the result, `embedded-DIGEST` in it.
        rates: Nominal rate in Hz by column of samples, to which they are resampled.

    Raises:
        InputError: A table cannot be read or lacks a column of paths.
    """
    tables = list_tables(path, folder)
    pieces = plan_pieces(
        tables, common_format(tables, data.format), layout=data.csv_layout, whole_files=True
    )
    cells = {piece.path: find_cells(piece, data) for piece in pieces}
    target.mkdir(parents=True, exist_ok=True)
    remove_abandoned(target, _PREFIX, lock=target / _LOCK)
    raw = _digest(tables, cells, target)
    place = target / f"{_PREFIX}{_key(raw, cells, data, rates or {})[:16]}"
    if (embedded := _read_record(place)) is not None:
        return embedded
    with FileLock(target / _LOCK):  # another process may be at it
        if (embedded := _read_record(place)) is None:
            with new_folder(place) as draft:
                counts = Counts()
                for number, piece in enumerate(pieces):
                    file = draft / f"{number:05d}-{Path(piece.path).name}.parquet"
                    counts += write_table(piece, file, cells[piece.path], data, rates or {})
                embedded = Embedded(pattern="", counts=counts, raw_path=path, raw=raw)
                _write_record(draft, embedded)
            remove_superseded(target, _PREFIX, num_kept=_NUM_KEPT)
            embedded = replace(embedded, pattern=f"{place}/*.parquet")
    return embedded


def list_tables(path: str, folder: Path) -> list[str]:
    """Returns the tables at a path.

    Raises:
        InputError: There are none on this machine.
    """
    if "://" in path:
        raise InputError(
            f"data.path is the URL {path}, and data.path_columns reads files of this machine only. "
            "Copy them, or mount the bucket."
        )
    return list_files(str((folder / path).absolute()))


def list_inputs(path: str, data: Data, folder: Path) -> list[str]:
    """Returns the tables at a path and the files that they name.

    Raises:
        InputError: A table cannot be read or lacks a column of paths.
    """
    tables = list_tables(path, folder)
    pieces = plan_pieces(
        tables, common_format(tables, data.format), layout=data.csv_layout, whole_files=True
    )
    named = {file for piece in pieces for file in find_cells(piece, data).files()}
    return sorted({*tables, *named})


def _digest(tables: Sequence[str], cells: Mapping[str, Cells], target: Path) -> FilesDigest:
    files = sorted({*tables, *(file for own in cells.values() for file in own.files())})
    base = os.path.commonpath([Path(file).parent for file in files])
    return digest_local_files(files, base, kept_digests=str(target / KEPT_DIGESTS))


def _key(
    raw: FilesDigest, cells: Mapping[str, Cells], data: Data, rates: Mapping[str, float]
) -> str:
    """Returns the digest of all that the embedded tables depend on."""
    data = replace(data, path="-", dataset=None, options={}, max_bad_rows=0)
    parts = {
        "files": raw.digest,
        "meant": [own.meanings() for own in cells.values()],
        "data": TypeAdapter(Data).dump_python(data, mode="json"),
        "rates": dict(rates),
        "code": code_digest(_CODE),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _write_record(folder: Path, embedded: Embedded) -> None:
    entries = {
        "counts": asdict(embedded.counts),
        "raw_path": embedded.raw_path,
        "raw": asdict(embedded.raw),
        "tables": _digest_tables(folder).digest,
    }
    (folder / _RECORD).write_text(json.dumps(entries, indent=1), encoding="utf-8")


def _digest_tables(folder: Path) -> FilesDigest:
    files = sorted(str(file) for file in folder.glob("*.parquet"))
    return digest_local_files(files, str(folder))


def _read_record(folder: Path) -> Embedded | None:
    """Returns what is recorded of embedded tables; None if they are not as they were written."""
    try:
        entries = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        if entries["tables"] != _digest_tables(folder).digest:
            return None
        raw = entries["raw"] | {"names": tuple(entries["raw"]["names"])}
        return Embedded(
            pattern=f"{folder}/*.parquet",
            counts=Counts(**entries["counts"]),
            raw_path=entries["raw_path"],
            raw=FilesDigest(**raw),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def embedded_tables(folder: str) -> Embedded | None:
    """Returns what is recorded of the tables in a folder; None if nothing was embedded there."""
    return _read_record(Path(folder)) if (Path(folder) / _RECORD).is_file() else None
