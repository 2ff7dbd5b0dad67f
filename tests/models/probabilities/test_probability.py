"""The probability in a graph is the probability in NumPy, for every part of it."""

import numpy as np
import pytest
import tensorflow as tf

from models.probabilities.calibration import Isotonic, PlattScaling
from models.probabilities.correction import LogitCorrection
from models.probabilities.probability import ProbabilityMap, shift_in_graph
from models.probabilities.sampling import SamplingShift

LOGITS = np.concatenate([np.linspace(-12, 12, 97), [-600.0, 600.0, -1.0, 0.0, 2.0]])


@pytest.mark.parametrize(
    "mapping",
    [
        pytest.param(ProbabilityMap(), id="nothing"),
        pytest.param(
            ProbabilityMap(
                correction=LogitCorrection(
                    focal_gamma=2.0, class_weight=-1.5, sampling=SamplingShift(rest=-2.3)
                ),
                calibration=PlattScaling(slope=0.8, intercept=0.2),
            ),
            id="all of the correction",
        ),
        pytest.param(
            # Logits that lie on a joint are among those asked for.
            ProbabilityMap(
                calibration=Isotonic(
                    logits=(-1.0, 0.0, 0.5, 2.0), probabilities_at=(0.01, 0.1, 0.1, 0.9)
                )
            ),
            id="isotonic",
        ),
        pytest.param(
            ProbabilityMap(calibration=Isotonic(logits=(1.0,), probabilities_at=(0.3,))),
            id="isotonic of one level",
        ),
    ],
)
def test_the_graph_answers_as_numpy_does(mapping):
    served = mapping.in_graph(tf.constant(LOGITS[:, None], tf.float64), {})
    expected = mapping.probabilities(LOGITS, mapping.correction.sampling.rest)
    assert served.numpy()[:, 0] == pytest.approx(expected, abs=1e-12)


SHIFT = SamplingShift(by="maker", strata={"a": -1.0, "7": -0.5}, rest=-3.0)


def _sparse(values: list, dtype: tf.DType) -> tf.SparseTensor:
    rows = [[row, 0] for row, value in enumerate(values) if value is not None]
    present = [value for value in values if value is not None]
    return tf.SparseTensor(rows, tf.constant(present, dtype), [len(values), 1])


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        pytest.param(tf.constant([["a"], ["b"], [""]]), [-1, -3, -3], id="text"),
        pytest.param(tf.constant([[7], [8]], tf.int64), [-0.5, -3], id="whole numbers"),
        pytest.param(_sparse(["a", None], tf.string), [-1, -3], id="text, missing"),
        pytest.param(_sparse([None, 7], tf.int64), [-3, -0.5], id="whole numbers, missing"),
    ],
)
def test_each_example_is_shifted_by_the_rate_of_its_stratum(column, expected):
    shift = shift_in_graph(SHIFT, {"maker": column}).numpy()
    assert shift.shape == (len(expected), 1)
    assert shift[:, 0] == pytest.approx(expected)
