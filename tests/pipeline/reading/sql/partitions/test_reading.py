"""Rows of real servers, read in ranges while others write: those of one snapshot."""

import base64
import bz2
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import InputError
from pipeline.reading.sql.database import PASSWORD_ENV
from pipeline.reading.sql.partitions.reading import read_partitions, read_range
from pipeline.reading.sql.partitions.snapshots import PartitionedSelect
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
from tests.pipeline.reading.sql.servers import DatabaseServer

pytestmark = pytest.mark.e2e

NUM_ROWS = 500


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request) -> DatabaseServer:
    return request.getfixturevalue(request.param)


def fill(server: DatabaseServer) -> None:
    """Half of the rows share the name `many`; every seventh has none."""
    server.execute(
        "DROP TABLE IF EXISTS parts",
        "CREATE TABLE parts (id bigint PRIMARY KEY, name varchar(40), day date, volts real)",
    )
    names = [None if n % 7 == 0 else "many" if n % 2 else f"it's \\ é{n % 50}" for n in range(500)]
    rows = [(n, names[n], f"2026-01-{1 + n % 28:02d}", n / 10) for n in range(NUM_ROWS)]
    server.insert("parts", rows)


def select(server: DatabaseServer, column: str, **more) -> PartitionedSelect:
    return PartitionedSelect(
        database=server.database,
        query="SELECT * FROM parts -- all of them",
        column=column,
        num_ranges=4,
        order_by=("id",),
        **more,
    )


def read(server: DatabaseServer, column: str, folder: Path, *, meanwhile: tuple[str, ...] = ()):
    """Reads one range after another; after the first, others write."""

    def reader(plan, target):
        for part in plan.ranges:
            yield read_range(plan, part, target, server.environ)
            if part.index == 0 and meanwhile:
                server.execute(*meanwhile)

    rows = read_partitions(select(server, column), folder, reader=reader, environ=server.environ)
    return rows, pa.concat_tables([pq.read_table(file) for file in rows.files])


@pytest.mark.parametrize("column", ["id", "name", "day"])
def test_ranges_have_every_row_once_in_the_order_of_the_key(column, server, tmp_path):
    fill(server)
    rows, table = read(server, column, tmp_path)
    assert rows.note.endswith(f"of `{column}` over one snapshot")
    assert sorted(table["id"].to_pylist()) == list(range(NUM_ROWS))
    assert table.column_names == ["id", "name", "day", "volts"]
    if column == "name":
        # The key `many` fills two of four groups. Rows without a name are where ORDER BY has them.
        assert len(rows.files) in (4, 5)
        is_last = server.database.kind == "postgresql"
        assert table["name"].to_pylist()[slice(-72, None) if is_last else slice(72)] == [None] * 72


ADDITION = "INSERT INTO parts SELECT id + 1000, name, day, volts FROM parts"
CHANGE = "UPDATE parts SET volts = -1 WHERE id >= 250"


def test_rows_that_are_added_meanwhile_are_not_read(server, tmp_path):
    fill(server)
    rows, table = read(server, "id", tmp_path, meanwhile=(ADDITION,))
    assert table["id"].to_pylist() == list(range(NUM_ROWS))
    assert rows.num_rows == NUM_ROWS


def test_postgresql_gives_rows_as_they_were_before_a_change(postgresql, tmp_path):
    fill(postgresql)
    _, table = read(postgresql, "name", tmp_path, meanwhile=(ADDITION, CHANGE))
    volts = dict(zip(table["id"].to_pylist(), table["volts"].to_pylist(), strict=True))
    assert volts == {n: pytest.approx(n / 10) for n in range(NUM_ROWS)}


def test_mariadb_reads_again_by_one_reader_what_a_change_tore(mariadb, tmp_path):
    fill(mariadb)
    rows, table = read(mariadb, "id", tmp_path, meanwhile=(CHANGE,))
    assert "rows of 2 ranges of `id` changed while they were read" in rows.note
    expected = [n / 10 if n < 250 else -1 for n in range(NUM_ROWS)]
    assert table["volts"].to_pylist() == pytest.approx(expected)


def test_mariadb_notices_a_change_that_six_digits_do_not_show(mariadb, tmp_path):
    fill(mariadb)
    tiny = "UPDATE parts SET volts = CAST(volts AS DOUBLE) * 1.0000002 WHERE id >= 250"
    rows, _ = read(mariadb, "id", tmp_path, meanwhile=(tiny,))
    assert "changed while they were read" in rows.note


def test_several_beam_workers_read_one_snapshot_with_a_password_of_their_environment(
    postgresql, tmp_path, monkeypatch
):
    from pipeline.reading.sql.partitions.beam_reading import BeamReader

    fill(postgresql)
    monkeypatch.setenv(PASSWORD_ENV, postgresql.password)
    workers = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    beam = BeamReader((*LOCAL_BEAM_ARGS, *workers))

    def reader(plan, folder):
        postgresql.execute(ADDITION, CHANGE)
        return beam(plan, folder)

    rows = read_partitions(
        select(postgresql, "id"), tmp_path, reader=reader, environ=postgresql.environ
    )
    table = pa.concat_tables([pq.read_table(file) for file in rows.files])
    assert table["id"].to_pylist() == list(range(NUM_ROWS))
    assert table["volts"].to_pylist() == pytest.approx([n / 10 for n in range(NUM_ROWS)])
    assert sorted(path.name for path in tmp_path.iterdir()) == [f.name for f in rows.files]


def test_a_worker_without_the_password_is_told_which_variable_it_needs(
    postgresql, tmp_path, monkeypatch
):
    from pipeline.reading.sql.partitions.beam_reading import BeamReader

    fill(postgresql)
    for name in (PASSWORD_ENV, "PGPASSWORD", "PGPASSFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError, match=PASSWORD_ENV):
        read_partitions(
            select(postgresql, "id"),
            tmp_path,
            reader=BeamReader(LOCAL_BEAM_ARGS),
            environ=postgresql.environ,
        )


def test_the_job_that_is_sent_to_workers_holds_no_password(postgresql, tmp_path):
    import apache_beam as beam

    from pipeline.reading.sql.partitions.beam_reading import build_job

    fill(postgresql)
    jobs = []

    def reader(plan, folder):
        pipeline = beam.Pipeline()
        build_job(pipeline, plan, folder)
        jobs.append(pipeline.to_runner_api().SerializeToString())
        return [read_range(plan, part, folder, postgresql.environ) for part in plan.ranges]

    read_partitions(select(postgresql, "id"), tmp_path, reader=reader, environ=postgresql.environ)
    # Beam writes functions as base64 of bzip2, which begins with `BZh9`.
    packed = re.findall(rb"Qlpo[A-Za-z0-9+/]+=*", jobs[0])
    content = b"".join(bz2.decompress(base64.b64decode(text)) for text in packed)
    assert PASSWORD_ENV.encode() in content
    assert postgresql.password.encode() not in content + jobs[0]


@pytest.mark.parametrize(
    ("column", "message"),
    [("idd", "partition column `idd` is not in the query"), ("volts", "holds float values")],
)
def test_a_column_that_cannot_divide_is_refused(column, message, server, tmp_path):
    fill(server)
    with pytest.raises(InputError, match=message):
        read(server, column, tmp_path)
