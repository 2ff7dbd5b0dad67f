"""The branch of the network for pictures, with and without a backbone."""

import re

import numpy as np
import pytest

pytestmark = [
    pytest.mark.tensorflow,
    # Keras 3.15 saves TensorFlow's variables by a protocol older than NumPy 2's.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
]


def network(shape, backbone=None, filters=(8, 16)):
    import keras

    from models.training.media.picture_branch import picture_branch

    picture = keras.Input(shape, name="picture")
    features = picture_branch(picture, filters, name="photo", backbone=backbone)
    return keras.Model({"picture": picture}, keras.layers.Dense(1)(features))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A Keras file, and a SavedModel, of a model from `[16, 16, 3]` to `[14, 14, 4]`."""
    import keras

    folder = tmp_path_factory.mktemp("saved")
    picture = keras.Input((16, 16, 3))
    model = keras.Model(picture, keras.layers.Conv2D(4, 3)(picture))
    model.save(folder / "model.keras")
    model.export(folder / "model", verbose=False)
    return {"keras": str(folder / "model.keras"), "tensorflow": str(folder / "model")}


@pytest.mark.parametrize("shape", [(8, 8, 1), (40, 24, 3), (64, 64, 1)])
def test_pictures_of_any_size_become_the_mean_and_the_maximum_of_the_last_filters(shape):
    model = network(shape)
    assert model.layers[-1].input.shape == (None, 2 * 16)
    answers = model.predict_on_batch({"picture": np.random.default_rng(0).random((3, *shape))})
    assert np.isfinite(answers).all()
    assert len(np.unique(answers)) == 3


def test_the_branch_learns_to_see_a_small_dark_spot():
    import keras

    rng = np.random.default_rng(0)
    pictures = rng.normal(0.5, 0.05, (96, 16, 16, 1)).astype(np.float32)
    labels = np.arange(96) % 3 == 0
    for place in np.flatnonzero(labels):
        row, column = rng.integers(1, 13, 2)
        pictures[place, row : row + 3, column : column + 3] -= 0.3
    keras.utils.set_random_seed(0)
    model = network((16, 16, 1))
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    data = {"picture": pictures}
    model.fit(data, labels[:, None], epochs=30, batch_size=16, verbose=0)
    answers = model.predict_on_batch(data)[:, 0]
    assert answers[labels].min() > answers[~labels].max()


@pytest.mark.parametrize("form", ["keras", "tensorflow"])
def test_a_backbone_makes_the_first_layers_and_keeps_its_weights(saved, form):
    import keras

    model = network((16, 16, 3), saved[form])
    own = [v.path for v in model.trainable_variables]
    assert len(own) == 2  # kernel and bias of the last layer
    assert model.layers[-1].input.shape == (None, 2 * 4)
    backbone = keras.saving.load_model(saved["keras"])
    pictures = np.random.default_rng(0).random((2, 16, 16, 3)).astype(np.float32)
    features = backbone.predict_on_batch(pictures)
    pooled = np.concatenate([features.mean((1, 2)), features.max((1, 2))], axis=1)
    kernel, bias = model.layers[-1].get_weights()
    answers = model.predict_on_batch({"picture": pictures})
    np.testing.assert_allclose(answers, pooled @ kernel + bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["keras", "tensorflow"])
def test_an_export_carries_the_backbone_along(saved, form, tmp_path):
    import tensorflow as tf

    from models.exporting.scorers import NetworkScorer
    from models.inputs.encoding import IndexSpace

    model = network((16, 16, 3), saved[form])
    module = tf.Module()
    module.parts = NetworkScorer(model, IndexSpace(0, ())).variables
    module.answer = tf.function(
        lambda picture: model({"picture": picture}, training=False),
        input_signature=[tf.TensorSpec([None, 16, 16, 3])],
    )
    tf.saved_model.save(module, str(tmp_path / "exported"))
    pictures = np.random.default_rng(0).random((2, 16, 16, 3)).astype(np.float32)
    again = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(
        again.answer(pictures), model.predict_on_batch({"picture": pictures}), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("form", ["keras", "tensorflow"])
@pytest.mark.parametrize("shape", [(8, 16, 3), (16, 16, 1)])
def test_a_backbone_for_other_pictures_is_refused_with_both_shapes(saved, form, shape):
    message = re.escape(f"takes [16, 16, 3], and the pictures are {list(shape)}")
    with pytest.raises(ValueError, match=message):
        network(shape, saved[form])


def test_a_backbone_that_is_not_there_or_gives_no_features_is_refused(tmp_path):
    import keras

    with pytest.raises(ValueError, match=r"nowhere.keras is neither a `.keras` file nor"):
        network((16, 16, 3), str(tmp_path / "nowhere.keras"))
    picture = keras.Input((16, 16, 3))
    rows = keras.layers.Reshape((16, 48))(picture)
    keras.Model(picture, rows).save(tmp_path / "rows.keras")
    with pytest.raises(ValueError, match=r"gives \[16, 48\]; it must give one tensor"):
        network((16, 16, 3), str(tmp_path / "rows.keras"))
