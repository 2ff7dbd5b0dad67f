"""Conversion of the network's logit to the served probability, in NumPy and in a graph."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import tensorflow as tf

from models.inputs.preprocessing import category_text
from models.probabilities.calibration import NO_CALIBRATION, Calibration, Isotonic
from models.probabilities.correction import FAR, Floats, LogitCorrection
from models.probabilities.sampling import SamplingShift


@dataclass(frozen=True, kw_only=True)
class ProbabilityMap:
    """Correction, then calibration.

    Attributes:
        correction: Undoes the known effects of training on the logits.
        calibration: Corrects the rest; fitted on eval, which has the natural prevalence.
    """

    correction: LogitCorrection = field(default_factory=LogitCorrection)
    calibration: Calibration = NO_CALIBRATION

    def probabilities(self, logits: Floats, shift: Floats | float = 0.0) -> Floats:
        """Returns the probabilities of the network's logits `[n]`; see `LogitCorrection.apply`."""
        return self.calibration.probabilities(self.correction.apply(logits, shift))

    def in_graph(self, logit: tf.Tensor, raw: Mapping[str, Any]) -> tf.Tensor:
        """Computes `probabilities` with core operations of TensorFlow.

        Args:
            logit: float64 `[batch, 1]`.
            raw: Parsed raw columns; the column of the sampling is used.
        """
        corrected = unfocused(logit, self.correction)
        shift = shift_in_graph(self.correction.sampling, raw)
        return _calibrated(corrected + shift, self.calibration)

    def to_json(self) -> dict[str, Any]:
        """Returns plain values for a JSON document."""
        return {"correction": asdict(self.correction), "calibration": asdict(self.calibration)}


def unfocused(logit: tf.Tensor, correction: LogitCorrection) -> tf.Tensor:
    """Returns a logit without the effects of the loss and of the class weights, in the graph."""
    return _unfocus(logit, correction.focal_gamma) + correction.class_weight


def _unfocus(logit: tf.Tensor, gamma: float) -> tf.Tensor:
    if not gamma:
        return logit
    z = tf.clip_by_value(logit, -FAR, FAR)
    forth, back = (tf.math.softplus(side) * tf.exp(-side) for side in (z, -z))
    return (1 + gamma) * logit + tf.math.log1p(gamma * forth) - tf.math.log1p(gamma * back)


def shift_in_graph(sampling: SamplingShift, raw: Mapping[str, Any]) -> tf.Tensor:
    """Returns the shift of the logits by a sampling: float64 `[batch, 1]`, or `[]` if constant.

    Args:
        sampling: The shift of each stratum.
        raw: Parsed raw columns.
    """
    rest = tf.constant(sampling.rest, tf.float64)
    if sampling.by is None:
        return rest
    text = category_text(raw[sampling.by])
    shift = tf.fill(tf.shape(text), rest)
    for value, own in sampling.strata.items():
        shift = tf.where(tf.equal(text, value), tf.constant(own, tf.float64), shift)
    return shift


def _calibrated(logit: tf.Tensor, calibration: Calibration) -> tf.Tensor:
    if isinstance(calibration, Isotonic):
        return _interpolated(logit, calibration)
    return tf.sigmoid(calibration.slope * logit + calibration.intercept)


def _interpolated(logit: tf.Tensor, isotonic: Isotonic) -> tf.Tensor:
    """`np.interp` in the graph: a search and two look-ups."""
    places = tf.constant(isotonic.logits, tf.float64)
    values = tf.constant(isotonic.probabilities_at, tf.float64)
    flat = tf.reshape(logit, [-1])
    inside = tf.clip_by_value(flat, places[0], places[-1])
    right = tf.searchsorted(places, inside, side="left")
    left = tf.maximum(right - 1, 0)
    width = tf.gather(places, right) - tf.gather(places, left)
    part = tf.math.divide_no_nan(inside - tf.gather(places, left), width)
    low = tf.gather(values, left)
    return tf.reshape(low + part * (tf.gather(values, right) - low), tf.shape(logit))
