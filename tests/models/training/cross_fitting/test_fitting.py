"""Cross-fitting as the Trainer runs it, on the tiny data set with labels that nothing predicts."""

import dataclasses
import json
from functools import cache
from types import SimpleNamespace

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from common.errors import InputError
from models.exporting.export import SERVE_EXAMPLES, load_in_session
from models.folds import deal_folds
from models.inputs.transform_graph import TransformGraph
from models.train_options import Augmentation, TreeOptions
from models.training.cross_fitting.network import best_epochs, network_out_of_fold
from models.training.data import (
    TREES_KEY,
    make_correction,
    make_transform,
    read_split,
    read_train,
)
from models.training.network import build_network
from models.training.network_fit import fit_epochs, network_logits
from models.training.trainer import reproducible, run_fn
from models.trees.fitting import TreeData, grow, margins
from models.trees.inputs import TreeInputs
from models.trees.saved import read_trees
from tests.models.tiny_transform import RAW_SPEC, ROWS, SPEC, analyse, to_example

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NUM_TRAIN, NUM_EVAL = 80, 40
TREES = TreeOptions(rounds=20, min_leaf_rows=0, max_depth=4)


@pytest.fixture(scope="module")
def transform_folder(tmp_path_factory):
    """The transform graph of the tiny data set, with summaries of the signals for trees."""
    folder = tmp_path_factory.mktemp("summarised") / "transform"
    rows = [{name: row.get(name, []) for name in RAW_SPEC} for row in ROWS]
    analyse(rows, RAW_SPEC, SPEC, folder, summaries=True)
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of train and eval: a quarter is positive, by chance."""
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(11)
    for split, num in (("train", NUM_TRAIN), ("eval", NUM_EVAL)):
        with tf.io.TFRecordWriter(str(folder / f"{split}.gz"), "GZIP") as writer:
            for number in range(num):
                row = dict(ROWS[number % 3])
                row["pressure [bar]"] = [float(rng.normal())]
                row["length"] = [float(rng.normal())]
                row["faulty"] = [int(number % 4 == 0)]
                writer.write(to_example(row))
    return folder


def _spec(**options):
    train = dataclasses.replace(SPEC.train, trees=TREES, epochs=4, patience=2, **options)
    return dataclasses.replace(SPEC, train=train, cross_fit=3)


def _run(files, transform_folder, folder, spec):
    run_fn(
        SimpleNamespace(
            custom_config={"model_spec": spec.to_json()},
            transform_graph_path=str(transform_folder),
            train_files=[str(files / "train.gz")],
            eval_files=[str(files / "eval.gz")],
            serving_model_dir=str(folder / "model"),
            model_run_dir=str(folder / "run"),
            hyperparameters=None,
            base_model=None,
        )
    )
    metrics = json.loads((folder / "run" / "eval_metrics.json").read_text())
    return metrics, pq.read_table(folder / "run" / "out_of_fold.parquet")


@pytest.fixture(scope="module")
def trained(files, transform_folder, tmp_path_factory):
    """Trains each kind of model once; returns its folder, its metrics and its table."""

    @cache
    def train(model):
        folder = tmp_path_factory.mktemp(model)
        return folder, *_run(files, transform_folder, folder, _spec(model=model))

    return train


@pytest.mark.parametrize("model", ["network", "trees", "blend", "auto"])
def test_every_example_is_predicted_once_and_by_no_model_that_saw_it(trained, model):
    _, metrics, table = trained(model)
    places = list(zip(table["split"].to_pylist(), table["row"].to_pylist(), strict=True))
    assert places == [
        *(("train", row) for row in range(NUM_TRAIN)),
        *(("eval", row) for row in range(NUM_EVAL)),
    ]
    assert table["label"].to_pylist() == [int(row % 4 == 0) for _, row in places]
    # 30 positive of 120, dealt to three folds.
    folds = table["fold"].to_numpy()
    assert np.bincount(folds, weights=table["label"].to_numpy()).tolist() == [10, 10, 10]
    # The labels are noise: only a model that saw them ranks them. 0.25 is chance.
    assert metrics["cross_fit"]["pr_auc"] < 0.5
    assert metrics["cross_fit"]["examples"] == 120
    assert "eval_pr_auc" not in metrics


def test_the_final_trees_are_grown_on_train_and_eval(files, transform_folder, trained):
    spec = _spec(model="trees")
    folder, metrics, _ = trained("trees")
    graph = TransformGraph(transform_folder, spec)
    inputs = TreeInputs(spec.features, graph.vocabulary)
    transform = make_transform(graph, trees=inputs, network=False)
    data = read_split([str(files / "train.gz"), str(files / "eval.gz")], transform)
    examples = TreeData(data.inputs[TREES_KEY], data.labels, None, inputs.columns)
    expected, _ = grow(examples, TREES, rounds=metrics["rounds"], seed=spec.seed)
    exported = read_trees(folder / "model")
    assert exported is not None
    assert 1 <= metrics["rounds"] <= TREES.rounds
    assert margins(exported[0], examples).tolist() == margins(expected, examples).tolist()


def test_the_answers_on_eval_are_those_of_the_exported_model(files, trained):
    folder, _, _ = trained("blend")
    own = pq.read_table(folder / "run" / "eval_predictions.parquet")["probability"]
    records = tf.data.TFRecordDataset(str(files / "eval.gz"), "GZIP")
    served = load_in_session(folder / "model", SERVE_EXAMPLES)(
        {"examples": list(records.as_numpy_iterator())}
    )
    assert served["probability"][:, 0] == pytest.approx(own.to_numpy(), abs=1e-5)


def test_each_fold_is_reported_and_a_second_training_gives_the_same_bits(
    files, transform_folder, trained, tmp_path, caplog
):
    _, _, first = trained("network")
    with caplog.at_level("INFO", logger="faultline.progress"):
        _, second = _run(files, transform_folder, tmp_path, _spec(model="network"))
    assert first.equals(second)
    lines = [line for line in caplog.messages if line.startswith("cross-fitting")]
    assert [line.partition(":")[0] for line in lines] == [
        f"cross-fitting the network, fold {number}/3" for number in (1, 2, 3)
    ]
    assert lines[0].endswith("on 40 examples, 10 positive")


def _all_examples(files, graph, spec):
    transform = make_transform(graph, folds=spec.folds)
    return read_train([str(files / "train.gz"), str(files / "eval.gz")], transform, graph, spec)


@pytest.mark.parametrize("augmentation", [{}, {"pulse": Augmentation(scale=0.1)}])
def test_the_logits_of_a_fold_are_those_of_a_network_trained_without_it(
    files, transform_folder, augmentation
):
    spec = _spec(augmentation=augmentation)
    graph = TransformGraph(transform_folder, spec)
    data = _all_examples(files, graph, spec)
    folds = deal_folds(spec.folds, data.keys, data.labels, 3)
    with reproducible(spec.seed):
        scores = network_out_of_fold(data, folds, graph, spec, on_fold=lambda _fold, _logits: True)
        own = data.rows(folds[1].train)
        if data.variation is not None:
            variation = data.variation.rows(folds[1].train)
            own = dataclasses.replace(own, variation=variation)
        keras.utils.set_random_seed(spec.seed)
        network = build_network(graph.index_space, spec.train)
        fit_epochs(network, own, options=spec.train, epochs=scores.epochs, decay_epochs=4)
        raw = network_logits(network, data.rows(folds[1].held_out).network_inputs)
    expected = make_correction(own.labels, spec.train).apply(raw)
    assert scores.logits[folds[1].held_out] == pytest.approx(expected, abs=1e-6)


def test_the_folds_end_where_they_are_told_to(files, transform_folder):
    spec = _spec()
    graph = TransformGraph(transform_folder, spec)
    data = _all_examples(files, graph, spec)
    folds = deal_folds(spec.folds, data.keys, data.labels, 3)
    scores = network_out_of_fold(data, folds, graph, spec, on_fold=lambda _fold, _logits: False)
    assert np.isfinite(scores.logits).sum() == 40


def test_the_best_number_of_epochs_is_that_of_the_best_ranking():
    labels = np.array([1, 0, 0], np.float32)
    wrong, right = np.array([0.0, 1.0, 2.0]), np.array([2.0, 1.0, 0.0])
    assert best_epochs([wrong, right, right, wrong], labels) == 2


def test_the_files_of_train_come_before_those_of_eval(files, transform_folder):
    graph = TransformGraph(transform_folder, _spec())
    data = _all_examples(files, graph, _spec())
    train = read_split([str(files / "train.gz")], make_transform(graph))
    assert data.labels.size == NUM_TRAIN + NUM_EVAL
    assert data.inputs["dense"][:NUM_TRAIN].tolist() == train.inputs["dense"].tolist()


def test_too_few_faults_for_two_folds_are_refused(files, transform_folder, tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "train.gz"), "GZIP") as writer:
        for number in range(8):
            writer.write(to_example(ROWS[0] | {"faulty": [int(number == 0)]}))
    with tf.io.TFRecordWriter(str(tmp_path / "eval.gz"), "GZIP") as writer:
        for number in range(8):
            writer.write(to_example(ROWS[0] | {"faulty": [int(number == 0)]}))
    spec = _spec()
    rule = dataclasses.replace(spec.folds, strategy="time", column="at")
    with pytest.raises(InputError, match=r"evaluation\.cross_fit 3 needs at least two folds"):
        _run(tmp_path, transform_folder, tmp_path, dataclasses.replace(spec, folds=rule))
