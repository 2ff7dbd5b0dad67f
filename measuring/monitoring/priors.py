"""The prevalence in production, estimated from scores without labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

_SEED = 20_261_127
# Up to so many rows, each is a bin of its own; beyond, a bin has rows of similar probability.
_MAX_BINS = 1_024
_GRID = 257
_NEGLIGIBLE = 18.0  # exp(-18) = 1.5e-8 of the largest likelihood


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreBins:
    """Rows of a chunk by probability, the highest first.

    Attributes:
        probability: float64 `[bins]`, mean calibrated probability of a fault.
        count: int64 `[bins]`, rows.
        alarm: bool `[bins]`, the model's decision.
    """

    probability: Floats
    count: NDArray[np.int64]
    alarm: NDArray[np.bool_]

    @classmethod
    def of(cls, probabilities: Floats, decisions: NDArray[np.generic]) -> "ScoreBins":
        """Bins the rows: beyond one row, a bin has at most 1/512 of the expected faults.

        Args:
            probabilities: float64 `[n]` in [0, 1], n > 0, calibrated.
            decisions: `[n]`, 1 for an alarm.

        Raises:
            ValueError: No row, or a probability outside [0, 1].
        """
        probabilities = np.asarray(probabilities, np.float64)
        if not len(probabilities) or not ((probabilities >= 0) & (probabilities <= 1)).all():
            raise ValueError("Probabilities must be in [0, 1], at least one. Drop failed requests.")
        order = np.argsort(-probabilities, kind="stable")
        p, alarm = probabilities[order], np.asarray(decisions)[order] == 1
        places = np.arange(len(p))
        if len(p) > _MAX_BINS:
            mass = np.cumsum(p / max(p.sum(), 1e-300) + 1 / len(p)) / 2
            places = np.minimum((mass * _MAX_BINS).astype(np.int64), _MAX_BINS - 1)
        _, places = np.unique(2 * places + ~alarm, return_inverse=True)
        count = np.bincount(places)
        return cls(
            probability=np.bincount(places, p) / count,
            count=count,
            alarm=np.bincount(places, alarm) > 0,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PriorShift:
    """A change of the prevalence since training.

    Attributes:
        trained: Prevalence for which the probabilities are calibrated.
        prior: Estimate of the prevalence in production.
        lower: Lower limit of its interval.
        upper: Upper limit.
        draws: float64 `[draws]` from the uncertainty of the prior.
    """

    trained: float
    prior: float
    lower: float
    upper: float
    draws: Floats

    @property
    def has_moved(self) -> bool:
        """Whether the interval excludes the prevalence of training."""
        return not self.lower <= self.trained <= self.upper

    def correct(self, probabilities: Floats, priors: Floats | float) -> Floats:
        """Returns the probabilities under another prior; arguments broadcast.

        p' is proportional to p q / trained, and 1 - p' to (1 - p) (1 - q) / (1 - trained).
        """
        odds = special.logit(probabilities) + special.logit(priors) - special.logit(self.trained)
        return np.asarray(special.expit(odds), np.float64)


def estimate_prior(
    bins: ScoreBins, trained: float, *, confidence: float = 0.95, num_draws: int = 1_000
) -> PriorShift:
    """Estimates the prevalence of a chunk by expectation maximisation.

    q becomes the mean of the probabilities under prior q until it no longer changes. The result has
    the largest likelihood, if only the prevalence changed: the distributions of the scores of
    healthy and of faulty rows did not. The uncertainty is the posterior under Jeffreys' prior of
    a proportion, from the same likelihood, so that it holds near 0 as well.

    Args:
        bins: The chunk.
        trained: Prevalence for which the probabilities are calibrated, in (0, 1).
        confidence: Two-sided confidence of the interval.
        num_draws: Draws from the posterior.

    Raises:
        ValueError: `trained` is not in (0, 1).

    References:
        Saerens, Latinne & Decaestecker (2002), Adjusting the outputs of a classifier to new a
        priori probabilities: a simple procedure, Neural Computation 14. Alexandari, Kundaje &
        Shrikumar (2020), Maximum likelihood with bias-corrected calibration is hard-to-beat at
        label shift adaptation, ICML: the likelihood is concave.
    """
    if not 0 < trained < 1:
        raise ValueError(f"The prevalence of training must be in (0, 1), got {trained}.")
    logits, weights = _posterior(bins, trained)
    below = np.cumsum(weights) - weights / 2
    tail = (1 - confidence) / 2
    lower, upper = special.expit(np.interp([tail, 1 - tail], below, logits))
    rng = np.random.default_rng(_SEED)
    return PriorShift(
        trained=trained,
        prior=_maximum(bins, trained),
        lower=float(lower),
        upper=float(upper),
        draws=special.expit(np.interp(rng.random(num_draws), below, logits)),
    )


def _maximum(bins: ScoreBins, trained: float) -> float:
    """The fixed point of the expectation maximisation, by bisection of its steps.

    The likelihood is concave, so that a step leads upwards below its maximum and downwards above.
    """
    faulty = bins.probability / trained
    healthy = (1 - bins.probability) / (1 - trained)
    low, high = 0.0, 1.0
    for _ in range(60):
        q = (low + high) / 2
        step = bins.count @ (q * faulty / (q * faulty + (1 - q) * healthy)) / bins.count.sum()
        low, high = (q, high) if step > q else (low, q)
    return (low + high) / 2


def _posterior(bins: ScoreBins, trained: float) -> tuple[Floats, Floats]:
    """Logits of priors, `[grid]`, and their probabilities, on a grid that covers nearly all."""
    low, high = -23.0, 23.0
    for _ in range(4):
        logits = np.linspace(low, high, _GRID)
        logs = _log_posterior(bins, trained, logits)
        likely = np.flatnonzero(logs > logs.max() - _NEGLIGIBLE)
        low, high = logits[max(likely[0] - 1, 0)], logits[min(likely[-1] + 1, _GRID - 1)]
    weights = np.exp(logs - logs.max())
    return logits, weights / weights.sum()


def _log_posterior(bins: ScoreBins, trained: float, logits: Floats) -> Floats:
    q = special.expit(logits)[:, None]
    faulty = bins.probability / trained
    healthy = (1 - bins.probability) / (1 - trained)
    likelihood = np.log(q * faulty + (1 - q) * healthy) @ bins.count
    # Beta(1/2, 1/2) as a density of the logit.
    prior = 0.5 * (special.log_expit(logits) + special.log_expit(-logits))
    return np.asarray(likelihood + prior, np.float64)
