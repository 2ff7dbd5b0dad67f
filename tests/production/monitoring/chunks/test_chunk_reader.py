"""Recorded requests are divided into chunks, each once."""

import fcntl
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from common.output_folder import OutputFolder
from models.features import Numeric
from pipeline.production_options.monitoring import ChunkSize, MonitoringOptions
from production.monitoring.chunks.columns import read_columns
from production.monitoring.chunks.reader import ChunkReader
from production.monitoring.chunks.reading import Recorded
from tests.production.collection.recorded import NOON, Stream, batch_of, record, write_closed

HOURLY = MonitoringOptions(chunk=ChunkSize(hours=1))
FOUR_ROWS = MonitoringOptions(chunk=ChunkSize(rows=4, per_year=100))
LATER = NOON + timedelta(days=1)
FEATURES = {"pressure": pa.float64()}


@pytest.fixture
def folder(tmp_path):
    return OutputFolder(tmp_path)


def write(folder, *records, stem="stable-0", features=FEATURES):
    """Writes records to a file of each hour, as servers do."""
    hours = {}
    for one in records:
        hours.setdefault(one["time"].replace(minute=0, second=0, microsecond=0), []).append(one)
    for hour, some in hours.items():
        name = f"{stem}-{hour:%H}"
        write_closed(folder.collected("pump"), [batch_of(some, features)], name, hour)


def rows(minutes, **values):
    return [record(f"r{minute}", seconds=60 * minute, **values) for minute in minutes]


def reader(folder, options=HOURLY, state=None, now=LATER, **others):
    return ChunkReader(folder, "pump", options, state, now=lambda: now, **others)


def ids(chunk):
    return chunk.records["request_id"].to_pylist()


def shape(chunks):
    return [(chunk.number, chunk.version, chunk.records.num_rows) for chunk in chunks]


def test_an_hour_is_a_chunk_aligned_to_the_clock(folder):
    write(folder, *rows([5, 50, 70], pressure=1.5))
    first, second = reader(folder).finished()
    assert (first.since, first.until) == (NOON, NOON + timedelta(hours=1))
    assert ids(first) == ["r5", "r50"]
    assert ids(second) == ["r70"]
    assert first.records["pressure"].to_pylist() == [1.5, 1.5]
    assert (first.number, second.number) == (0, 1)


def test_an_hour_without_requests_is_no_chunk(folder):
    write(folder, *rows([5, 400]))
    assert [ids(chunk) for chunk in reader(folder).finished()] == [["r5"], ["r400"]]


def test_a_day_begins_at_midnight_in_utc(folder):
    write(folder, *rows([5]))
    [chunk] = reader(folder, MonitoringOptions(), now=NOON + timedelta(days=2)).finished()
    assert chunk.since == datetime(2026, 11, 27, tzinfo=UTC)
    assert chunk.until == datetime(2026, 11, 28, tzinfo=UTC)


def test_rows_of_several_files_come_in_order_of_time(folder):
    write(folder, *rows([30, 10]), stem="stable-a")
    write(folder, *rows([20, 5]), stem="candidate-b")
    [chunk] = reader(folder).finished()
    assert ids(chunk) == ["r5", "r10", "r20", "r30"]


def test_rows_of_one_moment_have_an_order_of_their_own(folder):
    write(folder, record("b"), record("a", row=1), record("a"), record("z", seconds=-60))
    _, chunk = reader(folder).finished()
    pairs = zip(ids(chunk), chunk.records["row"].to_pylist(), strict=True)
    assert list(pairs) == [("a", 0), ("a", 1), ("b", 0)]


def test_a_chunk_is_not_finished_before_servers_have_written(folder):
    write(folder, *rows([5]))
    hour_end = NOON + timedelta(hours=1)
    assert not list(reader(folder, now=hour_end + timedelta(seconds=9)).finished())
    assert shape(reader(folder, now=hour_end + timedelta(seconds=10)).finished()) == [(0, 100, 1)]


def test_a_chunk_waits_for_the_live_file_of_its_hour_for_five_minutes(folder):
    stream = Stream(folder.collected("pump"), "stable-100-20261127T12-0a", **FEATURES)
    stream.write(*rows([5]))
    hour_end = NOON + timedelta(hours=1)
    with stream.path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not list(reader(folder, now=hour_end + timedelta(minutes=4)).finished())
        assert len(list(reader(folder, now=hour_end + timedelta(minutes=5)).finished())) == 1
    assert len(list(reader(folder, now=hour_end + timedelta(minutes=4)).finished())) == 1


def test_mirrored_copies_are_no_rows_and_failures_are_counted(folder):
    write(
        folder,
        *rows([5]),
        record("copy", "candidate", seconds=60),
        record("bad", seconds=70, status="INVALID_ARGUMENT", version=None),
        record("bad copy", "candidate", seconds=70, status="INTERNAL"),
    )
    [chunk] = reader(folder).finished()
    assert ids(chunk) == ["r5"]
    assert chunk.num_failed == 1


def test_an_hour_of_failures_alone_belongs_to_the_last_version(folder):
    failed = [record("bad", seconds=4000, status="UNAVAILABLE", version=None)]
    write(folder, *rows([5]), *failed)
    _, chunk = reader(folder).finished()
    assert (chunk.version, chunk.records.num_rows, chunk.num_failed) == (100, 0, 1)
    assert "request_id" in chunk.records.column_names


def test_each_version_has_its_own_chunk(folder):
    old, new = rows([5, 15]), rows([10, 20, 70], version=200)
    write(folder, *old, *new)
    assert shape(reader(folder).finished()) == [(0, 100, 2), (1, 200, 2), (2, 200, 1)]


def test_a_row_that_was_recorded_twice_counts_once(folder):
    write(folder, record("a", pressure=1.0), record("a", seconds=1, pressure=2.0), record("b"))
    [chunk] = reader(folder).finished()
    assert chunk.records["pressure"].to_pylist()[:1] == [1.0]
    assert (chunk.records.num_rows, chunk.num_repeated) == (2, 1)


def test_a_reader_goes_on_behind_each_chunk(folder):
    write(folder, *rows([5, 70, 130]), *rows([15, 75], version=200))
    whole = shape(reader(folder).finished())
    assert len(whole) == 5
    state, parts = None, []
    while True:
        one = reader(folder, state=state)
        chunk = next(one.finished(), None)
        if chunk is None:
            break
        state = one.to_state()
        parts.append(chunk)
    assert shape(parts) == whole


@pytest.mark.parametrize("before", [MonitoringOptions(chunk=ChunkSize(hours=0.5)), FOUR_ROWS])
def test_after_a_change_of_the_size_no_row_is_in_two_chunks(folder, before):
    write(folder, *rows(range(0, 100, 5)))
    first = reader(folder, before)
    taken = ids(next(first.finished()))
    rest = [ids(chunk) for chunk in reader(folder, state=first.to_state()).finished()]
    assert len(rest) == 2
    assert taken + rest[0] + rest[1] == [f"r{minute}" for minute in range(0, 100, 5)]


def test_late_rows_are_in_no_chunk_but_counted(folder):
    write(folder, *rows([5]))
    first = reader(folder)
    assert len(list(first.finished())) == 1
    write(folder, *rows([6, 7, 65]), stem="late")
    [chunk] = reader(folder, state=first.to_state()).finished()
    assert ids(chunk) == ["r65"]
    assert chunk.num_late == 2


def test_late_rows_of_older_chunks_are_counted_once(folder):
    write(folder, *rows([5, 65, 245]))
    first = reader(folder)
    assert len(list(first.finished())) == 3
    # The first two hours, an hour without requests, and a new hour.
    write(folder, *rows([6, 66, 67, 130, 305, 365]), stem="late")
    second = reader(folder, state=first.to_state())
    assert [(ids(one), one.num_late) for one in second.finished()] == [(["r305"], 4), (["r365"], 0)]
    write(folder, *rows([425]), stem="later")
    [chunk] = reader(folder, state=second.to_state()).finished()
    assert chunk.num_late == 0


def test_late_rows_of_chunks_of_rows_are_counted_once(folder):
    write(folder, *rows(range(0, 80, 10)), *rows([5, 15], version=200))
    first = reader(folder, FOUR_ROWS)
    assert shape(first.finished()) == [(0, 100, 4), (1, 200, 2), (2, 100, 4)]
    # Of the first chunk, between the two, of the second, and of the hour that was read already.
    write(folder, *rows([1, 31, 41, 51, 75, 130, 140, 150, 160]), stem="late")
    second = reader(folder, FOUR_ROWS, first.to_state())
    [chunk] = second.finished()
    assert (ids(chunk), chunk.num_late) == (["r130", "r140", "r150", "r160"], 4)
    write(folder, *rows([190, 200, 210, 220, 250, 260, 270, 280]), stem="later")
    third = reader(folder, FOUR_ROWS, second.to_state())
    assert [chunk.num_late for chunk in third.finished()] == [1, 0]


@pytest.mark.parametrize("moments", [[0] * 8, [0, 0, 0, 1, 1, 1, 1, 2], [0, 1, 1, 1, 1, 1, 1, 1]])
def test_rows_of_one_moment_on_both_sides_of_a_chunk_are_not_late(folder, moments):
    answers = [record("a", row=row, seconds=second) for row, second in enumerate(moments)]
    write(folder, *answers, *[record("b", row=row, seconds=9) for row in range(4)])
    state, num_late = None, 0
    for number in range(3):
        one = reader(folder, FOUR_ROWS, state)
        chunk = next(one.finished())
        assert (chunk.number, chunk.records.num_rows) == (number, 4)
        num_late += chunk.num_late
        state = one.to_state()
    assert num_late == 0


@pytest.mark.parametrize("options", [HOURLY, FOUR_ROWS])
def test_a_row_that_the_chunk_before_has_counts_once(folder, options):
    again = [record(f"r{minute}", seconds=60 * (minute + 60)) for minute in (1, 3)]
    other = [record("r1", row=1, seconds=60 * 63), record("r64", seconds=60 * 64)]
    write(folder, *rows([0, 1, 2, 3]), *again, *other)
    state, chunks = None, []
    for _ in range(2):
        one = reader(folder, options, state)
        chunks.append(next(one.finished()))
        state = one.to_state()
    assert [chunk.num_repeated for chunk in chunks] == [0, 2]
    assert ids(chunks[1]) == ["r1", "r64"]
    assert chunks[1].records["row"].to_pylist() == [1, 0]


def failures(minutes, version=None):
    return [
        record(f"f{minute}", seconds=60 * minute, status="UNAVAILABLE", version=version)
        for minute in minutes
    ]


@pytest.mark.parametrize("version", [None, 100])
def test_an_outage_fills_chunks_of_rows(folder, version):
    write(folder, *rows(range(4)), *failures(range(100, 210, 10), version))
    chunks = list(reader(folder, FOUR_ROWS).finished())
    assert shape(chunks) == [(0, 100, 4), (1, 100, 0), (2, 100, 0)]
    assert [chunk.num_failed for chunk in chunks] == [0, 4, 4]
    assert chunks[1].since == NOON + timedelta(minutes=100)
    assert chunks[1].until == NOON + timedelta(minutes=130, microseconds=1)


def test_rows_around_an_outage_are_each_in_one_chunk(folder):
    write(folder, *rows([0, 1, 12, 60, 61, 62, 63, 64]), *failures(range(10, 16), 100))
    state, chunks = None, []
    for _ in range(2):
        one = reader(folder, FOUR_ROWS, state)
        chunks.append(next(one.finished()))
        state = one.to_state()
    # The fourth failure is at minute 13.
    assert [(ids(chunk), chunk.num_failed) for chunk in chunks] == [
        (["r0", "r1", "r12"], 4),
        (["r60", "r61", "r62", "r63"], 2),
    ]
    assert chunks[1].num_late == 0


OTHER_TYPES = [
    ("0a", pa.string()),  # hashed for a while
    (NOON, pa.timestamp("us", tz="UTC")),
    ([1.0], pa.list_(pa.float32())),
    (True, pa.bool_()),
]


@pytest.mark.parametrize(("value", "kind"), OTHER_TYPES)
@pytest.mark.parametrize("options", [HOURLY, FOUR_ROWS])
def test_a_column_of_two_types_is_unreadable(folder, options, value, kind):
    write(folder, record("a", pressure=1.0), *rows([1, 70], pressure=2.0))
    other = record("b", seconds=1, pressure=value)
    write(folder, other, stem="stable-1", features={"pressure": kind})
    chunk = next(reader(folder, options).finished())
    assert ids(chunk)[:3] == ["a", "b", "r1"]
    assert read_columns(chunk.records, {"pressure": Numeric()}).unreadable == ("pressure",)


@pytest.mark.parametrize(("value", "kind"), OTHER_TYPES)
def test_each_version_has_its_own_type_of_a_column(folder, value, kind):
    write(folder, *rows([1, 2], pressure=2.0))
    other = rows([3, 4], pressure=value, version=200)
    write(folder, *other, stem="stable-1", features={"pressure": kind})
    old, new = reader(folder).finished()
    assert (old.version, old.records["pressure"].to_pylist()) == (100, [2.0, 2.0])
    assert (new.version, new.records.schema.field("pressure").type) == (200, kind)


def test_integers_and_floats_are_one_column(folder):
    write(folder, record("a", pressure=1.5))
    other = record("b", seconds=1, pressure=2)
    write(folder, other, stem="stable-1", features={"pressure": pa.int64()})
    [chunk] = reader(folder).finished()
    assert chunk.records["pressure"].to_pylist() == [1.5, 2.0]


def test_rows_outside_of_the_sample_are_left_out(folder):
    write(folder, *rows(range(50)))
    [chunk] = reader(folder, share=0.5).finished()
    assert 10 < chunk.records.num_rows < 40
    assert chunk.num_late == 0


def test_chunks_of_rows_are_full(folder):
    write(folder, *rows(range(0, 100, 10)))
    first, second = reader(folder, FOUR_ROWS).finished()
    assert ids(first) == ["r0", "r10", "r20", "r30"]
    assert ids(second) == ["r40", "r50", "r60", "r70"]
    assert first.since == NOON
    assert first.until == NOON + timedelta(minutes=30, microseconds=1)


def test_chunks_of_rows_go_on_with_the_rest(folder):
    write(folder, *rows(range(0, 60, 10)))
    first = reader(folder, FOUR_ROWS)
    assert len(list(first.finished())) == 1
    write(folder, *rows([60, 70]), stem="stable-1")
    second = reader(folder, FOUR_ROWS, first.to_state())
    [chunk] = second.finished()
    assert ids(chunk) == ["r40", "r50", "r60", "r70"]
    assert chunk.number == 1
    assert not list(reader(folder, FOUR_ROWS, second.to_state()).finished())


def test_a_new_version_ends_the_chunk_of_the_old_one(folder):
    write(folder, *rows([1, 2, 3]), *rows(range(4, 8), version=200), *rows([8]))
    chunks = list(reader(folder, FOUR_ROWS).finished())
    assert shape(chunks) == [(0, 100, 3), (1, 200, 4)]


def test_two_versions_side_by_side_fill_their_own_chunks(folder):
    write(folder, *rows(range(0, 20, 2)), *rows(range(1, 20, 2), version=200))
    assert shape(reader(folder, FOUR_ROWS).finished()) == [
        (0, 100, 4),
        (1, 200, 4),
        (2, 100, 4),
        (3, 200, 4),
    ]


@pytest.mark.parametrize("options", [HOURLY, FOUR_ROWS])
def test_failures_are_counted_once(folder, options):
    failed = [record(f"f{i}", seconds=60 * i + 30, status="INTERNAL") for i in range(0, 150, 10)]
    write(folder, *rows(range(0, 200, 5)), *failed)
    state, num_failed = None, 0
    while True:
        one = reader(folder, options, state)
        chunk = next(one.finished(), None)
        if chunk is None:
            break
        num_failed += chunk.num_failed
        state = one.to_state()
    assert num_failed == 15


def test_failures_between_two_looks_are_counted(folder):
    failed = [record(f"f{i}", seconds=60 * 30 + i, status="UNAVAILABLE") for i in range(3)]
    write(folder, *rows([0, 10, 20, 25]), *failed)
    first = reader(folder, FOUR_ROWS, now=NOON + timedelta(minutes=35))
    assert [chunk.num_failed for chunk in first.finished()] == [0]
    write(folder, *rows([40, 41, 42, 43]), stem="stable-1")
    second = reader(folder, FOUR_ROWS, first.to_state())
    assert [chunk.num_failed for chunk in second.finished()] == [3]


def test_failures_of_a_version_that_no_longer_answers_do_not_hold_the_reader(folder):
    failed = record("f", seconds=60 * 5, status="UNAVAILABLE")
    write(folder, *rows(range(4)), failed, *rows(range(6, 14), version=200))
    one = reader(folder, FOUR_ROWS)
    assert shape(one.finished()) == [(0, 100, 4), (1, 200, 4), (2, 200, 4)]
    assert one.to_state()["since"] == (NOON + timedelta(hours=1)).isoformat()


def test_no_file_is_read_before_the_next_chunk_can_be_finished(folder, monkeypatch):
    write(folder, *rows([5]))
    first = reader(folder)
    assert len(list(first.finished())) == 1
    monkeypatch.setattr(Recorded, "first_time", lambda *_: pytest.fail("files were read"))
    two_o_clock = NOON + timedelta(hours=2)
    now = two_o_clock + timedelta(seconds=9)
    assert not list(reader(folder, state=first.to_state(), now=now).finished())


def test_without_requests_there_is_no_chunk(folder):
    assert not list(reader(folder).finished())
    assert not list(reader(folder, FOUR_ROWS).finished())


def test_the_rows_that_wait_for_a_full_chunk_are_counted(folder):
    write(folder, *rows(range(6)))
    some = reader(folder, FOUR_ROWS)
    assert [chunk.records.num_rows for chunk in some.finished()] == [4]
    assert some.waiting_words() == "2 of 4 rows so far."
    end = reader(folder, HOURLY, now=NOON + timedelta(minutes=5)).waiting_words()
    assert end == "The present chunk ends at 2026-11-27 13:00 UTC."
