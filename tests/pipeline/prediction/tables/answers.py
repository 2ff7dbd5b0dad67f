"""Predictions as Parquet files, a fresh SQLite database, and notes of what is written."""

import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.prediction.tables.layout import Layout
from pipeline.reading.sql.connections import Connection, connect
from pipeline.reading.sql.database import parse_url

BEGUN = datetime(2026, 11, 27, 21, 0, 0, 250_000, tzinfo=UTC)
LAYOUT = Layout(table=("results",), id_column="id", id_kind="integer")


@dataclass
class Notes:
    """What the writer notes, in memory."""

    run_id: str = "run-1"
    begun: datetime = BEGUN
    num_written: int = 0
    notes: list[int] = field(default_factory=list)

    def note_written(self, num_rows: int) -> None:
        self.num_written = num_rows
        self.notes.append(num_rows)


def open_sqlite(folder: Path) -> Connection:
    path = folder / "plant.db"
    sqlite3.connect(path).execute("CREATE TABLE IF NOT EXISTS readings (id)").connection.close()
    return connect(parse_url(f"sqlite:///{path}"), {}, read_only=False)


def write_answers(path: Path, ids: list[int] | list[str], **columns: pa.Array) -> Path:
    """Row n of `ids` has the probability n / 2^20, the decision n % 2, and version 7."""
    places = range(len(ids))
    table = {
        "id": pa.array(ids),
        "probability": pa.array([n / 2**20 for n in places], pa.float32()),
        "decision": pa.array([n % 2 for n in places], pa.int64()),
        "model_version": pa.array([7] * len(ids), pa.int64()),
    }
    pq.write_table(pa.table(table | columns), path)
    return path
