"""Reading JSON lines: batches, mixed values, and the line that is wrong."""

import gzip

import numpy as np
import pyarrow as pa
import pytest

from common.errors import InputError
from pipeline.prediction.files import input_files, json_lines
from pipeline.prediction.files.input_files import find_input_files
from pipeline.prediction.files.json_lines import read_json_lines


def write(path, text: str):
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_rows_have_the_columns_of_all_and_numbers_from_one(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"x": 1}\n\n{"y": [1.5, null], "x": NaN}\n')
    [raw] = read_json_lines(path)
    assert raw.rows.tolist() == [1, 2]
    assert raw.batch.schema.names == ["x", "y"]
    assert raw.batch.column("y").to_pylist() == [None, [1.5, None]]
    assert np.isnan(raw.batch.column("x").to_pylist()[1])


def test_values_of_several_kinds_are_text_as_in_csv(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"x": 1}\n{"x": "b"}\n{"x": null}\n{"x": true}\n')
    [raw] = read_json_lines(path)
    assert raw.batch.column("x").to_pylist() == [b"1", b"b", None, b"true"]
    assert raw.batch.column("x").type == pa.binary()


def test_text_that_looks_like_a_time_stays_text(tmp_path):
    [raw] = read_json_lines(write(tmp_path / "a.jsonl", '{"x": "2020-01-01"}\n'))
    assert raw.batch.column("x").to_pylist() == ["2020-01-01"]


def test_long_files_come_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "_BATCH_BYTES", 20)
    path = write(tmp_path / "a.jsonl", "".join(f'{{"x": {n}}}\n' for n in range(10)))
    batches = list(read_json_lines(path))
    assert len(batches) > 1
    assert [n for raw in batches for n in raw.rows] == list(range(1, 11))
    assert [x for raw in batches for x in raw.batch.column("x").to_pylist()] == list(range(10))


def test_gzip_and_chosen_columns(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"x": 1, "y": 2}\n'))
    [raw] = read_json_lines(str(path), columns=["y"])
    assert raw.batch.to_pydict() == {"y": [2]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"x": 1}\n{"x": \n', r"a.jsonl, line 2: not valid JSON"),
        ('{"x": 1}\n\n[1]\n', r"a.jsonl, line 3: expected an object .*found list"),
    ],
)
def test_a_line_that_is_no_row_is_named(text, words, tmp_path):
    with pytest.raises(InputError, match=words):
        list(read_json_lines(write(tmp_path / "a.jsonl", text)))


def test_files_folders_and_globs(tmp_path):
    for name in ("b.jsonl", "a.ndjson", ".hidden.jsonl", "notes.txt"):
        write(tmp_path / name, "{}")
    both = (str(tmp_path / "a.ndjson"), str(tmp_path / "b.jsonl"))
    assert find_input_files(str(tmp_path)).paths == both
    assert find_input_files(f"{tmp_path}/*.jsonl").paths == both[1:]
    write(tmp_path / "c.csv", "x\n1\n")
    with pytest.raises(InputError, match="several formats"):
        find_input_files(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent.csv", "No data found"),
        ("a.tfrecord", "is a TFRecord file"),
        ("a.docx", "Cannot infer the format"),
    ],
)
def test_what_is_not_read_is_said(name, words, tmp_path):
    if name != "absent.csv":
        write(tmp_path / name, "")
    with pytest.raises(InputError, match=words):
        find_input_files(str(tmp_path / name))


def test_a_url_is_not_read():
    with pytest.raises(InputError, match="is a URL"):
        find_input_files("s3://bucket/data.csv")


def test_a_folder_of_json_lines_is_listed_as_any_other(tmp_path):
    (tmp_path / "line [A]").mkdir()
    for name in ("a.JSONL", "b.ndjson", ".c.jsonl", "_d.jsonl"):
        write(tmp_path / "line [A]" / name, '{"x": 1}\n')
    paths = find_input_files(f"{tmp_path}/line [A]").paths
    assert paths == (f"{tmp_path}/line [A]/a.JSONL", f"{tmp_path}/line [A]/b.ndjson")


def test_partition_folders_are_columns_of_json_lines_too(tmp_path):
    (tmp_path / "site=north").mkdir()
    write(tmp_path / "site=north" / "a.jsonl", '{"x": 1}\n{"x": 2}\n')
    [piece] = input_files.plan_pieces(find_input_files(str(tmp_path)))
    assert input_files.read_schema(piece).names == ["x", "site"]
    [raw] = input_files.read_piece(piece, columns=["site", "x"])
    assert raw.batch.to_pydict() == {"site": [b"north"] * 2, "x": [1, 2]}
