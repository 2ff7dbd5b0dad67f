"""Correction of logits for sampling, class weights and focal loss in training."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.probabilities.sampling import SamplingShift

Floats = NDArray[np.float64]
# Beyond it, 1 + e^-z equals 1 in float64.
FAR = 500.0


@dataclass(frozen=True, kw_only=True)
class LogitCorrection:
    """logit p = unfocus(logit) + class_weight + sampling(stratum).

    Attributes:
        focal_gamma: Gamma of the focal loss that the network was trained with; 0 is cross-entropy.
        class_weight: Added for the class weights of the loss: -ln(w_positive / w_negative). The
            weighted loss is least where the odds are that ratio times the true ones.
        sampling: Added for the negatives that were left out.
    """

    focal_gamma: float = 0.0
    class_weight: float = 0.0
    sampling: SamplingShift = field(default_factory=SamplingShift)

    def apply(self, logits: Floats, shift: Floats | float = 0.0) -> Floats:
        """Returns the corrected logits.

        Args:
            logits: float64 `[n]`, outputs of the network.
            shift: float64 `[n]` or one number, what `sampling` adds to each; see
                `probability.shift_in_graph`.
        """
        return unfocus(logits, self.focal_gamma) + self.class_weight + shift


def unfocus(logits: Floats, gamma: float) -> Floats:
    """Returns the true logits where focal loss is least at `logits`.

    The risk p * l(q) + (1 - p) * l(1 - q) with l(q) = -(1 - q)^gamma * ln q is least where
    p / (1 - p) = l'(1 - q) / l'(q). With z = logit q and f(z) = ln(1 + e^z) * e^-z that is
    logit p = (1 + gamma) z + ln(1 + gamma f(z)) - ln(1 + gamma f(-z)): focal loss makes a model
    less confident than it should be, by a known and monotone amount.

    Args:
        logits: float64 of any shape.
        gamma: >= 0.

    References:
        Lin et al. (2017), Focal loss for dense object detection. Charoenphakdee et al. (2021), On
        focal loss for class-posterior probability estimation: a theoretical perspective.
    """
    z = np.clip(logits, -FAR, FAR)
    return np.asarray(
        (1 + gamma) * logits + np.log1p(gamma * _f(z)) - np.log1p(gamma * _f(-z)), np.float64
    )


def _f(z: Floats) -> Floats:
    return np.asarray(np.logaddexp(0.0, z) * np.exp(-z), np.float64)
