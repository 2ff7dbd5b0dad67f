"""Records are read from closed files and from streams in progress, each once."""

from datetime import timedelta

import pyarrow as pa
import pytest

from common.errors import InputError
from production.collection.records import (
    RecordTail,
    Selection,
    read_file,
    read_file_schema,
    read_records,
    record_files,
)
from tests.production.collection.recorded import NOON, Stream, batch_of, record, write_closed


def _ids(batches):
    return [one for batch in batches for one in batch["request_id"].to_pylist()]


def _tail(folder, positions=None):
    return RecordTail(folder, columns=["request_id"], since=NOON, positions=positions)


def _new_ids(tail):
    return _ids(batch for _, batch in tail.read())


def test_a_stream_in_progress_is_read_up_to_its_last_whole_batch(tmp_path):
    stream = Stream(tmp_path)
    stream.write(record("a"), record("b"))
    whole = stream.path.stat().st_size
    stream.write(record("c"))
    data = stream.path.read_bytes()
    # Every byte around the end of a message; between, every eleventh.
    sizes = {*range(0, len(data), 11), *range(whole - 9, whole + 10)}
    for size in sorted(sizes | set(range(len(data) - 9, len(data) + 1))):
        stream.path.write_bytes(data[:size])
        ids = _ids(read_records(tmp_path))
        # Messages before `whole` are the schema and the first batch.
        expected = ["a", "b", "c"] if size == len(data) else ["a", "b"] if size >= whole else []
        assert ids == expected, size


def test_records_are_selected_by_time_arm_and_version(tmp_path):
    rows = [
        record("early", seconds=-1),
        record("first"),
        record("candidate", "candidate"),
        record("other", version=7),
        record("late", seconds=60),
    ]
    write_closed(tmp_path, [batch_of(rows)])
    selection = Selection(
        since=NOON, until=NOON + timedelta(minutes=1), arm="stable", versions={100}
    )
    assert _ids(read_records(tmp_path, selection, columns=["request_id"])) == ["first"]


def test_old_files_are_not_opened(tmp_path):
    write_closed(tmp_path, [batch_of([record("old")])], "old", NOON - timedelta(hours=5))
    write_closed(tmp_path, [batch_of([record("new")])], "new")
    assert [file.stem for file in record_files(tmp_path, since=NOON)] == ["new"]
    assert [file.stem for file in record_files(tmp_path)] == ["old", "new"]


def test_a_column_that_a_file_lacks_is_null(tmp_path):
    write_closed(tmp_path, [batch_of([record("a", pressure=1.0)], {"pressure": pa.float32()})], "a")
    write_closed(tmp_path, [batch_of([record("b")])], "b")
    columns = ["request_id", "pressure"]
    batches = list(read_records(tmp_path, columns=columns))
    assert [batch["pressure"].to_pylist() for batch in batches] == [[1.0], [None]]


def test_a_folder_without_records_has_none(tmp_path):
    assert list(read_records(tmp_path / "nothing")) == []
    assert _new_ids(_tail(tmp_path / "nothing")) == []


def test_a_tail_reads_each_record_once_while_the_stream_grows_and_closes(tmp_path):
    stream, tail = Stream(tmp_path), _tail(tmp_path)
    stream.write(record("a"))
    assert _new_ids(tail) == ["a"]
    assert _new_ids(tail) == []
    stream.write(record("b"), record("c"))
    assert _new_ids(tail) == ["b", "c"]
    stream.write(record("d"))
    stream.close()  # d was never read from the stream
    assert _new_ids(tail) == ["d"]
    assert _new_ids(tail) == []


@pytest.mark.parametrize("closed", [False, True])
def test_a_tail_goes_on_behind_the_positions_of_another(tmp_path, closed):
    stream, first = Stream(tmp_path), _tail(tmp_path)
    stream.write(record("a"))
    assert _new_ids(first) == ["a"]
    stream.write(record("b"), record("c"))
    if closed:
        stream.close()
    assert _new_ids(_tail(tmp_path, first.positions)) == ["b", "c"]


def test_a_stream_that_is_closed_but_not_yet_removed_is_read_once(tmp_path):
    stream = Stream(tmp_path)
    stream.write(record("a"))
    write_closed(tmp_path, [batch_of([record("a")])], stream.path.stem)
    assert _ids(read_records(tmp_path)) == ["a"]
    assert _new_ids(_tail(tmp_path)) == ["a"]


def test_a_stream_that_is_closed_after_the_files_were_listed_is_read_from_its_closed_file(tmp_path):
    stream = Stream(tmp_path)
    stream.write(record("a"), record("b"))
    [listed] = record_files(tmp_path)
    stream.close()
    assert _ids(read_file(listed, columns=["request_id"], skip=1)) == ["b"]
    assert read_file_schema(listed).names[0] == "request_id"


def test_positions_of_removed_files_are_forgotten(tmp_path):
    path = write_closed(tmp_path, [batch_of([record("a")])])
    tail = _tail(tmp_path)
    assert _new_ids(tail) == ["a"]
    assert tail.positions == {"stable-0": 1}
    path.unlink()
    assert _new_ids(tail) == []
    assert tail.positions == {}


def test_a_tail_forgets_past_hours_that_it_has_read(tmp_path):
    tail = _tail(tmp_path)
    for hours in range(8):
        hour = NOON + timedelta(hours=hours)
        write_closed(tmp_path, [batch_of([record(f"r{hours}")])], f"s{hours}", hour)
        assert _new_ids(tail) == [f"r{hours}"]
    # Files may still come to the last hours, for streams that were opened in them.
    assert list(tail.positions) == ["s3", "s4", "s5", "s6", "s7"]
    write_closed(tmp_path, [batch_of([record("late")])], "late", NOON + timedelta(hours=5))
    assert _new_ids(tail) == ["late"]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_damaged_file_is_named(tmp_path, share):
    path = write_closed(tmp_path, [batch_of([record("a"), record("b")])])
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    message = f"{path} cannot be read: .* Restore it from a backup"
    with pytest.raises(InputError, match=message):
        _ids(read_records(tmp_path))
    [file] = record_files(tmp_path)
    with pytest.raises(InputError, match=message):
        read_file_schema(file)


def test_a_damaged_page_is_named(tmp_path):
    rows = [record(f"request-{number}") for number in range(1000)]
    path = write_closed(tmp_path, [batch_of(rows)])
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)  # behind the magic bytes: the first pages
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path} cannot be read"):
        _ids(read_records(tmp_path))
