"""Whole ingestions of small data through Beam's runner in this process."""

import json
from collections import Counter

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from common.errors import InputError
from common.example_files import BLOCK_COLUMN, read_batches, read_examples, split_files
from pipeline.column_format import ColumnFormat, CsvLayout
from pipeline.components.arrow_example_gen.ingest import ingest
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
from tests.example_files import read_split
from tests.pipeline.reading.specs import spec

pytestmark = pytest.mark.e2e

SPLITS = ("train", "eval", "test")


def make_pipeline():
    return beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGS)))


def run(tmp_path, files, name="out", **changes: object):
    return ingest(
        [str(file) for file in files],
        spec(**changes),
        uri=str(tmp_path / name),
        reports_dir=str(tmp_path / "reports"),
        make_pipeline=make_pipeline,
    )


def write_csv(path, rows, header="a,y"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def good_rows(num=200, start=0):
    """Rows of which each fifth is positive."""
    return [f"{i},{int(i % 5 == 0)}" for i in range(start, start + num)]


def values_of(record, name):
    feature = tf.train.Example.FromString(record).features.feature[name]
    kind = feature.WhichOneof("kind")
    return None if kind is None else list(getattr(feature, kind).value)


def test_200_rows_are_dealt_exactly_whatever_their_order_and_files(tmp_path):
    rows = good_rows()
    whole = run(tmp_path, [write_csv(tmp_path / "a.csv", rows)], name="whole")
    assert whole.rows == {"train": 150, "eval": 30, "test": 20}
    assert whole.positives == {"train": 30, "eval": 6, "test": 4}

    parts = [write_csv(tmp_path / f"part{i}.csv", list(reversed(rows[i::3]))) for i in range(3)]
    run(tmp_path, parts, name="parts")
    for split in SPLITS:
        expected = Counter(read_split(tmp_path / "whole", split))
        assert Counter(read_split(tmp_path / "parts", split)) == expected
    assert not (tmp_path / "whole" / ".staged").exists()


def test_the_same_data_gives_the_same_bytes(tmp_path):
    file = write_csv(tmp_path / "a.csv", good_rows())
    for name in ("first", "second"):
        run(tmp_path, [file], name=name)
    for split in SPLITS:
        [first] = (tmp_path / "first" / f"Split-{split}").iterdir()
        [second] = (tmp_path / "second" / f"Split-{split}").iterdir()
        assert first.read_bytes() == second.read_bytes()


def test_csv_parquet_and_tfrecord_of_the_same_rows_give_the_same_examples(tmp_path):
    rows = [f"{i},{i / 4},{'' if i % 7 == 0 else f'n{i}'},{int(i % 5 == 0)}" for i in range(60)]
    text = write_csv(tmp_path / "a.csv", rows, header="a,b,c,y")
    table = pa.table(
        {
            "a": list(range(60)),
            "b": [i / 4 for i in range(60)],
            "c": [None if i % 7 == 0 else f"n{i}" for i in range(60)],
            "y": [i % 5 == 0 for i in range(60)],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=20)
    run(tmp_path, [text], name="csv")
    run(tmp_path, [tmp_path / "a.parquet"], name="parquet")
    records = sorted((tmp_path / "csv").glob("Split-*/*"))
    run(tmp_path, records, name="tfrecord", format="tfrecord")
    for split in SPLITS:
        expected = Counter(read_split(tmp_path / "csv", split))
        assert Counter(read_split(tmp_path / "parquet", split)) == expected
        assert Counter(read_split(tmp_path / "tfrecord", split)) == expected


def test_signals_keep_their_samples_and_gaps(tmp_path):
    table = pa.table(
        {"s": [[float(i), None, 2.0] for i in range(30)], "y": [int(i % 3 == 0) for i in range(30)]}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    run(tmp_path, [tmp_path / "a.parquet"], signals={"s": 3}, required=("y", "s"))
    samples = values_of(read_split(tmp_path / "out", "train")[0], "s")
    assert samples[0] == int(samples[0])
    assert samples[1] != samples[1]  # not a number
    assert samples[2] == 2.0


def test_bad_rows_within_the_limit_go_to_quarantine(tmp_path):
    rows = good_rows()
    rows[3:3] = ["7", "x,0", "8,", "9, "]  # lines 5, 6, 7 and 8
    file = write_csv(tmp_path / "a.csv", rows)
    measured = {"numbers": ("a",), "needed": ("a", "y")}
    summary = run(tmp_path, [file], max_bad_rows=2, **measured)
    assert (summary.num_rows, summary.num_bad_rows, summary.num_unlabelled) == (200, 2, 2)
    lines = (tmp_path / "out" / "quarantine" / "bad_rows.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert [(bad["line"], bad["column"], bad["text"]) for bad in found] == [
        (5, "", "7"),
        (6, "a", "x,0"),
    ]


def test_rows_without_a_label_are_written_beside_the_splits(tmp_path):
    rows = [*good_rows(), "7,", "8, ", ","]  # the last one is an empty line of a spreadsheet
    summary = run(tmp_path, [write_csv(tmp_path / "a.csv", rows)])
    assert (summary.num_rows, summary.num_bad_rows, summary.num_unlabelled) == (200, 0, 3)
    records = read_split(tmp_path / "out", "unlabelled")
    assert [values_of(record, "a") for record in records] == [[7], [8]]
    assert not any("y" in tf.train.Example.FromString(r).features.feature for r in records)
    assert not (tmp_path / "out" / "quarantine").exists()


@pytest.mark.parametrize("drop", [True, False])
def test_repeated_rows_are_counted_with_the_positives_that_there_were_before(tmp_path, drop):
    # 200 rows, 40 positive; a tenth of the negatives and all positives come twice.
    repeated = [row for i, row in enumerate(good_rows()) if i % 5 == 0 or i % 10 == 1]
    file = write_csv(tmp_path / "a.csv", good_rows() + repeated)
    summary = run(tmp_path, [file], drop_duplicates=drop)
    assert summary.num_positives_read == 80
    assert sum(summary.positives.values()) == (40 if drop else 80)
    assert summary.num_duplicates == (60 if drop else 0)


def test_without_such_rows_there_is_no_such_folder(tmp_path):
    run(tmp_path, [write_csv(tmp_path / "a.csv", good_rows())])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"Split-{split}" for split in SPLITS
    }


def test_more_bad_rows_than_allowed_stop_the_run_and_are_kept(tmp_path):
    rows = [*good_rows(), "7", "x,0"]
    file = write_csv(tmp_path / "a.csv", rows)
    with pytest.raises(InputError, match="2 rows cannot be read") as caught:
        run(tmp_path, [file], max_bad_rows=1, numbers=("a",), needed=("a", "y"))
    assert "line 202: has 1 fields, the header has 2" in str(caught.value)
    assert "line 203, column `a`: `x` found, expected a number" in str(caught.value)
    kept = tmp_path / "reports" / "bad_rows.jsonl"
    assert str(kept) in str(caught.value)
    assert len(kept.read_text().splitlines()) == 2


def test_duplicates_are_dropped_across_files_where_asked_for(tmp_path):
    files = [write_csv(tmp_path / f"{i}.csv", good_rows(100, start=50 * i)) for i in range(3)]
    # 0..99, 50..149, 100..199: 200 distinct rows of 300.
    assert run(tmp_path, files, name="kept").num_rows == 300
    summary = run(tmp_path, files, name="dropped", drop_duplicates=True)
    assert (summary.num_rows, summary.num_duplicates) == (200, 100)
    assert summary.rows == {"train": 150, "eval": 30, "test": 20}


def test_groups_stay_on_one_side(tmp_path):
    rows = [f"{i},g{i % 20},{int(i % 20 < 6 and i % 3 == 0)}" for i in range(400)]
    run(
        tmp_path,
        [write_csv(tmp_path / "a.csv", rows, header="a,g,y")],
        strategy="group",
        split_column="g",
    )
    groups = [
        {values_of(record, "g")[0] for record in read_split(tmp_path / "out", split)}
        for split in SPLITS
    ]
    assert all(groups)
    assert len(set.union(*groups)) == sum(len(group) for group in groups)


def two_speakers(tmp_path):
    """180 rows of `ann` and 120 of `bob`, of which each tenth is positive."""
    names = ["ann"] * 180 + ["bob"] * 120
    rows = [f"{i},{int(i % 10 == 0)},{name}" for i, name in enumerate(names)]
    return write_csv(tmp_path / "a.csv", rows, header="a,y,g")


def test_of_two_groups_one_is_test_and_the_other_is_dealt_exactly_by_class(tmp_path):
    summary = run(
        tmp_path,
        [two_speakers(tmp_path)],
        strategy="group",
        split_column="g",
        eval_within_groups=True,
    )
    # Eval gets 0.15 / 0.9 of 180 rows, and of their 18 positives.
    assert summary.rows == {"train": 150, "eval": 30, "test": 120}
    assert summary.positives == {"train": 15, "eval": 3, "test": 12}
    groups = {
        split: {values_of(r, "g")[0] for r in read_split(tmp_path / "out", split)}
        for split in SPLITS
    }
    assert groups == {"train": {b"ann"}, "eval": {b"ann"}, "test": {b"bob"}}
    assert "test has 1 of the 2 values of `g`" in summary.remarks[0]


def test_two_groups_need_the_option(tmp_path):
    with pytest.raises(InputError, match=r"set split.eval_within_groups"):
        run(tmp_path, [two_speakers(tmp_path)], strategy="group", split_column="g")


def test_one_group_is_too_few_for_eval_within_groups(tmp_path):
    rows = [f"{i},{int(i % 10 == 0)},ann" for i in range(100)]
    file = write_csv(tmp_path / "a.csv", rows, header="a,y,g")
    with pytest.raises(InputError, match=r"1 of the 1 values of `g`.*at least 2 needed"):
        run(tmp_path, [file], strategy="group", split_column="g", eval_within_groups=True)


def test_time_trains_on_the_past_alone(tmp_path):
    rows = [f"2026-01-{1 + i % 28:02d},{int(i % 2)}" for i in range(280)]
    run(
        tmp_path,
        [write_csv(tmp_path / "a.csv", rows, header="t,y")],
        strategy="time",
        split_column="t",
        times=("t",),
    )
    times = [
        [values_of(record, "t")[0] for record in read_split(tmp_path / "out", split)]
        for split in SPLITS
    ]
    assert max(times[0]) < min(times[1])
    assert max(times[1]) < min(times[2])


def test_milliseconds_of_csv_and_parquet_become_the_same_seconds(tmp_path):
    stamps = [1_769_860_800_999 + 1_000 * i for i in range(60)]
    rows = [f"{stamp},{i % 2}" for i, stamp in enumerate(stamps)]
    text = write_csv(tmp_path / "a.csv", rows, header="t,y")
    table = pa.table({"t": stamps, "y": [i % 2 for i in range(60)]})
    pq.write_table(table, tmp_path / "a.parquet")
    milliseconds = {"t": ColumnFormat(type="time", unit="ms")}
    by_time = {"strategy": "time", "split_column": "t", "times": ("t",), "columns": milliseconds}
    for name, file in (("csv", text), ("parquet", tmp_path / "a.parquet")):
        run(tmp_path, [file], name=name, **by_time)
        times = [values_of(r, "t")[0] for s in SPLITS for r in read_split(tmp_path / name, s)]
        assert times == [1_769_860_800 + i for i in range(60)]


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        ("", {}, "is empty"),
        ("a,y\n", {}, "a header, but no rows"),
        ("a,label\n1,0\n", {}, "label column `y` is not in .*a.csv"),
        ("a,y\n1,0\n2,0\n", {}, "one class only: 0 positive and 2 negative.*`0` .2 rows"),
        (
            "a,y\n1,1\n2,1\n3,0\n4,0\n5,0\n",
            {"in_window": False},
            "2 positive and 3 negative rows found, at least 3",
        ),
        ("a,y\n1\n", {}, "1 row cannot be read"),
        ("a,y\n1\n", {"max_bad_rows": 5}, "No row of .* can be read; it has 1 row"),
        ("a,y\n1,\n2,\n", {}, "No row of .* has a value in the label column `y`: 2 rows"),
        (
            "a,y\n" + "g,1\n" * 5 + "h,0\n" * 5,
            {"strategy": "group", "split_column": "a"},
            "1 of the 2 values of `a` have a positive row, at least 3 needed",
        ),
        (
            "a,y\n" + "1700000000,1\n1700000001,0\n" * 5,
            {"strategy": "time", "split_column": "a", "times": ("a",)},
            "cannot give each of train, eval and test",
        ),
        (
            "a,y\n" + "1700000000123,1\n1700000001123,0\n" * 5,
            {"strategy": "time", "split_column": "a", "times": ("a",)},
            "data.columns.a: .*`unit: ms` .reads 10",
        ),
        (
            "a,y\n" + "1,1\n2,0\n" * 5,
            {"strategy": "time", "split_column": "a", "times": ("a",)},
            "data.columns.a: .*elapsed: true",
        ),
        (
            "a,y\n" + "1,0\n" * 30 + "1,1\n" * 10,
            {"strategy": "blocks", "block_rows": 10},
            "1 of the 4 blocks of 10 rows have a positive row, at least 3 needed.*Lower "
            "split.block_rows",
        ),
        (
            "a,y\n" + "1,1\n" * 12 + "2,0\n" * 3,
            {"strategy": "blocks", "block_rows": 4},
            "`blocks` cannot give each of train, eval and test",
        ),
    ],
)
def test_data_that_cannot_be_used_is_refused_with_the_reason(tmp_path, content, changes, message):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=f"(?s){message}"):
        run(tmp_path, [path], **changes)


def test_the_first_of_several_files_that_fails_is_named(tmp_path):
    files = [write_csv(tmp_path / "a.csv", good_rows())]
    files += [write_csv(tmp_path / f"{name}.csv", ["1,0"], header="a,z") for name in "bc"]
    with pytest.raises(InputError, match=r"`y` is not in .*/b\.csv"):
        run(tmp_path, files)


def test_a_later_file_in_another_encoding_or_with_another_delimiter_is_refused(tmp_path):
    first = write_csv(tmp_path / "a.csv", good_rows())
    second = write_csv(tmp_path / "b.csv", ["1,0,300"], header="a,y,Température")
    layout = CsvLayout(encoding="cp1252", delimiter=",")
    with pytest.raises(InputError, match=r"b\.csv is UTF-8, and `data.encoding` is cp1252"):
        run(tmp_path, [first, second], layout=layout, required=("y", "Température"))
    second.write_text("a;y\n1;0\n")
    with pytest.raises(InputError, match=r"b\.csv is a single cell .* `y` if .* ';'"):
        run(tmp_path, [first, second], layout=layout)


def test_a_feature_may_be_missing_in_some_of_the_files_and_that_is_said(tmp_path):
    later = [f"{row},0.5" for row in good_rows(40, start=60)]
    files = [
        write_csv(tmp_path / "a.csv", good_rows(60)),
        write_csv(tmp_path / "b.csv", later, header="a,y,humidity"),
    ]
    summary = run(tmp_path, files, required=("y", "a", "humidity"), numbers=("humidity",))
    assert summary.num_rows == 100
    [sentence] = summary.remarks
    assert sentence.startswith("column `humidity` is missing in 1 of 2 files (")
    records = [record for split in SPLITS for record in read_split(tmp_path / "out", split)]
    humidity = Counter(str(values_of(record, "humidity")) for record in records)
    assert humidity == {"[]": 60, "[0.5]": 40}


def test_a_file_that_spells_a_feature_differently_is_refused(tmp_path):
    files = [
        write_csv(tmp_path / "a.csv", good_rows(60)),
        write_csv(tmp_path / "b.csv", good_rows(40, start=60), header="A,y"),
    ]
    with pytest.raises(InputError, match=r"b\.csv has the column `A` instead of `a`"):
        run(tmp_path, files, required=("y", "a"))
    # Where `A` is a column of its own, `a` may be missing in a file.
    files[0] = write_csv(tmp_path / "a.csv", [f"{row},1" for row in good_rows(60)], "a,y,A")
    assert run(tmp_path, files, required=("y", "a", "A")).num_rows == 100


def test_values_of_an_unused_column_that_do_not_fit_are_missing_and_that_is_said(tmp_path):
    rows = [f"{'A-' if i > 150 else ''}{i},{int(i % 5 == 0)}" for i in range(200)]
    summary = run(tmp_path, [write_csv(tmp_path / "a.csv", rows)], types={"a": "int"})
    assert (summary.num_rows, summary.num_bad_rows) == (200, 0)
    assert summary.remarks == (
        "column `a`, which nothing uses: 49 values do not fit and count as missing",
    )


def test_a_feature_that_no_file_has_is_an_error(tmp_path):
    files = [write_csv(tmp_path / f"{name}.csv", good_rows()) for name in "ab"]
    with pytest.raises(InputError, match="column `b` is not in any of the 2 files"):
        run(tmp_path, files, required=("y", "b"))


def run_of(record):
    return values_of(record, "a")[0] // 20


def test_blocks_keep_runs_whole_in_every_format_and_however_parquet_is_stored(tmp_path):
    # Runs of 20 rows, every fourth positive; blocks of 40 rows hold runs whole.
    rows = [f"{i},{int(i // 20 % 4 == 0)}" for i in range(1200)]
    table = pa.table({"a": range(1200), "y": [i // 20 % 4 == 0 for i in range(1200)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=7)
    blocks = {"strategy": "blocks", "block_rows": 40}
    summary = run(tmp_path, [write_csv(tmp_path / "a.csv", rows)], name="csv", **blocks)
    assert all(summary.positives.values())
    dealt = [{run_of(record) for record in read_split(tmp_path / "csv", s)} for s in SPLITS]
    assert sum(len(runs) for runs in dealt) == len(set.union(*dealt)) == 60
    # 15 blocks hold a positive run: the nearest to 75/15/10 are 11, 2 and 2.
    assert list(summary.positives.values()) == [220, 40, 40]

    run(tmp_path, [tmp_path / "a.parquet"], name="parquet", **blocks)
    for split in SPLITS:
        expected = Counter(read_split(tmp_path / "csv", split))
        assert Counter(read_split(tmp_path / "parquet", split)) == expected


def test_each_example_holds_its_block_and_no_other_reader_sees_it(tmp_path):
    rows = [f"{i},{int(i // 20 % 4 == 0)}" for i in range(1200)]
    run(tmp_path, [write_csv(tmp_path / "a.csv", rows)], strategy="blocks", block_rows=40)
    blocks = {}
    for split in SPLITS:
        files = split_files(str(tmp_path / "out"), split)
        for _, batch in read_examples(*files, with_block=True):
            numbers, keys = (batch.column(n).flatten().to_pylist() for n in ("a", BLOCK_COLUMN))
            blocks |= dict(zip(numbers, keys, strict=True))
        assert all(batch.schema.names == ["a", "y"] for batch in read_batches(*files))
    assert len(blocks) == 1200
    assert len(set(blocks.values())) == 30
    whole = [{blocks[row] for row in range(start, start + 20)} for start in range(0, 1200, 20)]
    assert all(len(found) == 1 for found in whole)


def test_a_column_with_the_name_of_the_blocks_is_refused(tmp_path):
    path = write_csv(tmp_path / "a.csv", ["1,0", "2,1"], header=f"{BLOCK_COLUMN},y")
    with pytest.raises(InputError, match=f"column `{BLOCK_COLUMN}` of .* Rename or remove it"):
        run(tmp_path, [path])


def test_blocks_end_at_a_file_and_follow_the_rows_order(tmp_path):
    rows = [f"{i},{int(i // 20 % 4 == 0)}" for i in range(1200)]
    files = [write_csv(tmp_path / f"{i}.csv", rows[600 * i : 600 * (i + 1)]) for i in range(2)]
    blocks = {"strategy": "blocks", "block_rows": 40}
    run(tmp_path, files, name="files", **blocks)
    dealt = [{run_of(record) for record in read_split(tmp_path / "files", s)} for s in SPLITS]
    assert sum(len(runs) for runs in dealt) == 60
    # In another order other rows are neighbours: here rows 0, 600, 1, 601 and so on.
    mixed = [row for pair in zip(rows[:600], rows[600:], strict=True) for row in pair]
    run(tmp_path, [write_csv(tmp_path / "mixed.csv", mixed)], name="mixed", **blocks)
    expected = Counter(read_split(tmp_path / "files", "train"))
    assert Counter(read_split(tmp_path / "mixed", "train")) != expected
