import pytest

from common.errors import InputError
from pipeline.config import Data
from pipeline.reading.files.locations import (
    Source,
    check_source,
    new_span_pattern,
    resolve_source,
)


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
    ("options", "window"),
    [
        ({"first_span": 1, "last_span": 2}, (1, 2)),
        ({"first_span": 2}, (2, 10)),
        ({"first_span": 0, "last_span": 99}, (1, 2, 10)),
        ({"window": 2}, (2, 10)),
        ({"window": 30}, (1, 2, 10)),
        ({"window": 2, "last_span": 9}, (1, 2)),
        ({"window": 3, "first_span": 2}, (2, 10)),
    ],
)
def test_a_window_is_the_latest_spans_within_the_bounds(folder, options, window):
    source = resolve(folder, "span-{SPAN:2}/*.parquet", **options)
    assert (source.window, source.span) == (window, window[-1])
    assert source.patterns == {"data": "span-{SPAN:2}/*.parquet"}


@pytest.mark.parametrize("options", [{}, {"window": 1}, {"first_span": 2, "last_span": 2}])
def test_one_span_alone_is_no_window(folder, options):
    assert resolve(folder, "span-{SPAN:2}/*.parquet", **options).window == ()


def test_dates_are_spans_and_of_versions_each_span_counts_once(tmp_path):
    for day in ("1970-01-03/v1", "1970-01-03/v2", "1970-02-01/v1", "1970-13-01/v1", "x/v1"):
        (tmp_path / day).mkdir(parents=True)
        (tmp_path / day / "a.csv").write_text("y\n1\n")
    source = resolve(tmp_path, "{DATE}/v{VERSION}/*.csv", window=5)
    # Days since 1970-01-01; a thirteenth month is no date.
    assert source.window == (2, 31)
    check_source(source, path="{DATE}/v{VERSION}/*.csv")


def test_a_span_that_a_path_names_twice_is_the_same_in_both_places(tmp_path):
    for name in ("1/a-1.csv", "2/a-1.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("y\n1\n")
    assert resolve(tmp_path, "{SPAN}/a-{SPAN}.csv", window=5).window == (1,)


@pytest.mark.parametrize("bound", ["first_span", "last_span"])
def test_a_bound_that_is_written_as_a_date_is_an_error(tmp_path, bound):
    (tmp_path / "2026-04-02.csv").write_text("x\n1\n")
    # 56 years with 14 leap days, then January to March 2026 and a day: 20454 + 91.
    with pytest.raises(InputError, match=rf"data.{bound} is 20260402.*2026-04-02 is 20545"):
        resolve(tmp_path, "{DATE}.csv", **{bound: 20260402})


def test_spans_that_are_not_there_and_spans_without_a_place_are_errors(folder):
    with pytest.raises(InputError, match="No span from 3 to 4"):
        resolve(folder, "span-{SPAN:2}/*.parquet", first_span=3, last_span=4)
    with pytest.raises(InputError, match=r"need \{SPAN\}"):
        resolve(folder, "data/a.csv", first_span=3)
    with pytest.raises(InputError, match=r"need \{SPAN\}"):
        resolve(folder, "data/a.csv", window=3)


def test_a_folder_without_data_is_an_error(folder):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=r"No data found at .*empty.*It is empty"):
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


@pytest.mark.parametrize(
    ("files", "pattern", "span", "filled"),
    [
        (["9.csv", "10.csv"], "{SPAN}.csv", 11, "11.csv"),
        (["s08/a.csv"], "s{SPAN}/*.csv", 9, "s09/*.csv"),
        (["1-v02.csv"], "{SPAN}-v{VERSION}.csv", 2, "2-v01.csv"),
        (["2026-11-26.csv"], "{YYYY}-{MM}-{DD}.csv", 20_785, "2026-11-28.csv"),
    ],
)
def test_a_new_span_is_written_as_the_latest_is(folder, files, pattern, span, filled):
    for file in files:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text("a\n1\n")
    assert new_span_pattern(str(folder), pattern, span) == filled


def test_a_new_span_needs_an_earlier_one(folder):
    with pytest.raises(InputError, match="No span found"):
        new_span_pattern(str(folder), "new-{SPAN}.csv", 1)
