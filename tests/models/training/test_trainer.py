import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import average_precision_score
from tensorflow.python.framework import config as tensorflow_config

from models.inputs.encoding import LABEL_NAME
from models.model_spec import FoldRule, ModelSpec
from models.threshold_rule import ThresholdRule
from models.train_options import TrainOptions
from models.training.data import Dataset, class_weights, read_eval
from models.training.network_fit import train_network
from models.training.trainer import reproducible
from tests.example_files import write_split

# TensorFlow's variables lack NumPy 2's `copy` argument; the TensorBoard callback meets it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

OPTIONS = TrainOptions(epochs=4, batch_size=16, patience=4)


def _dataset(seed: int, *, num: int = 64) -> Dataset:
    rng = np.random.default_rng(seed)
    labels = (np.arange(num) % 4 == 0).astype(np.float32)
    values = rng.normal(size=(num, 3)).astype(np.float32) + labels[:, None]
    return Dataset({"dense": values}, labels)


def _network() -> keras.Model:
    inputs = {"dense": keras.Input((3,), name="dense")}
    hidden = keras.layers.Dense(4, activation="relu", name="hidden")(inputs["dense"])
    dropped = keras.layers.Dropout(0.2)(hidden)
    return keras.Model(inputs, keras.layers.Dense(1, name="logit")(dropped))


def _train(seed: int, log_dir, options: TrainOptions = OPTIONS):
    with reproducible(seed):
        network = _network()
        history = train_network(network, _dataset(1), _dataset(2), options=options, log_dir=log_dir)
    return network, history


def _weights(network: keras.Model) -> bytes:
    return b"".join(weight.tobytes() for weight in network.get_weights())


def test_a_second_training_gives_the_same_weights_bit_for_bit(tmp_path):
    first, _ = _train(5, tmp_path)
    second, _ = _train(5, tmp_path)
    assert _weights(first) == _weights(second)


def test_another_seed_gives_other_weights(tmp_path):
    assert _weights(_train(5, tmp_path)[0]) != _weights(_train(6, tmp_path)[0])


def _fail_while_reproducible() -> None:
    with reproducible(0):
        assert tensorflow_config.is_op_determinism_enabled()
        raise RuntimeError("inside")


def test_determinism_ends_with_training_even_where_that_fails():
    with pytest.raises(RuntimeError, match="inside"):
        _fail_while_reproducible()
    assert not tensorflow_config.is_op_determinism_enabled()


def test_the_weights_are_those_of_the_best_epoch(tmp_path):
    # So large a step size that later epochs are worse than the best.
    options = dataclasses.replace(OPTIONS, epochs=12, patience=12, learning_rate=0.3)
    network, history = _train(0, tmp_path, options)
    evaluation = _dataset(2)
    scores = network.predict_on_batch(evaluation.inputs)[:, 0]
    assert history.best_epoch < history.epochs == 12
    assert average_precision_score(evaluation.labels, scores) == pytest.approx(history.eval_pr_auc)


def test_training_stops_after_patience_epochs_without_a_better_one(tmp_path):
    options = dataclasses.replace(OPTIONS, epochs=100, patience=3, learning_rate=0.3)
    _, history = _train(0, tmp_path, options)
    assert history.epochs == history.best_epoch + 3 < 100


def test_tensorboard_logs_are_written(tmp_path):
    _train(0, tmp_path)
    assert list(tmp_path.rglob("events.out.tfevents.*"))


def test_each_epoch_reports_its_progress(tmp_path, caplog):
    with caplog.at_level("INFO", logger="faultline.progress"):
        _train(0, tmp_path)
    assert caplog.messages[0].startswith("epoch 1/4, eval PR-AUC 0.")
    assert len(caplog.messages) == 4


@pytest.mark.parametrize("split", ["train", "eval"])
def test_a_split_with_one_class_is_named(tmp_path, split):
    splits = {"train": _dataset(1), "eval": _dataset(2)}
    splits[split] = dataclasses.replace(splits[split], labels=np.zeros(64, np.float32))
    with pytest.raises(ValueError, match=f"The {split} split has 0 positive examples among 64"):
        train_network(
            _network(), splits["train"], splits["eval"], options=OPTIONS, log_dir=tmp_path
        )


def test_balanced_weights_make_both_classes_add_up_to_half_of_the_examples():
    # 1 of 5 positive: 5 / (2 * 4) = 0.625 and 5 / (2 * 1) = 2.5.
    labels = np.array([1, 0, 0, 0, 0], np.float32)
    assert class_weights(labels, TrainOptions()) == {0: 0.625, 1: 2.5}
    assert class_weights(labels, TrainOptions(class_weight="none")) is None


@pytest.mark.parametrize(
    ("kind", "group", "groups"),
    [
        ("recall_at_false_alarm_rate", "tool", [0, 1, 0]),
        ("recall_at_false_alarm_rate", None, None),
        ("best_f1", "tool", None),
    ],
)
def test_eval_has_its_groups_where_the_threshold_promises_a_rate(tmp_path, kind, group, groups):
    made = [tf.train.Example() for _ in range(3)]
    for one, tool in zip(made, (b"a", b"b", b"a"), strict=True):
        one.features.feature["tool"].bytes_list.value.append(tool)
    write_split(tmp_path, "eval", [one.SerializeToString() for one in made])
    rule = ThresholdRule(kind=kind, value=0.1)
    folds = FoldRule(strategy="group" if group else "stratified", column=group)
    spec = ModelSpec(label="y", features={}, train=OPTIONS, threshold=rule, folds=folds)

    def transform(batch):
        zeros = tf.zeros([tf.shape(batch)[0], 1])
        return {"x": zeros, LABEL_NAME: zeros, "sampling_shift": zeros}

    evaluation = read_eval([f"{tmp_path}/Split-eval/*"], transform, spec)
    assert len(evaluation.labels) == 3
    assert (None if evaluation.groups is None else evaluation.groups.tolist()) == groups
