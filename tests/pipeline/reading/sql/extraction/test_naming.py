"""Names of rows of a database in messages."""

import json
from pathlib import Path

import pytest

from common.errors import InputError
from pipeline.config import Data
from pipeline.data_options.sql import Sql
from pipeline.reading.files.pieces import BadRow, Piece
from pipeline.reading.quarantine import check_bad_rows, locate
from pipeline.reading.sql.extraction.extract import extract_rows
from pipeline.reading.sql.extraction.naming import database_words
from tests.pipeline.reading.sql.servers import DatabaseServer, sqlite_database


@pytest.fixture
def plant(tmp_path) -> DatabaseServer:
    server = sqlite_database(tmp_path / "plant.db")
    server.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, day TEXT, v TEXT)")
    server.insert("t", [(7, "2026-05-02", "x"), (3, "2026-05-02", "y"), (9, "2026-05-02", "z")])
    return server


def read(server: DatabaseServer, target: Path, **options) -> str:
    data = Data(sql=Sql(url=server.url, **options))
    path = extract_rows(data, folder=Path(), target=target, environ={}).path
    return path.replace("{DATE}", "2026-05-02")


def bad(path: str, row: int) -> BadRow:
    return BadRow(path=path, row=row, column="v", reason="expected a number", text="?")


def test_bad_rows_of_a_table_are_named_by_their_keys(plant, tmp_path):
    path = read(plant, tmp_path / "out", table="t")
    piece = Piece(index=0, path=path, format="parquet")
    found = locate(piece, [bad(path, 3), bad(path, 1)])
    name = f"`t` of {plant.url}"
    assert [str(one) for one in found] == [
        f"{name}, row 1 (id = 3), column `v`: expected a number",
        f"{name}, row 3 (id = 9), column `v`: expected a number",
    ]
    with pytest.raises(InputError, match=r"row 1 \(id = 3\)"):
        check_bad_rows(found, num_bad_rows=2, max_bad_rows=1, reports_dir=str(tmp_path / "kept"))
    [first, _] = (tmp_path / "kept" / "bad_rows.jsonl").read_text().splitlines()
    assert json.loads(first)["key"] == "id = 3"


def test_bad_rows_of_a_span_are_named_with_it(plant, tmp_path):
    path = read(
        plant, tmp_path / "out", query="SELECT * FROM t WHERE day = {DATE}",
        spans="SELECT DISTINCT day FROM t", order_by=("day", "id"),
    )  # fmt: skip
    [one] = locate(Piece(index=0, path=path, format="parquet"), [bad(path, 2)])
    assert one.path == f"the query of {plant.url}, span 2026-05-02"
    assert one.key == "day = '2026-05-02', id = 7"


def test_bad_rows_of_files_have_no_key(tmp_path):
    path = str(tmp_path / "a.parquet")
    found = locate(Piece(index=0, path=path, format="parquet"), [bad(path, 2)])
    assert found == [bad(path, 2)]
    with pytest.raises(InputError):
        check_bad_rows(found, num_bad_rows=1, max_bad_rows=0, reports_dir=str(tmp_path / "kept"))
    assert "key" not in json.loads((tmp_path / "kept" / "bad_rows.jsonl").read_text())


def test_errors_name_the_table_and_not_the_file(plant, tmp_path):
    path = read(plant, tmp_path / "out", table="t")
    with pytest.raises(InputError) as caught, database_words([path]):
        raise InputError(f"{path} has no column `y`.")
    assert str(caught.value) == f"`t` of {plant.url} has no column `y`."
