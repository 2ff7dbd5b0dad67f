"""Atomic writing of Parquet files; files that match the options are not written again."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datasets.options import SignalOptions

MANIFEST = "manifest.json"
FILE_NAME = "recordings.parquet"

# Parquet calls the items of a list so, and keeps times to the millisecond at the coarsest.
_FLOATS: pa.DataType = pa.list_(pa.field("element", pa.float32()))
_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("recording_id", pa.string()),
    ("circuit", pa.string()),
    ("magnet", pa.string()),
    ("sector", pa.string()),
    ("charging_voltage_v", pa.float32()),
    ("temperature_k", pa.float32()),
    ("timestamp", pa.timestamp("s", tz="UTC")),
    ("software_version", pa.string()),
    ("sampling_rate_hz", pa.float32()),
    ("voltage", _FLOATS),
    ("current", _FLOATS),
    ("trouble", pa.string()),
    ("fault_kind", pa.string()),
    ("is_faulty", pa.int64()),
]
SCHEMA = pa.schema(_COLUMNS)

Simulate = Callable[[SignalOptions, int], Iterator[pa.RecordBatch]]


def write_spans(folder: Path, options: SignalOptions, simulate: Simulate) -> list[int]:
    """Writes the spans that `options` describe; spans that are already there are left untouched.

    Args:
        folder: Gets `span-N/recordings.parquet` for each span, and `manifest.json`.
        options: Options of the simulation.
        simulate: Yields the record batches of a span; each becomes a row group.

    Returns:
        The spans that were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = _read_manifest(folder)
    written = []
    for span in range(1, options.num_spans + 1):
        path = folder / f"span-{span}" / FILE_NAME
        digest = options.span_digest(span)
        known = manifest.get(str(span), {})
        if known.get("options") == digest and known.get("sha256") == _hash_file(path):
            continue
        _write_parquet(path, simulate(options, span))
        manifest[str(span)] = {"options": digest, "sha256": _hash_file(path) or ""}
        _write_manifest(folder, manifest)
        written.append(span)
    # Only simulated spans are removed: a folder that a user added is not in the manifest.
    for name in [name for name in manifest if int(name) > options.num_spans]:
        shutil.rmtree(folder / f"span-{name}", ignore_errors=True)
        del manifest[name]
        _write_manifest(folder, manifest)
    return written


def _write_parquet(path: Path, batches: Iterator[pa.RecordBatch]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A leading dot hides the unfinished file from input patterns.
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with pq.ParquetWriter(partial, SCHEMA, compression="zstd", store_schema=True) as writer:
            for batch in batches:
                writer.write_batch(batch)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read_manifest(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(int(span)): dict(entry) for span, entry in content.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{path} is not a manifest of simulated spans ({error}). "
            "Remove it to have the spans written again."
        ) from error


def _write_manifest(folder: Path, manifest: dict[str, dict[str, str]]) -> None:
    partial = folder / f".{MANIFEST}.{os.getpid()}"
    partial.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    partial.replace(folder / MANIFEST)


def _hash_file(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
