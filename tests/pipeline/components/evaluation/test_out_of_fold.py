"""Predictions of train and eval out of fold, measured together with test."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from measuring.answers import make_answers
from models.features import Numeric
from pipeline.components.evaluation.eval_config import BASELINE, CANDIDATE, make_eval_config
from pipeline.components.evaluation.measurement import MeasureOptions
from pipeline.components.evaluation.out_of_fold import (
    answers_out_of_fold,
    predictions_file,
    write_procedure,
)
from pipeline.components.evaluation.results import read_procedure_evaluation
from pipeline.components.evaluation.slices import OVERALL, SliceOptions
from pipeline.config import Config, Data, Label
from pipeline.slicing import make_slice
from tests.example_files import write_split

# What TFMA's reader says of TensorFlow's old record iterator.
pytestmark = pytest.mark.filterwarnings("ignore:tf_record_iterator")

LABELS = {"train": [1, 0, 0, 0, 1, 0], "eval": [0, 1, 0]}
BY_TOOL = SliceOptions(slices=(make_slice(("tool",)),))


def _example(label: int, tool: bytes) -> bytes:
    made = tf.train.Example()
    made.features.feature["y"].int64_list.value.append(label)
    made.features.feature["tool"].bytes_list.value.append(tool)
    return bytes(made.SerializeToString())


@pytest.fixture
def examples(tmp_path):
    """The first four rows of train are in one file, the others in a second; tools alternate."""
    for split, labels in LABELS.items():
        records = [_example(label, b"ab"[i % 2 : i % 2 + 1]) for i, label in enumerate(labels)]
        write_split(tmp_path, split, records[:4], shard=0, num_shards=2)
        write_split(tmp_path, split, records[4:], shard=1, num_shards=2)
    return str(tmp_path)


def _predictions(folder, *, labels=LABELS):
    """A fold predicts every row but the first of train; row i of split s has i/10 (+ 0.05)."""
    rows = [("train", row) for row in range(5, 0, -1)] + [("eval", row) for row in range(3)]
    table = pa.table(
        {
            "split": [split for split, _ in rows],
            "row": [row for _, row in rows],
            "label": np.array([labels[split][row] for split, row in rows], np.int8),
            "probability": [row / 10 + 0.05 * (split == "eval") for split, row in rows],
            "decision": np.array([row >= 2 for _, row in rows], np.int8),
            "fold": [0] * len(rows),
        }
    )
    pq.write_table(table, folder / "out_of_fold.parquet")
    path = predictions_file(str(folder))
    assert path is not None
    return path


def test_each_example_has_its_own_prediction_in_whatever_file_it_is(examples, tmp_path):
    answers = answers_out_of_fold(_predictions(tmp_path), examples, "y", SliceOptions(), None)
    assert answers[OVERALL].labels.tolist() == [0, 0, 0, 1, 0, 0, 1, 0]
    probabilities, decisions = answers[OVERALL].of("")
    assert probabilities == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.05, 0.15, 0.25])
    assert decisions.tolist() == [0, 1, 1, 1, 1, 0, 0, 1]


def test_slices_and_groups_are_those_of_the_examples(examples, tmp_path):
    answers = answers_out_of_fold(_predictions(tmp_path), examples, "y", BY_TOOL, "tool")
    # Rows 2 and 4 of train, 0 and 2 of eval; row 0 of train has no prediction.
    assert answers[("tool", "a"),].of("")[0] == pytest.approx([0.2, 0.4, 0.05, 0.25])
    groups = answers[OVERALL].groups
    assert groups is not None
    _, numbers = np.unique(groups, return_inverse=True)
    assert len(set(numbers[[0, 2, 4, 6]].tolist())) == 1
    assert len(set(numbers.tolist())) == 2


def test_windows_keep_their_places_in_time(tmp_path):
    for split, labels in LABELS.items():
        records = []
        for row, label in enumerate(labels):
            made = tf.train.Example.FromString(_example(label, b"a"))
            texts = {"window": f"{row}.0/{row + 1}.0", "stretch": split, "event": "e1@0.5" * label}
            for name, text in texts.items():
                made.features.feature[name].bytes_list.value.append(text.encode())
            records.append(made.SerializeToString())
        write_split(tmp_path, split, records)
    answers = answers_out_of_fold(_predictions(tmp_path), str(tmp_path), "y", SliceOptions(), None)
    timeline = answers[OVERALL].timeline
    # Row 0 of train has no prediction.
    assert timeline.starts_s.tolist() == [1, 2, 3, 4, 5, 0, 1, 2]
    assert timeline.events.tolist() == ["", "", "", "e1@0.5", "", "", "e1@0.5", ""]


def test_predictions_of_other_examples_are_refused(examples, tmp_path):
    others = {"train": [1, 0, 0, 0, 0, 1], "eval": [0, 1, 0]}
    path = _predictions(tmp_path, labels=others)
    with pytest.raises(ValueError, match="predictions of other examples"):
        answers_out_of_fold(path, examples, "y", SliceOptions(), None)


def test_without_cross_fitting_there_is_no_file_and_no_evaluation(tmp_path):
    assert predictions_file(None) is None
    assert predictions_file(str(tmp_path)) is None
    assert read_procedure_evaluation(str(tmp_path)) is None


@pytest.mark.parametrize("has_baseline", [False, True])
def test_the_procedure_is_measured_on_test_and_out_of_fold_together(tmp_path, has_baseline):
    config = Config(
        name="test", label=Label(column="y"), data=Data(path="x"), features={"x": Numeric()}
    )
    own = (np.array([0.9, 0.2]), np.array([1, 0]))
    wrong = (np.array([0.2, 0.9]), np.array([0, 1]))
    answers = {CANDIDATE: own, BASELINE: wrong} if has_baseline else {"": own}
    on_test = {OVERALL: make_answers(np.array([1, 0]), answers)}
    out_of_fold = (np.array([0.8, 0.3, 0.1]), np.array([1, 0, 0]))
    crossed = {OVERALL: make_answers(np.array([1, 1, 0]), {"": out_of_fold})}
    write_procedure(str(tmp_path), on_test, crossed, make_eval_config(config), MeasureOptions())
    procedure = read_procedure_evaluation(str(tmp_path))
    assert procedure is not None
    # Two of three faults are found, one of test and one out of fold; no false alarm.
    assert procedure.overall["recall"] == pytest.approx(2 / 3)
    assert procedure.overall["num_examples"] == 5
    assert procedure.overall["precision"] == 1
    assert "recall" in procedure.intervals[()]
