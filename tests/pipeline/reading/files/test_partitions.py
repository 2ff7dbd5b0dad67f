import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import InputError
from pipeline.reading.files import sources
from pipeline.reading.files.listing import list_files, partition_of


def write(tmp_path, name, suffix, column="a"):
    path = tmp_path / name / f"part-0{suffix}"
    path.parent.mkdir(parents=True)
    if suffix == ".csv":
        path.write_text(f"{column},b\n1,2\n")
    else:
        pq.write_table(pa.table({column: [1], "b": [2]}), path)


def plan(tmp_path):
    files = list_files(str(tmp_path))
    return sources.plan_pieces(files, sources.common_format(files))


@pytest.mark.parametrize(("suffix", "kind"), [(".csv", bytes), (".parquet", str)])
def test_the_folders_are_text_columns(tmp_path, suffix, kind):
    write(tmp_path, "plant=7/site=north%20west", suffix)
    write(tmp_path, "plant=7/site=__HIVE_DEFAULT_PARTITION__", suffix)
    rows = []
    for piece in plan(tmp_path):
        assert sources.read_schema(piece).names == ["a", "b", "plant", "site"]
        [raw] = sources.read_piece(piece)
        assert raw.batch.schema.names == ["a", "b", "plant", "site"]
        rows += raw.batch.select(["plant", "site"]).to_pylist()
    texts = [{n: v if v is None or kind is str else v.decode() for n, v in r.items()} for r in rows]
    assert texts == [{"plant": "7", "site": None}, {"plant": "7", "site": "north west"}]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("columns", [["site"], ["site", "b"], ["a"]])
def test_asked_columns_come_in_their_order_from_file_and_folders(tmp_path, suffix, columns):
    write(tmp_path, "site=north", suffix)
    [raw] = sources.read_piece(plan(tmp_path)[0], columns=columns)
    assert raw.batch.schema.names == columns
    assert raw.batch.num_rows == 1


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_column_in_the_file_and_in_its_folders_is_an_error(tmp_path, suffix):
    write(tmp_path, "site=north", suffix, column="site")
    [piece] = plan(tmp_path)
    with pytest.raises(InputError, match=r"has a column `site`, and its folder `site=north`"):
        sources.read_schema(piece)
    with pytest.raises(InputError, match=r"has a column `site`, and its folder `site=north`"):
        list(sources.read_piece(piece))


def test_files_with_different_partition_columns_are_an_error(tmp_path):
    write(tmp_path, "site=north", ".csv")
    write(tmp_path, "line=3", ".csv")
    with pytest.raises(InputError, match=r"`line`, .*site=north/part-0\.csv has `site`"):
        plan(tmp_path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a=1/b/c.csv", ()),
        ("/x/a=1=2/c.csv", (("a", "1=2"),)),
        ("/x/a=/c=1.csv", (("a", ""),)),
        ("/x/=1/c.csv", ()),
        ("gs://bucket/a%3D=%C3%A4/c.csv", (("a=", "ä"),)),
    ],
)
def test_only_the_folders_directly_above_the_file_count(path, expected):
    assert partition_of(path) == expected
