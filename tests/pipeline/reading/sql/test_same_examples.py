"""The same table from PostgreSQL, MariaDB, SQLite, CSV and Parquet gives the same examples."""

import csv
import json
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.column_format import ColumnFormat
from pipeline.components.arrow_example_gen.steps import merge_profiles, profile_piece
from pipeline.config import Data
from pipeline.data_options.sql import Sql
from pipeline.reading.columns import decide_columns
from pipeline.reading.files import sources
from pipeline.reading.ingest_spec import IngestSpec
from pipeline.reading.sql.extraction.extract import extract_rows
from pipeline.reading.typing_rows import type_batch
from tests.pipeline.reading.specs import spec
from tests.pipeline.reading.sql.servers import DatabaseServer, sqlite_database

pytestmark = pytest.mark.e2e

COLUMNS = ("id", "y", "price", "code", "wide", "ratio", "ok", "day", "at", "instant", "clock")
COLUMNS += ("note", "wave", "picture")
TEXTS = ('say "hi"', " padded ", "a,b;c", "two\nlines", "NA", "1.50", "\u0428\u00fc", "it's 5 %s")
TEXTS = (
    'say "hi"',
    " padded ",
    "a,b;c",
    "two\nlines",
    "NA",
    "1.50",
    "Ünïcödé 试",
    "it's",
    "%s {x}",
)
TYPES = {
    "postgresql": "id int primary key, y boolean, price numeric(12,4), code smallint, wide bigint, "
    "ratio double precision, ok boolean, day date, at timestamp(3), instant timestamptz, "
    "clock time, note text, wave double precision[], picture bytea",
    "mariadb": "id int primary key, y tinyint(1), price decimal(12,4), code smallint, wide bigint, "
    "ratio double, ok tinyint(1), day date, at datetime(3), instant timestamp(3) null, "
    "clock time, note text, wave json, picture blob",
    "sqlite": "id integer primary key, y boolean, price decimal(12,4), code integer, wide bigint, "
    "ratio double, ok boolean, day date, at timestamp, instant timestamp, clock time, note text, "
    "wave text, picture blob",
}
SPEC: IngestSpec = spec(
    positive="1",
    columns={
        "ok": ColumnFormat(type="truth"),
        "day": ColumnFormat(type="time"),
        "at": ColumnFormat(type="time", zone="Europe/Berlin"),
        "instant": ColumnFormat(type="time"),
        "code": ColumnFormat(type="code"),
        "wide": ColumnFormat(type="text"),
        "note": ColumnFormat(type="text"),
        "clock": ColumnFormat(type="text"),
    },
    numbers=("price", "ratio"),
    signals={"wave": 4},
    media=("picture",),
)


def make_rows() -> list[dict[str, Any]]:
    """Rows with every type, and a row without any value."""
    rng = random.Random(7)  # noqa: S311 - test data
    start = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)  # a change of the clock is near
    rows = []
    for i in range(240):
        instant = start + timedelta(minutes=17 * i, milliseconds=250 * (i % 4))
        rows.append({
            "id": i,
            "y": i % 9 == 0,
            "price": Decimal(rng.randint(-(10**11), 10**11)) / 10**4,
            "code": rng.randint(-9, 9),
            "wide": rng.choice([2**53 + 1, -(2**63) + 5, 2**63 - 1, 0]),
            "ratio": rng.choice([0.1, 1e-300, 3.4e38, -1 / 3, 123456789.123456789, 5.0]),
            "ok": rng.random() < 0.5,
            "day": date(1999, 12, 30) + timedelta(days=i),
            "at": instant.replace(tzinfo=None),
            "instant": instant,
            "clock": f"{i % 24:02d}:30:0{i % 10}",
            "note": rng.choice(TEXTS),
            "wave": [rng.gauss(0, 1), 0.1, None, -2.0],
            "picture": bytes(rng.randrange(256) for _ in range(30)),
        })  # fmt: skip
    rows.append(dict.fromkeys(COLUMNS) | {"id": 240, "y": False})
    return rows


def as_text(row: dict[str, Any]) -> dict[str, Any]:
    """The row as SQLite and CSV have it: times as ISO 8601 texts."""
    instant = row["instant"].isoformat(sep=" ") if row["instant"] else None
    return row | {
        "price": None if row["price"] is None else str(row["price"]),
        "day": row["day"] and row["day"].isoformat(),
        "at": row["at"] and row["at"].isoformat(sep=" "),
        "instant": instant,
        "wave": row["wave"] and json.dumps(row["wave"]),
    }


def naive(row: dict[str, Any]) -> datetime | None:
    return row["instant"].replace(tzinfo=None) if row["instant"] else None


def fill(server: DatabaseServer, rows: list[dict[str, Any]]) -> None:
    kind = server.database.kind
    server.execute("DROP TABLE IF EXISTS t", f"CREATE TABLE t ({TYPES[kind]})")
    if kind == "postgresql":
        rows = [row | {"clock": row["clock"]} for row in rows]
    elif kind == "mariadb":
        rows = [row | {"wave": row["wave"] and json.dumps(row["wave"])} for row in rows]
        # The driver writes times without their zone; the session is in UTC.
        rows = [
            row | {"instant": row["instant"] and row["instant"].replace(tzinfo=None)}
            for row in rows
        ]
    else:
        rows = [as_text(row) | {"price": row["price"] and float(row["price"])} for row in rows]
    server.insert("t", [[row[name] for name in COLUMNS] for row in rows])


def read_database(server: DatabaseServer, folder: Path) -> pa.Table:
    lists = () if server.database.kind == "postgresql" else ("wave",)
    data = Data(sql=Sql(url=server.url, table="t", lists=lists))
    extract = extract_rows(data, folder=Path(), target=folder, environ=server.environ)
    return read_examples(Path(extract.path))


def read_examples(path: Path) -> pa.Table:
    """The typed rows that ingestion deals to the splits."""
    pieces = sources.plan_pieces([str(path)], sources.common_format([str(path)]))
    columns = decide_columns(merge_profiles([profile_piece(p, SPEC) for p in pieces]), SPEC)
    batches = []
    for piece in pieces:
        for raw in sources.read_piece(piece):
            typed = type_batch(raw, columns, SPEC, path=str(path))
            assert not typed.bad_rows
            batches.append(typed.batch)
    return pa.Table.from_batches(batches).sort_by("id").combine_chunks()


def shown(table: pa.Table, names: tuple[str, ...]) -> dict[str, list[str]]:
    """The values by column, as texts, so that not-a-number equals itself."""
    return {name: [repr(value) for value in table[name].to_pylist()] for name in names}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return make_rows()


@pytest.fixture(scope="module")
def lite(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    folder = tmp_path_factory.mktemp("lite")
    server = sqlite_database(folder / "t.db")
    fill(server, rows)
    return read_database(server, folder)


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
def test_a_server_gives_the_examples_of_sqlite(name, rows, lite, tmp_path, request):
    server = request.getfixturevalue(name)
    fill(server, rows)
    table = read_database(server, tmp_path)
    assert table.schema == lite.schema
    assert shown(table, COLUMNS) == shown(lite, COLUMNS)


def test_csv_gives_the_examples_of_sqlite(rows, lite, tmp_path):
    path = tmp_path / "t.csv"
    names = tuple(name for name in COLUMNS if name not in ("wave", "picture"))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for row in map(as_text, rows):
            truths = {name: row[name] and "true" for name in ("y", "ok") if row[name]}
            truths |= {name: "false" for name in ("y", "ok") if row[name] is False}
            writer.writerow((row | truths)[name] for name in names)
    assert shown(read_examples(path), names) == shown(lite, names)


def test_parquet_gives_the_signals_and_pictures_of_sqlite(rows, lite, tmp_path):
    path = tmp_path / "t.parquet"
    names = ("id", "y", "wave", "picture")
    pq.write_table(pa.table({name: [row[name] for row in rows] for name in names}), path)
    assert shown(read_examples(path), names) == shown(lite, names)


def test_the_examples_are_those_that_were_written(rows, lite):
    # Berlin is an hour ahead of UTC until the clock changes at 01:00 UTC on 29 March.
    assert lite["at"][0].as_py() == rows[0]["instant"].timestamp() - 3600
    assert lite["instant"][5].as_py() == int(rows[5]["instant"].timestamp())
    assert lite["wide"][3].as_py() == str(rows[3]["wide"]).encode()
    assert lite["price"][8].as_py() == pytest.approx(float(rows[8]["price"]), rel=1e-7)
    assert lite["note"].to_pylist().count(None) == 1 + sum(r["note"] == "NA" for r in rows)
    assert lite["picture"][8].as_py() == rows[8]["picture"]
    assert lite["wave"][240].as_py() == []  # as in any file
