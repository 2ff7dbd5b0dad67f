import pytest

from pipeline.components.arrow_example_gen.locations import Source, check_source, resolve_source
from pipeline.config import Data
from pipeline.errors import InputError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("a.csv", "b.csv", "README.md"):
        (tmp_path / "data" / name).write_text("y\n1\n")
    for span in (1, 2, 10):
        (tmp_path / f"span-{span:02d}").mkdir()
        (tmp_path / f"span-{span:02d}" / "x.parquet").write_bytes(b"")
    return tmp_path


def resolve(folder, path, **data: object):
    return resolve_source(path, folder=folder, data=Data(path=path, **data))


@pytest.mark.parametrize(
    ("path", "base", "patterns"),
    [
        ("data/a.csv", "data", {"data": "a.csv"}),
        ("span-01/../data/a.csv", "data", {"data": "a.csv"}),
        ("span-01/../data", "data", {"csv": "*.csv"}),
        ("data/*.csv", "data", {"data": "*.csv"}),
        ("data", "data", {"csv": "*.csv"}),
        ("d*/a.csv", "", {"data": "d*/a.csv"}),
        ("span-{SPAN}/*.parquet", "", {"data": "span-{SPAN}/*.parquet"}),
        ("logs/{DATE}/*", "logs", {"data": "{YYYY}-{MM}-{DD}/*"}),
    ],
)
def test_a_path_becomes_a_base_folder_and_patterns(folder, path, base, patterns):
    source = resolve(folder, path)
    assert source == Source(base=str(folder / base).rstrip("/"), patterns=patterns)


def test_an_absolute_path_and_a_url_stay(folder):
    assert resolve(folder, f"{folder}/data/a.csv").base == f"{folder}/data"
    assert resolve(folder, "gs://bucket/x/*.csv") == Source(
        base="gs://bucket/x", patterns={"data": "*.csv"}
    )


def test_a_folder_with_two_suffixes_has_a_pattern_for_each(folder):
    (folder / "data" / "c.csv.gz").write_bytes(b"")
    assert resolve(folder, "data").patterns == {"csv": "*.csv", "csv_gz": "*.csv.gz"}


def test_one_span_is_left_to_the_driver(folder):
    assert resolve(folder, "span-{SPAN:2}/*.parquet").span is None
    assert resolve(folder, "span-{SPAN:2}/*.parquet", first_span=2, last_span=2).span == 2


@pytest.mark.parametrize(
    ("first", "last", "spans"), [(1, 2, (1, 2)), (2, None, (2, 10)), (0, 99, (1, 2, 10))]
)
def test_several_spans_have_a_pattern_each(folder, first, last, spans):
    source = resolve(folder, "span-{SPAN:2}/*.parquet", first_span=first, last_span=last)
    assert source.spans == spans
    assert source.patterns == {f"span_{s}": f"span-{s:02d}/*.parquet" for s in spans}


def test_spans_that_are_not_there_and_spans_without_a_place_are_errors(folder):
    with pytest.raises(InputError, match="No span from 3 to 4"):
        resolve(folder, "span-{SPAN:2}/*.parquet", first_span=3, last_span=4)
    with pytest.raises(InputError, match=r"need \{SPAN\}"):
        resolve(folder, "data/a.csv", first_span=3)


def test_a_folder_without_data_is_an_error(folder):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="No data found in the folder"):
        resolve(folder, "empty")


@pytest.mark.parametrize("path", ["data/none.csv", "none/*.csv", "none", "day-{DATE}/*.csv"])
def test_a_path_that_matches_nothing_is_named(folder, path):
    source = resolve(folder, path)
    with pytest.raises(InputError, match="No data found at"):
        check_source(source, path=path)


def test_the_place_that_was_looked_at_is_shown_without_detours(folder):
    path = "data/../none/x.csv"
    with pytest.raises(InputError) as caught:
        check_source(resolve(folder, path), path=path)
    assert f"at {path} (looked for {folder}/none/x.csv)" in str(caught.value)


@pytest.mark.parametrize("path", ["data", "data/*.csv", "span-{SPAN:2}/*.parquet"])
def test_a_path_that_matches_passes(folder, path):
    check_source(resolve(folder, path), path=path)


def test_a_span_that_is_not_there_is_an_error(folder):
    source = resolve(folder, "span-{SPAN:2}/*.parquet", first_span=3, last_span=3)
    with pytest.raises(InputError, match="No data found"):
        check_source(source, path="span-{SPAN:2}/*.parquet")
