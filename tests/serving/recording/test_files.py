"""Live files, the Parquet files that they become, leftovers and the bound on disk."""

import os
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serving.recording.files import (
    AppendFile,
    LiveStream,
    delete_oldest,
    hour_folder,
    hour_of,
    recover,
    trim,
    whole_batches,
)

HOUR = datetime(2026, 11, 27, 9, tzinfo=UTC)
SCHEMA = pa.schema([("time", pa.timestamp("us", tz="UTC")), ("value", pa.int64())])
REQUESTS = "requests/date=2026-11-27/hour=09"


def batch(*values: int) -> pa.RecordBatch:
    arrays = [pa.array([HOUR] * len(values), SCHEMA.field("time").type), pa.array(values)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def values_of(path) -> list[int]:
    return pq.ParquetFile(path).read()["value"].to_pylist()


def test_a_stream_is_readable_after_each_batch_and_becomes_a_parquet_file(tmp_path):
    stream = LiveStream(tmp_path, "s", SCHEMA)
    live = tmp_path / "live" / "s.arrows"
    assert list(whole_batches(live)) == []
    stream.append(batch(1, 2))
    stream.append(batch(3))
    assert [b["value"].to_pylist() for b in whole_batches(live)] == [[1, 2], [3]]
    stream.close()
    assert values_of(tmp_path / REQUESTS / "s.parquet") == [1, 2, 3]
    assert not live.exists()


def test_a_closed_stream_without_records_leaves_no_file(tmp_path):
    LiveStream(tmp_path, "s", SCHEMA).close()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_failed_append_leaves_the_stream_as_it_was(tmp_path, monkeypatch):
    stream = LiveStream(tmp_path, "s", SCHEMA)
    stream.append(batch(1))
    write = os.write

    def half_then_full(descriptor, content):
        if len(content) < 100:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[: len(content) // 2])

    monkeypatch.setattr(os, "write", half_then_full)
    with pytest.raises(OSError, match="No space left"):
        stream.append(batch(*range(1000)))
    monkeypatch.undo()
    stream.append(batch(2))
    stream.close()
    assert values_of(tmp_path / REQUESTS / "s.parquet") == [1, 2]


def leave_over(folder, stem: str, *batches: pa.RecordBatch) -> None:
    """Writes a live file whose process is gone."""
    stream = LiveStream(folder, stem, SCHEMA)
    for one in batches:
        stream.append(one)
    stream._file.close()


@pytest.mark.parametrize("num_bytes", [1, 8, 100, 200])
def test_of_a_leftover_all_whole_batches_are_kept(tmp_path, num_bytes):
    leave_over(tmp_path, "s", batch(1, 2), batch(3))
    with (tmp_path / "live" / "s.arrows").open("ab") as file:
        file.write(bytes(batch(4).serialize())[:num_bytes])
    assert recover(tmp_path) == 1
    assert values_of(tmp_path / REQUESTS / "s.parquet") == [1, 2, 3]
    assert list((tmp_path / "live").iterdir()) == []
    assert recover(tmp_path) == 0


def test_the_file_of_a_process_that_runs_is_no_leftover(tmp_path):
    stream = LiveStream(tmp_path, "s", SCHEMA)
    stream.append(batch(1))
    assert recover(tmp_path) == 0
    stream.append(batch(2))
    stream.close()
    assert values_of(tmp_path / REQUESTS / "s.parquet") == [1, 2]


def test_a_kill_between_the_parquet_file_and_the_end_of_the_stream_doubles_nothing(tmp_path):
    leave_over(tmp_path, "s", batch(1))
    live = tmp_path / "live" / "s.arrows"
    content = live.read_bytes()
    recover(tmp_path)
    live.write_bytes(content)
    recover(tmp_path)
    assert values_of(tmp_path / REQUESTS / "s.parquet") == [1]
    assert len(list((tmp_path / REQUESTS).iterdir())) == 1


def test_a_file_that_never_got_its_name_is_removed(tmp_path):
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "s.arrows.incoming").write_bytes(b"part")
    recover(tmp_path)
    assert list((tmp_path / "live").iterdir()) == []


def test_a_damaged_leftover_keeps_no_other_one_from_being_closed(tmp_path, caplog):
    leave_over(tmp_path, "s", batch(1))
    # Complete lengths, and a schema that is none; a stream without the time of its records.
    (tmp_path / "live" / "a.arrows").write_bytes(b"\xff\xff\xff\xff\x10\0\0\0" + bytes(range(200)))
    other = pa.record_batch({"other": [1]})
    stream = other.schema.serialize().to_pybytes() + other.serialize().to_pybytes()
    (tmp_path / "live" / "b.arrows").write_bytes(stream)
    assert recover(tmp_path) == 1
    assert values_of(tmp_path / REQUESTS / "s.parquet") == [1]
    assert "a.arrows were not closed" in caplog.text
    assert "b.arrows were not closed" in caplog.text


def test_of_a_left_over_log_all_whole_records_are_kept(tmp_path):
    # A record: its length in 8 bytes, 4 of a checksum, the content, 4 of a checksum.
    record = (5).to_bytes(8, "little") + b"cccc" + b"hello" + b"cccc"
    file = AppendFile(tmp_path / "live" / "s.tfrecord", record)
    file.append(record + record[:-1])
    file.close()
    recover(tmp_path)
    [path] = tmp_path.glob("prediction_logs/date=*/hour=*/s.tfrecord")
    assert path.read_bytes() == 2 * record


def closed(folder, hour: int, name: str, num_bytes: int) -> None:
    path = hour_folder(folder / "requests", HOUR.replace(hour=hour)) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(num_bytes))


def test_the_oldest_closed_files_go_first(tmp_path):
    for hour in (3, 10, 9):
        closed(tmp_path, hour, "s.parquet", 100)
    # 300 bytes: without the file of hour 3, 200 are left.
    assert trim(tmp_path, 250) == 1
    left = sorted(path.parent.name for path in tmp_path.rglob("*.parquet"))
    assert left == ["hour=09", "hour=10"]
    assert not hour_folder(tmp_path / "requests", HOUR.replace(hour=3)).exists()
    assert trim(tmp_path, 250) == 0


def test_live_files_count_towards_the_bound_but_are_never_deleted(tmp_path):
    leave_over(tmp_path, "s", batch(*range(1000)))
    closed(tmp_path, 9, "s.parquet", 10)
    assert trim(tmp_path, 100) == 1
    assert (tmp_path / "live" / "s.arrows").exists()


def test_the_oldest_file_makes_room(tmp_path):
    closed(tmp_path, 9, "a.parquet", 10)
    assert delete_oldest(tmp_path)
    assert not delete_oldest(tmp_path)


def test_files_are_private(tmp_path):
    stream = LiveStream(tmp_path, "s", SCHEMA)
    stream.append(batch(1))
    assert (tmp_path / "live" / "s.arrows").stat().st_mode & 0o777 == 0o600
    stream.close()
    assert (tmp_path / REQUESTS / "s.parquet").stat().st_mode & 0o777 == 0o600


def test_an_hour_begins_at_its_first_microsecond():
    start = int(HOUR.timestamp() * 1e6)
    assert hour_of(start) == HOUR
    assert hour_of(start - 1) == HOUR.replace(hour=8)
