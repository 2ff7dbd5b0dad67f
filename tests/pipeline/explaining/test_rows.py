"""Which row is meant: of the test split, of a file, or a JSON request."""

import json

import numpy as np
import pytest

from common.errors import InputError
from models.exporting.export import read_signatures
from pipeline.config_loading import config_from_json, config_to_json, load_config
from pipeline.explaining.rows import (
    RowChoice,
    TestSplit,
    find_row,
    row_of_file,
    row_of_other_splits,
    row_of_request,
)
from tests.example_files import write_split
from tests.models.tiny_transform import to_example
from tests.pipeline.prediction import readings

SPLIT = TestSplit(
    columns={
        "number": np.array([1.5, 2.5, 2.5]),
        "text": np.array([b"a", b"b", b"c"], object),
        "signal": np.zeros((3, 2)),
    },
    labels=np.array([0, 1, 0]),
    others={"id": ["r1", "r2", "r3"]},
)


@pytest.mark.parametrize(
    ("row", "where", "expected"),
    [(2, None, 2), (None, "id=r2", 1), (None, "text=c", 2), (None, "number=1.5", 0)],
)
def test_a_row_of_the_test_split_is_selected_by_its_number_or_a_value(row, where, expected):
    assert find_row(SPLIT, row, where) == expected


@pytest.mark.parametrize(
    ("row", "where", "words"),
    [
        (3, None, "no row 3 in the test split; it has 0 to 2"),
        (-1, None, "no row -1"),
        (None, "number=2.5", "2 rows"),
        (None, "maker=x", "columns id, number, text; got maker=x"),
        (None, "id", "COLUMN=VALUE"),
    ],
)
def test_a_row_that_is_not_there_is_reported_with_what_is(row, where, words):
    with pytest.raises(InputError, match=words):
        find_row(SPLIT, row, where)


def test_a_row_that_is_not_in_the_test_split_may_be_in_another():
    assert find_row(SPLIT, None, "id=r9") is None


@pytest.fixture(scope="module")
def other_splits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    records = [
        to_example({"id": [text], "volts": [1.5], "wave": [0.0, 1.0, 2.0], "faulty": [1]})
        for text in (b"r7", b"r8", b"r8")
    ]
    return {
        "eval": [str(write_split(folder, "eval", records[:1]))],
        "train": [str(write_split(folder, "train", records))],
    }


def test_a_row_that_the_model_was_made_from_says_so(model, other_splits):
    inputs = read_signatures(model)["serving_default"].inputs
    train = {"train": other_splits["train"]}
    row = row_of_other_splits(train, "id=r7", inputs, "faulty")
    assert (row.title, row.slug, row.label) == ("row 0 of the train split", "train-0", 1)
    assert row.columns["wave"].tolist() == [[0.0, 1.0, 2.0]]
    assert row.columns["name"].tolist() == [b""]
    assert row.others == {"id": "r7"}


@pytest.mark.parametrize(("where", "count"), [("id=r7", 2), ("id=r8", 2), ("id=r9", 0)])
def test_exactly_one_row_of_all_splits_is_explained(model, other_splits, where, count):
    inputs = read_signatures(model)["serving_default"].inputs
    words = f"{count} rows of the splits test, eval, train have {where}; exactly one is needed"
    with pytest.raises(InputError, match=words):
        row_of_other_splits(other_splits, where, inputs, "faulty")


def test_a_row_of_the_test_split_has_its_label_and_the_columns_beside():
    row = SPLIT.row(1)
    assert (row.title, row.slug, row.label) == ("row 1 of the test split", "1", 1)
    assert row.others == {"id": "r2"}
    assert row.columns["text"].tolist() == [b"b"]
    assert row.columns["signal"].shape == (1, 2)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({}, "Give one row"),
        ({"row": 1, "where": "id=r1"}, "Give one row"),
        ({"data": "new.csv"}, "Give one row"),
        ({"request": "{}", "row": 1}, "give no other option with it"),
    ],
)
def test_a_choice_means_one_row(choice, words):
    with pytest.raises(InputError, match=words):
        RowChoice(**choice)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readings") / "7"
    readings.write_model(folder)
    return folder


@pytest.fixture
def config(tmp_path):
    """The config as a run records it."""
    return config_from_json(config_to_json(load_config(readings.write_config(tmp_path))))


@pytest.mark.parametrize("choice", [{"row": 2}, {"where": "id=b"}])
@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_a_row_of_a_file_is_what_predict_sends(tmp_path, model, config, choice, suffix):
    data = readings.WRITERS[suffix](tmp_path / f"new.{suffix}")
    row = row_of_file(RowChoice(data=str(data), **choice), config, model)
    assert (row.title, row.slug) == (f"row 2 of new.{suffix}", f"new.{suffix}-2")
    assert row.label is None
    # Row b has no volts and no name.
    assert np.isnan(row.columns["volts"][0])
    assert row.columns["wave"].tolist() == [[-3.0, 0.0, 1.0]]
    assert row.columns["seconds"].tolist() == [1577836801]
    assert row.columns["name"].tolist() == [b""]
    assert row.others["id"] == "b"


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"row": 4}, r"There is no row 4 in new\.csv; it has 1 to 3\."),
        ({"row": 0}, r"There is no row 0 in new\.csv"),
        (
            {"where": "id=z"},
            r"0 rows of new\.csv have id=z; exactly one is needed\. .* have a, b, c",
        ),
        ({"where": "seconds"}, "COLUMN=VALUE"),
    ],
)
def test_a_row_that_a_file_does_not_have_is_reported(tmp_path, model, config, choice, words):
    data = readings.write_csv(tmp_path / "new.csv")
    with pytest.raises(InputError, match=words):
        row_of_file(RowChoice(data=str(data), **choice), config, model)


def test_a_row_that_cannot_be_read_says_why(tmp_path, model, config):
    data = readings.write_csv(tmp_path / "new.csv")
    data.write_text(data.read_text().replace("-1.0", "much"))
    with pytest.raises(InputError, match="column `volts`"):
        row_of_file(RowChoice(data=str(data), row=3), config, model)


REQUEST = {"volts": 1.5, "wave": [0, 1, 2], "seconds": 5, "name": None, "id": "q"}


@pytest.mark.parametrize("wrap", [lambda row: row, lambda row: {"instances": [row]}])
@pytest.mark.parametrize("as_file", [True, False])
def test_a_request_is_a_row_as_the_server_takes_it(tmp_path, model, wrap, as_file):
    request = json.dumps(wrap(REQUEST))
    if as_file:
        (tmp_path / "request.json").write_text(request)
        request = str(tmp_path / "request.json")
    row = row_of_request(request, model)
    assert row.columns["volts"].tolist() == [1.5]
    assert row.columns["wave"].tolist() == [[0.0, 1.0, 2.0]]
    assert row.columns["name"].tolist() == [b""]
    assert (row.title, row.others) == ("the request", {"id": "q"})


@pytest.mark.parametrize(
    ("request_text", "words"),
    [
        ("{", "not valid JSON"),
        ("absent.json", "neither JSON nor a file"),
        ('{"instances": []}', "must be one row"),
        ('{"volts": 1}', "The model needs .*`wave`"),
        (json.dumps(REQUEST | {"volts": "x"}), "column `volts`"),
    ],
)
def test_a_request_that_the_model_does_not_take_is_reported(model, request_text, words):
    with pytest.raises(InputError, match=words):
        row_of_request(request_text, model)
