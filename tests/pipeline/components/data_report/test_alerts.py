import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv

from models.features import Categorical, Image
from pipeline.components.data_report.alerts import find_alerts

NAN = float("nan")
NAMES = ["a", "b", "faulty"]


@pytest.fixture(scope="module")
def train():
    """TFDV's own statistics of a hundred rows."""
    rows = np.arange(100)
    frame = pd.DataFrame(
        {
            "same": np.full(100, 2.5),
            "word": ["x"] * 100,
            "code": [str(n % 7) for n in rows],
            "maker": [f"m{n % 5}" for n in rows],
            "serial": [f"s{n}" for n in rows],
            "empty": pd.Series([None] * 100, dtype=object),
            "half": [str(n) if n % 2 else "wide open" for n in rows],
        }
    )
    return tfdv.generate_statistics_from_dataframe(frame).datasets[0]


def alerts(train, r, features=(), separations=None, giveaways=None):
    pairs = (NAMES, np.array(r))
    found = find_alerts(train, dict(features), pairs, "faulty", separations or {}, giveaways or {})
    texts = {}
    for alert in found:
        texts.setdefault(alert.column, []).append(alert.text)
    return texts


NO_PAIRS = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_constant_columns_numbers_as_text_and_identifiers_are_found(train):
    texts = alerts(train, NO_PAIRS)
    assert texts["same"] == ["is constant: every value is 2.5."]
    assert texts["empty"] == ["has no values."]
    assert texts["word"] == ["is constant: every value is x."]
    assert "contains numbers stored as text (100.0%" in texts["code"][0]
    assert texts["serial"][0].startswith("has 100 distinct values in 100 rows, like an identifier")
    assert "it is not used as a feature" in texts["serial"][0]
    # Five makers in a hundred rows are few, and half of the last column is words.
    assert not {"maker"} & set(texts)
    assert "numbers" not in str(texts.get("half"))


def test_files_are_no_identifiers_and_equal_ones_are_counted(train):
    photo = Image(height=8, width=8)
    texts = alerts(train, NO_PAIRS, {"serial": photo, "maker": photo})
    assert "serial" not in texts
    assert texts["maker"] == ["has only 5 different files in 100 rows."]


def test_a_feature_that_separates_the_classes_is_found_with_its_side(train):
    texts = alerts(train, NO_PAIRS, separations={"a": 0.0006})
    assert texts["a"] == [
        "separates the classes almost alone: ROC-AUC 0.9994, low values are positive. If it is "
        "known only after the fault, leave it out."
    ]


def test_a_feature_with_more_values_than_its_vocabulary_is_found(train):
    texts = alerts(train, NO_PAIRS, {"maker": Categorical(max_vocabulary_size=4)}.items())
    assert texts["maker"] == [
        "has 5 distinct values, more than its `max_vocabulary_size` 4; the rarest values share one "
        "index."
    ]


def test_columns_that_are_nearly_the_same_are_found_and_the_label_is_none_of_them(train):
    texts = alerts(train, [[1, -0.9995, 1], [-0.9995, 1, 0], [1, 0, 1]])
    assert texts["a, b"] == ["are nearly identical: their correlation is -0.9995."]
    assert "a, faulty" not in texts


def test_columns_that_are_only_alike_or_unknown_are_not(train):
    texts = alerts(train, [[1, 0.99, NAN], [0.99, 1, NAN], [NAN, NAN, 1]])
    assert "a, b" not in texts


def test_a_property_of_files_that_tells_the_label_is_an_alert(train):
    found = alerts(train, NO_PAIRS, giveaways={"sound": {"sampling rate": "44100 Hz in 9 of 9"}})
    [text] = found["sound"]
    assert text.startswith("tells the label by the sampling rate of its files: 44100 Hz in 9 of 9.")
