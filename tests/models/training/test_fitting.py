"""Trees and blends from tf.Examples to the served model."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from models.exporting.export import (
    SERVE_EXAMPLES,
    SERVING_DEFAULT,
    load_in_session,
    read_signatures,
)
from models.inputs.raw_columns import columns_from_examples
from models.probabilities.calibration import PlattScaling
from models.probabilities.sampling import SamplingShift
from models.stored_rows import RowStore
from models.train_options import Augmentation, TrainOptions, TreeOptions
from models.training.data import TREES_KEY
from models.training.fitting import train_model, train_network_part
from models.training.trainer import read_data, reproducible, run_fn
from models.trees.saved import read_trees
from tests.models.tiny_transform import NAN, RAW_SPEC, SPEC, analyse, to_example

# TensorFlow's variables lack NumPy 2's `copy` argument; the TensorBoard callback meets it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TRAIN = TrainOptions(
    epochs=2,
    batch_size=100,
    hidden_units=(4,),
    filters=(3,),
    trees=TreeOptions(rounds=40, min_leaf_rows=5.0, patience=10),
)
SPLITS = {"train": 300, "eval": 120}


def _rows(num, seed):
    """Rows with every kind of value; a fault is likelier with pressure, tool b and a high echo."""
    rng = np.random.default_rng(seed)
    for _ in range(num):
        pressure, tool = rng.normal(), rng.choice([b"a", b"b", b"c"])
        echo = rng.normal(size=3)
        score = 1.5 * pressure + 2 * (tool == b"b") + 1.5 * echo.max() - 3
        row = {
            "pressure [bar]": [pressure],
            "length": [rng.lognormal()],
            "constant": [5.0],
            "tool": [tool],
            "code": [int(rng.integers(0, 4))],
            "speed": [rng.uniform(0, 5)],
            "at": [int(rng.integers(0, 10**9))],
            "pulse": [float(v) if rng.random() > 0.1 else NAN for v in rng.normal(size=3)],
            "echo": echo.tolist(),
            "faulty": [int(rng.random() < 1 / (1 + np.exp(-score)))],
        }
        for name in ("pressure [bar]", "tool", "echo"):
            if rng.random() < 0.1:
                del row[name]
        yield row


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Folder with `train`, `eval` and `transform`."""
    folder = tmp_path_factory.mktemp("data")
    for seed, (split, num) in enumerate(SPLITS.items()):
        (folder / split).mkdir()
        with tf.io.TFRecordWriter(str(folder / split / "rows.gz"), "GZIP") as writer:
            for row in _rows(num, seed):
                writer.write(to_example(row))
    rows = [{name: row.get(name, []) for name in RAW_SPEC} for row in _rows(SPLITS["train"], 0)]
    analyse(rows, RAW_SPEC, SPEC, folder / "transform", summaries=True)
    return folder


def _fn_args(data, folder, **options):
    spec = dataclasses.replace(SPEC, train=dataclasses.replace(TRAIN, **options))
    return SimpleNamespace(
        train_files=[f"{data}/train/*.gz"],
        eval_files=[f"{data}/eval/*.gz"],
        transform_graph_path=str(data / "transform"),
        serving_model_dir=str(folder / "model"),
        model_run_dir=str(folder / "run"),
        custom_config={"model_spec": spec.to_json()},
        hyperparameters=None,
        base_model=None,
    )


def _records(data, split="eval"):
    dataset = tf.data.TFRecordDataset(f"{data}/{split}/rows.gz", "GZIP")
    return list(dataset.as_numpy_iterator())


@pytest.fixture(scope="module", params=["trees", "blend"])
def trained(request, data, tmp_path_factory):
    """The folder that `run_fn` wrote, and the kind of model."""
    folder = tmp_path_factory.mktemp(request.param)
    run_fn(_fn_args(data, folder, model=request.param))
    return folder, request.param


def _predictions(folder):
    return pq.read_table(folder / "run" / "eval_predictions.parquet")["probability"].to_numpy()


@pytest.mark.parametrize("signature", [SERVE_EXAMPLES, SERVING_DEFAULT])
def test_a_session_answers_as_the_trainer_did(trained, data, signature):
    folder, _ = trained
    ask = load_in_session(folder / "model", signature)
    records = _records(data)
    if signature == SERVE_EXAMPLES:
        served = ask({"examples": records})
    else:
        inputs = read_signatures(folder / "model")[SERVING_DEFAULT].inputs
        served = ask(columns_from_examples(records, inputs))
    assert served["probability"][:, 0] == pytest.approx(_predictions(folder), abs=1e-6)


def test_what_was_trained_is_noted_in_the_model_and_in_the_run(trained):
    folder, kind = trained
    info = json.loads((folder / "model" / "assets.extra" / "model_info.json").read_text())["model"]
    metrics = json.loads((folder / "run" / "eval_metrics.json").read_text())
    assert info["model"] == kind
    assert info["xgboost"]
    assert {name: metrics[name] for name in info} == info
    booster, columns = read_trees(folder / "model")
    assert booster.num_boosted_rounds() == info["rounds"]
    assert booster.num_features() == len(columns)
    if kind == "blend":
        assert sum(info["weights"].values()) == pytest.approx(1)
        assert info["choice"]["network_weight"] == info["weights"]["network"]
        assert 1 <= info["best_epoch"] <= info["epochs"] == 2


def test_curves_of_the_trees_are_written_for_tensorboard(trained):
    folder, _ = trained
    assert list((folder / "run" / "trees" / "train").glob("events.out.tfevents.*"))


def test_a_second_training_answers_with_the_same_bits(trained, data, tmp_path):
    folder, kind = trained
    if kind != "trees":
        pytest.skip("the next test trains a blend again")
    run_fn(_fn_args(data, tmp_path, model=kind))
    assert _predictions(tmp_path).tobytes() == _predictions(folder).tobytes()
    trees = "assets.extra/trees.ubj"
    first, second = ((path / "model" / trees).read_bytes() for path in (folder, tmp_path))
    assert first == second


def test_the_served_logit_of_a_blend_is_the_weighted_mean_of_its_parts(trained, data, tmp_path):
    folder, kind = trained
    if kind != "blend":
        pytest.skip("has one part")
    spec = dataclasses.replace(SPEC, train=dataclasses.replace(TRAIN, model="blend"))
    with reproducible(spec.seed):
        arguments = _fn_args(data, tmp_path, model="blend")
        read = read_data(arguments, spec, SamplingShift(), store=RowStore())
        weight = train_model(read, tmp_path).facts["weights"]["network"]
        network = train_network_part(read, tmp_path)
    booster, _ = read_trees(folder / "model")
    of_trees = booster.inplace_predict(read.evaluation.inputs[TREES_KEY], predict_type="margin")
    labels = read.train.labels
    # The network weighs both classes alike, the trees do not: ln of the ratio of their weights.
    of_network = network.eval_logits - np.log((labels.size - labels.sum()) / labels.sum())
    info = json.loads((folder / "model" / "assets.extra" / "model_info.json").read_text())
    platt = PlattScaling(**info["calibration"])
    blended = weight * of_network + (1 - weight) * of_trees
    assert _predictions(folder) == pytest.approx(platt.probabilities(blended), abs=1e-6)


@pytest.mark.parametrize("stopping", ["eval", "none"])
def test_the_number_of_trees_may_be_chosen_on_eval_or_given(data, tmp_path, stopping):
    trees = dataclasses.replace(TRAIN.trees, stopping=stopping)
    run_fn(_fn_args(data, tmp_path, model="trees", trees=trees))
    rounds = json.loads((tmp_path / "run" / "eval_metrics.json").read_text())["rounds"]
    assert rounds == 40 if stopping == "none" else 1 <= rounds < 40


@pytest.mark.parametrize(
    ("model", "augmentation"), [("blend", {}), ("network", {"echo": Augmentation(noise=0.1)})]
)
def test_a_model_from_files_answers_with_the_bits_of_one_from_memory(
    data, tmp_path, caplog, model, augmentation
):
    options = dataclasses.replace(TRAIN, model=model, augmentation=augmentation)
    spec = dataclasses.replace(SPEC, train=options)
    logits = {}
    for limit_bytes in (10**6, 0):
        with reproducible(spec.seed), caplog.at_level("INFO", logger="faultline.progress"):
            store = RowStore(limit_bytes=limit_bytes)
            arguments = _fn_args(data, tmp_path, model=model, augmentation=augmentation)
            read = read_data(arguments, spec, SamplingShift(), store=store)
            messages = [line for line in caplog.messages if "from a file" in line]
            logits[limit_bytes] = train_model(read, tmp_path).eval_logits
    assert logits[0].tobytes() == logits[10**6].tobytes()
    assert [line.partition(",")[0] for line in messages] == [
        "train streams from a file: 300 examples",
        "eval streams from a file: 120 examples",
    ]
