import functools

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import InputError
from pipeline.reading.files import sources
from pipeline.reading.files.pieces import Piece


def write_parquet(path, num_rows=6, **options: object):
    pq.write_table(pa.table({"a": list(range(num_rows))}), path, **options)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.csv", "csv"), ("A.CSV.GZ", "csv"), ("a.pq", "parquet"), ("a.tfrecord.gz", "tfrecord")],
)
def test_the_suffix_tells_the_format(name, expected):
    assert sources.common_format([name]) == expected


def test_an_unknown_suffix_is_an_error_unless_the_format_is_declared():
    with pytest.raises(InputError, match=r"format of a\.dat"):
        sources.common_format(["a.dat"])
    assert sources.common_format(["a.dat"], "csv") == "csv"


def test_files_of_two_formats_are_an_error():
    with pytest.raises(InputError, match=r"csv \(a.csv\), parquet \(b.parquet\)"):
        sources.common_format(["a.csv", "b.parquet"])


def test_row_numbers_run_on_over_row_groups(tmp_path):
    path = tmp_path / "a.parquet"
    write_parquet(path, row_group_size=2)
    piece = Piece(index=1, path=str(path), format="parquet", row_groups=(2,), first_row=4)
    [raw] = sources.read_piece(piece)
    assert raw.batch.to_pydict() == {"a": [4, 5]}
    assert list(raw.rows) == [5, 6]


def test_small_row_groups_are_one_piece_and_a_file_without_rows_is_one_too(tmp_path):
    write_parquet(tmp_path / "a.parquet", row_group_size=2)
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "b.parquet")
    pieces = sources.plan_pieces([f"{tmp_path}/a.parquet", f"{tmp_path}/b.parquet"], "parquet")
    assert [(p.index, p.row_groups) for p in pieces] == [(0, (0, 1, 2)), (1, (0,))]
    assert sum(raw.batch.num_rows for raw in sources.read_piece(pieces[1])) == 0


def test_a_large_parquet_file_is_cut_into_pieces_unless_whole_files_are_asked_for(
    tmp_path, monkeypatch
):
    cut = functools.partial(sources._row_group_stretches, target_bytes=1)
    monkeypatch.setattr(sources, "_row_group_stretches", cut)
    paths = [str(tmp_path / name) for name in ("a.parquet", "b.parquet")]
    for path in paths:
        write_parquet(path, row_group_size=2)
    pieces = sources.plan_pieces(paths, "parquet")
    assert [(p.index, p.file, p.row_groups) for p in pieces[2:4]] == [(2, 0, (2,)), (3, 1, (0,))]
    whole = sources.plan_pieces(paths, "parquet", whole_files=True)
    assert [(p.index, p.file, p.path) for p in whole] == [(0, 0, paths[0]), (1, 1, paths[1])]


def test_a_truncated_parquet_file_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"a\.parquet is not a readable Parquet file"):
        sources.plan_pieces([str(path)], "parquet")


@pytest.mark.parametrize(("names", "shown"), [(["t", "t"], "'t'"), (["t", "t "], "'t '")])
def test_two_parquet_columns_of_one_name_are_an_error(tmp_path, names, shown):
    path = tmp_path / "joined.parquet"
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=names), path)
    [piece] = sources.plan_pieces([str(path)], "parquet")
    message = rf"joined\.parquet contains `t` more than once \(column 1 't', column 2 {shown}\)"
    with pytest.raises(InputError, match=message):
        sources.read_schema(piece)
    with pytest.raises(InputError, match=message):
        list(sources.read_piece(piece))


def test_parquet_names_are_trimmed_also_where_columns_are_asked_for(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({" a\u00a0": [1], "b.c ": [2], "s": [{"x": 1}]}), path)
    [piece] = sources.plan_pieces([str(path)], "parquet")
    assert sources.read_schema(piece).names == ["a", "b.c", "s"]
    [raw] = sources.read_piece(piece)
    assert raw.batch.to_pylist() == [{"a": 1, "b.c": 2, "s": {"x": 1}}]
    [asked] = sources.read_piece(piece, columns=["b.c"])
    assert asked.batch.to_pylist() == [{"b.c": 2}]


@pytest.mark.parametrize(
    ("name", "advice"),
    [("a.zip", "Unpack"), ("a.json", r"named `\.jsonl`"), ("a.db", "sqlite:///PATH")],
)
def test_a_suffix_that_is_not_read_has_advice_of_its_own(name, advice):
    with pytest.raises(InputError, match=advice):
        sources.common_format([name])
