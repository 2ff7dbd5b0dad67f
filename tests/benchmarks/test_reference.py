import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from benchmarks import reference

LABEL = np.array([0, 0, 1, 1])
SCORE = np.array([0.1, 0.6, 0.4, 0.9])


class Echo:
    """Scores each row by one of its columns."""

    def __init__(self, column) -> None:
        self.column = column

    def fit(self, features, label):
        assert len(features) == len(label)

    def predict_proba(self, features):
        score = features[self.column].to_numpy()
        return np.stack([1 - score, score], axis=1)


def test_the_best_threshold_has_the_highest_f1():
    # At 0.4 all three above it are called faulty, two of them rightly: precision 2/3, recall 1,
    # F1 0.8. At 0.9: precision 1, recall 1/2, F1 2/3. At 0.6: 1/2 and 1/2. At 0.1: 1/2, 1, 2/3.
    assert reference.best_threshold(LABEL, SCORE) == 0.4


def test_figures_at_a_threshold_count_the_row_that_lies_on_it():
    figures = reference.measure(LABEL, SCORE, 0.4)

    assert figures["precision"] == pytest.approx(2 / 3)
    assert figures["recall"] == 1.0
    assert figures["f1"] == pytest.approx(0.8)
    # In the order of the scores: 1, 0, 1, 0. Precision at the hits is 1/1 and 2/3, mean 5/6.
    assert figures["pr_auc"] == pytest.approx(5 / 6)
    # Three of the four pairs of a faulty and a healthy row are in order.
    assert figures["roc_auc"] == 0.75


def test_the_candidate_is_chosen_on_eval_and_scored_on_test():
    good, bad = SCORE, 1.0 - SCORE
    features = {
        "train": pd.DataFrame({"a": good, "b": bad}),
        "eval": pd.DataFrame({"a": good, "b": bad}),
        "test": pd.DataFrame({"a": LABEL / 2, "b": LABEL / 2}),
    }
    figures = reference.score_best(
        [Echo("b"), Echo("a")], features, dict.fromkeys(reference.SPLITS, LABEL)
    )

    # Eval prefers `a` and its threshold 0.4; on test faulty rows have 0.5, above it.
    assert figures["threshold"] == 0.4
    assert figures["recall"] == figures["pr_auc"] == 1.0


def test_a_report_is_a_table_or_one_json_document():
    figures = reference.measure(LABEL, SCORE, 0.4)
    lines = reference.report({"linear": figures}, as_json=False).splitlines()

    assert lines[0].split() == list(reference.COLUMNS)
    assert lines[1].split()[:3] == ["linear", "0.8333", "0.7500"]
    assert json.loads(reference.report({"linear": figures}, as_json=True)) == {"linear": figures}


def write_examples(path, rows):
    """Each row: a text, a whole number, and a list of numbers."""
    import tensorflow as tf

    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for text, whole, numbers in rows:
            example = tf.train.Example()
            example.features.feature["text"].bytes_list.value.append(text)
            example.features.feature["whole"].int64_list.value.append(whole)
            example.features.feature["numbers"].float_list.value.extend(numbers)
            writer.write(example.SerializeToString())


@pytest.mark.tensorflow
def test_all_files_of_a_split_are_read(tmp_path):
    rows = [(b"a", 1, [0.5, 1.5]), (b"b", 2, [2.5, 3.5])]
    write_examples(tmp_path / "Split-test" / "data-0.gz", rows)
    columns = reference.read_split(tmp_path, "test")

    assert columns["text"].tolist() == [b"a", b"b"]
    assert columns["whole"].tolist() == [1, 2]
    assert columns["numbers"].tolist() == [[0.5, 1.5], [2.5, 3.5]]


@pytest.mark.tensorflow
def test_a_split_without_files_says_what_to_give(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Split-eval holds no \*.gz .* Examples artifact"):
        reference.read_split(tmp_path, "eval")


def test_lists_become_numbers_text_and_signals():
    numbers = pa.array([[1.5], [], None], pa.large_list(pa.float32()))
    text = pa.array([[b"a"], [], [b"b"]], pa.large_list(pa.large_binary()))
    signals = pa.array([[1.0, 2.0], [], [3.0, float("nan")]], pa.large_list(pa.float32()))

    assert np.array_equal(reference.as_array(numbers), [1.5, np.nan, np.nan], equal_nan=True)
    assert reference.as_array(text).tolist() == [b"a", None, b"b"]
    expected = [[1.0, 2.0], [np.nan, np.nan], [3.0, np.nan]]
    assert np.array_equal(reference.as_array(signals), expected, equal_nan=True)
