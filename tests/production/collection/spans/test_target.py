"""A new span goes beside the earlier ones, under the next number or date."""

from datetime import date

import pytest

from common.errors import InputError
from pipeline.config_loading import load_config
from production.collection.spans.target import find_target

TODAY = date(2026, 11, 27)


def _config(folder, data):
    path = folder / "pump.yaml"
    path.write_text(
        "name: pump\nlabel: {column: failed}\nfeatures: {pressure: {kind: numeric}}\n"
        f"data: {{{data}}}\n"
    )
    return load_config(path)


def _target(folder, data, *files, span=None):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("failed,pressure\n0,1\n")
    return find_target(_config(folder, data), span, today=TODAY)


@pytest.mark.parametrize(
    ("pattern", "file", "new", "span"),
    [
        ("span-{SPAN}/*.csv", "span-9/wells.csv", "span-10/collected.csv", 10),
        ("{SPAN}.parquet", "007.parquet", "008.parquet", 8),
        ("{SPAN:3}.csv", "099.csv", "100.csv", 100),
        ("{DATE}/v{VERSION}/*.csv", "2026-11-26/v12/a.csv", "2026-11-27/v1/collected.csv", 20784),
        ("{YYYY}/{MM}/{DD}/**/*", "2026/11/25/x/a.csv", "2026/11/27/collected.parquet", 20784),
    ],
)
def test_the_new_file_is_named_as_the_latest_span_is(tmp_path, pattern, file, new, span):
    target = _target(tmp_path, f"path: '{pattern}'", file)
    assert target.path == tmp_path / new
    assert target.span == span
    assert target.model_file == str(tmp_path / file)


def test_a_span_can_be_named(tmp_path):
    assert _target(tmp_path, "path: 's{SPAN}.csv'", "s1.csv", span="5").path.name == "s5.csv"
    target = _target(tmp_path, "path: '{DATE}.csv'", "2026-11-01.csv", span="2026-12-24")
    assert (target.name, target.path.name) == ("2026-12-24", "2026-12-24.csv")


@pytest.mark.parametrize(
    ("data", "file", "span", "words"),
    [
        ("path: 's{SPAN}.csv'", "s3.csv", "3", "Span 3 exists already, .* later, got 3. Leave out"),
        ("path: '{DATE}.csv'", "2026-11-27.csv", None, "later, got 2026-11-27. Name a later date"),
        ("path: 's{SPAN}.csv'", "s3.csv", "four", "--span must be a whole number, got `four`"),
        ("path: '{DATE}.csv'", "2026-11-01.csv", "4", "--span must be a date such as"),
        ("path: '{SPAN:1}.csv'", "9.csv", None, "SPAN 10 has more digits than .SPAN:1."),
        ("path: 's{SPAN}/?.csv'", "s3/a.csv", None, "has `.` or `.….` after the span"),
        ("path: 's{SPAN}.csv', last_span: 3", "s3.csv", None, "Remove `last_span`"),
        ("path: 's{SPAN}.tfrecord'", "s3.tfrecord", None, "are tfrecord files"),
        ("path: 's3.csv'", "s3.csv", None, "A new span needs .SPAN. or .DATE. in data.path"),
        ("dataset: taxi", "s3.csv", None, "built-in data set. A new span needs"),
    ],
)
def test_what_is_no_place_for_a_span_is_refused(tmp_path, data, file, span, words):
    with pytest.raises(InputError, match=words):
        _target(tmp_path, data, file, span=span)
