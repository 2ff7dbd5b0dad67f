"""`data.sql.num_readers`: several readers write the very file that one writes."""

from pathlib import Path

import pytest

from common.errors import InputError
from pipeline.config import Data
from pipeline.data_options.sql import Sql
from pipeline.reading.sql.extraction.extract import Extract, extract_rows
from tests.pipeline.reading.sql.servers import DatabaseServer, sqlite_database

pytestmark = pytest.mark.e2e

# More rows than two batches of a reader.
_SERIES = {
    "postgresql": "SELECT g AS n FROM generate_series(1, 45000) AS g",
    "mariadb": "SELECT seq AS n FROM seq_1_to_45000",
}


@pytest.fixture(params=list(_SERIES))
def server(request) -> DatabaseServer:
    server: DatabaseServer = request.getfixturevalue(request.param)
    server.execute(
        "DROP TABLE IF EXISTS long_table",
        "CREATE TABLE long_table (id integer PRIMARY KEY, line integer, note varchar(20))",
        "INSERT INTO long_table SELECT n, CASE WHEN n % 9 > 0 THEN n % 4 END, "  # noqa: S608
        f"CASE WHEN n % 3 > 0 THEN 'é' END FROM ({_SERIES[request.param]}) AS s",
    )
    return server


def extract(server: DatabaseServer, target: Path, **options) -> Extract:
    data = Data(sql=Sql(url=server.url, table="long_table", **options))
    return extract_rows(data, folder=target, target=target, environ=server.environ)


@pytest.mark.parametrize("order_by", [(), ("line", "id")])
def test_the_file_of_several_readers_is_that_of_one(order_by, server, tmp_path):
    of_one = extract(server, tmp_path / "one", order_by=order_by)
    of_three = extract(server, tmp_path / "three", order_by=order_by, num_readers=3)
    assert Path(of_one.path).read_bytes() == Path(of_three.path).read_bytes()
    # With `line` as the key, rows without one are a range of their own.
    assert of_three.notes[0] == (
        f"read in {4 if order_by else 3} ranges of `{order_by[0] if order_by else 'id'}` over one "
        "snapshot"
    )
    # The same files: unchanged rows come from the cache, whoever read them.
    again = extract(server, tmp_path / "one", order_by=order_by, num_readers=3)
    assert again.path == of_one.path
    assert not list(tmp_path.glob("*/*/.ranges-*"))


def test_an_sqlite_file_has_one_reader(tmp_path):
    server = sqlite_database(tmp_path / "plant.db")
    server.execute("CREATE TABLE long_table (id INTEGER PRIMARY KEY)")
    with pytest.raises(InputError, match=r"Leave out --partition-column or data\.sql\.num_readers"):
        extract(server, tmp_path, num_readers=2)
