import json

import numpy as np
import pytest
import tensorflow as tf

from pipeline.explaining.attribution import integrated_gradients, load_probability, mean_baseline


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A logistic model of a signal's mean, a number and a text, exported as ours are."""

    class Logistic(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None, 4], tf.float32, "column_0"),
                tf.TensorSpec([None], tf.float32, "column_1"),
                tf.TensorSpec([None], tf.string, "column_2"),
            ],
            autograph=False,
        )
        def serve(self, signal, number, text):
            clean = tf.where(tf.math.is_nan(signal), 0.0, signal)
            bonus = tf.where(tf.equal(text, "x"), 1.0, 0.0)
            logit = tf.reduce_sum(clean, axis=1) + tf.square(number) + bonus
            return {"probability": tf.sigmoid(logit)[:, None]}

    folder = tmp_path_factory.mktemp("model")
    module = Logistic()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    (folder / "assets.extra").mkdir()
    info = {"inputs": ["signal", "number", "text"]}
    (folder / "assets.extra" / "model_info.json").write_text(json.dumps(info))
    return load_probability(folder)


def _columns(signal, number, text="x"):
    return {
        "signal": np.array([signal], np.float32),
        "number": np.array([number], np.float32),
        "text": np.array([text.encode()], object),
    }


BASELINE = {"signal": np.zeros(4, np.float32), "number": np.float32(0.5)}


def test_the_parts_add_up_to_the_difference_of_the_probabilities(model):
    found = integrated_gradients(model, _columns([0.5, -0.2, 0.3, 0.0], 1.2), BASELINE)

    assert found.probability != pytest.approx(found.baseline_probability, abs=0.1)
    assert abs(found.gap) < 1e-4
    assert found.parts["signal"].shape == (4,)


def test_a_part_has_its_numbers_share_and_sign(model):
    found = integrated_gradients(model, _columns([0.4, -0.2, 0.0, 0.0], 0.5), BASELINE)

    first, second, *others = found.parts["signal"]
    assert first == pytest.approx(-2 * second, rel=1e-4)
    assert first > 0
    assert others == [0, 0]
    assert found.parts["number"] == 0


def test_a_missing_sample_has_no_part_and_breaks_nothing(model):
    found = integrated_gradients(model, _columns([0.4, np.nan, 0.0, 0.0], 0.9), BASELINE)

    assert found.parts["signal"][1] == 0
    assert abs(found.gap) < 1e-4


def test_the_baseline_is_the_mean_of_what_is_there():
    columns = {
        "signal": np.array([[1, np.nan], [3, np.nan]], np.float32),
        "number": np.array([2, 4], np.float32),
        "text": np.array([b"a", b"b"], object),
    }

    baseline = mean_baseline(columns)

    assert set(baseline) == {"signal", "number"}
    assert baseline["signal"].tolist() == [2, 0]
    assert baseline["number"] == 3


def test_a_gradient_that_is_no_number_is_an_error_and_not_an_effect_of_0():
    def probability(columns):
        return tf.sqrt(columns["a"] - columns["a"])  # 0, with a gradient of infinity times 0

    example = {"a": np.array([1.0], np.float32)}
    with pytest.raises(ValueError, match="no finite gradient by `a`"):
        integrated_gradients(probability, example, {"a": np.array(0.5, np.float32)})
