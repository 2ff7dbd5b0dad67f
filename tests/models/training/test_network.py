import keras
import numpy as np
import pytest

from models.features import (
    Audio,
    Bucketized,
    Categorical,
    FeatureTable,
    Image,
    Numeric,
    Signal,
)
from models.inputs.encoding import IndexSpace, encodings
from models.train_options import TrainOptions
from models.training.network import build_network, embedding_width

# Wide enough that not all units of the head are off for every input.
OPTIONS = TrainOptions(hidden_units=(16,), filters=(3, 3, 3))


def _build(table: FeatureTable, options: TrainOptions = OPTIONS):
    return build_network(IndexSpace(5, tuple(encodings(table))), options)


@pytest.mark.parametrize(
    ("table", "shapes"),
    [
        pytest.param({"a": Numeric(), "b": Numeric()}, {"dense": (None, 4)}, id="numbers"),
        pytest.param({"a": Categorical(), "b": Bucketized()}, {"index": (None, 2)}, id="indices"),
        pytest.param({"a": Signal(num_samples=2)}, {"signal_2": (None, 2, 3)}, id="shortest"),
        pytest.param(
            {"a": Signal(num_samples=10_000)}, {"signal_10000": (None, 10_000, 3)}, id="long"
        ),
        pytest.param(
            {"a": Signal(num_samples=64), "b": Signal(num_samples=64)},
            {"signal_64": (None, 64, 6)},
            id="channels of one recording",
        ),
        pytest.param(
            {"a": Signal(num_samples=64), "b": Signal(num_samples=8), "c": Numeric()},
            {"signal_64": (None, 64, 3), "signal_8": (None, 8, 3), "dense": (None, 2)},
            id="both branches",
        ),
        pytest.param(
            {
                "a": Image(height=8, width=12, channels=1),
                "b": Image(height=32, width=8),
                "c": Audio(sampling_rate_hz=1_000, duration_s=0.1, num_mels=4),
                "d": Signal(num_samples=8),
                "e": Numeric(),
            },
            {
                "image_a_xf": (None, 8, 12, 1),
                "image_b_xf": (None, 32, 8, 3),
                # Frames of 32 samples every 16: 1 + (100 - 32) // 16.
                "audio_c_xf": (None, 5, 4),
                "signal_8": (None, 8, 3),
                "dense": (None, 2),
            },
            id="pictures, a sound, a signal and a number",
        ),
    ],
)
def test_any_mix_of_features_gives_one_finite_logit_that_follows_the_input(table, shapes):
    keras.utils.set_random_seed(0)
    network = _build(table)
    assert {name: tensor.shape for name, tensor in network.input.items()} == shapes
    random = np.random.default_rng(0)
    # The index space has five indices; an index is a whole number below 5.
    draw = {"index": lambda size: random.integers(0, 5, size)}
    inputs = {
        name: draw.get(name, random.normal)(size=(8, *shape[1:])) for name, shape in shapes.items()
    }
    logits = np.asarray(network(inputs))
    assert logits.shape == (8, 1)
    assert np.isfinite(logits).all()
    assert np.unique(logits).size > 1


@pytest.mark.parametrize("name", ["dense", "index", "signal_8"])
def test_every_branch_reaches_the_logit(name):
    network = _build({"a": Numeric(), "b": Categorical(), "c": Signal(num_samples=8)})
    inputs = {"dense": np.zeros((1, 2)), "index": np.zeros((1, 1)), "signal_8": np.zeros((1, 8, 3))}
    before = np.asarray(network(inputs))
    # Several values, for a unit that is off for one of them is on for another.
    changed = [np.asarray(network(inputs | {name: inputs[name] + step})) for step in (1, 2, 3)]
    assert any((after != before).any() for after in changed)


def test_without_hidden_layers_the_network_is_a_linear_model():
    network = _build({"a": Numeric(), "b": Signal(num_samples=8)}, TrainOptions(hidden_units=()))
    assert [layer.name for layer in network.layers if "tabular" in layer.name] == []
    assert np.asarray(
        network({"dense": np.zeros((1, 2)), "signal_8": np.zeros((1, 8, 3))})
    ).shape == (1, 1)


def test_embedding_width_grows_slowly_and_is_bounded():
    # 1.6 * 10^0.56 = 5.81.
    assert embedding_width(10) == 6
    assert embedding_width(1) == 2
    assert embedding_width(10**6) == 16
