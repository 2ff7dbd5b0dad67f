"""A score test and a rate's effective trials for examples in groups, which are not independent."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from measuring.intervals import effective_groups, effective_trials

Floats = NDArray[np.float64]


def grouped_score_p_value(
    labels: NDArray[np.int64],
    probability: Floats,
    members: NDArray[np.bool_],
    groups: NDArray[np.int64],
) -> float:
    """Returns the two-sided p-value of the faults among some examples, given their probabilities.

    The score is that of an indicator of the members in a logistic regression beside intercept and
    logit. Its variance is that of the sums of whole groups around their common effect, as the
    jackknife has it, but at least what the likeness of residuals within groups implies. A group
    that holds most of the members, or most of the variance, leaves no degree of freedom: what is
    special about one group cannot be told from what its members have in common.

    Args:
        labels: `[n]` of 0 and 1.
        probability: `[n]` in (0, 1), recalibrated on these examples.
        members: `[n]`, which examples have the factor in question.
        groups: `[n]` in 0, 1, …, equal for dependent examples.

    References:
        Liang & Zeger (1986), Longitudinal data analysis using generalized linear models,
        Biometrika 73, for the variance; Bell & McCaffrey (2002), Bias reduction in standard errors
        for linear regression with multi-stage samples, Survey Methodology 28, and Carter, Schnepel
        & Steigerwald (2017), Asymptotic behavior of a t-test robust to cluster heterogeneity,
        Review of Economics and Statistics 99, for few and unequal groups.
    """
    variance = probability * (1 - probability)
    weights = _beside_logit(members, probability, variance)
    residuals = labels - probability
    scores = np.bincount(groups, weights * residuals)
    parts = np.bincount(groups, weights**2 * variance)
    together = np.bincount(groups, weights * np.sqrt(variance)) ** 2
    likeness = _likeness(residuals, variance, groups)
    expected = parts + likeness * (together - parts)
    shares = expected / expected.sum()
    freedom = effective_groups(shares) - 1
    if freedom < 1:
        return 1.0
    score = float(scores.sum())
    deviations = (scores - score * parts / parts.sum()) / (1 - shares)
    spread = math.sqrt(max(float((deviations**2).sum()), float(expected.sum())))
    return float(2 * stats.t.sf(abs(score) / spread, freedom))


def _beside_logit(members: NDArray[np.bool_], probability: Floats, variance: Floats) -> Floats:
    """The indicator less its weighted regression on intercept and logit."""
    logits = np.log(probability) - np.log1p(-probability)
    design = np.stack([np.ones_like(logits), logits - logits.mean()], axis=1)
    root = np.sqrt(variance)
    fit, *_ = np.linalg.lstsq(design * root[:, None], members * root)
    return np.asarray(members - design @ fit, np.float64)


def _likeness(residuals: Floats, variance: Floats, groups: NDArray[np.int64]) -> float:
    """The correlation of two standardised residuals of one group, by moments, in [0, 1]."""
    sums = np.bincount(groups, residuals) ** 2 - np.bincount(groups, residuals**2)
    units = np.bincount(groups, np.sqrt(variance)) ** 2 - np.bincount(groups, variance)
    total = float(units.sum())
    return min(max(float(sums.sum()) / total, 0.0), 1.0) if total > 0 else 0.0


def rare_trials(errors: Floats, trials: Floats, confidence: float) -> tuple[float, float]:
    """Returns effective trials and errors for the upper limit of a rate that few groups decide.

    If most errors come from few groups, the groups of another sample may have far more. The group
    with the most errors is therefore counted twice, as a group that this sample lacks, and the
    degrees of freedom are also those of the groups that have errors.

    Args:
        errors: float64 `[groups]`, at least one in all.
        trials: float64 `[groups]`.
        confidence: One-sided confidence of the limit, in [0.5, 1).

    Returns:
        The effective trials and the effective errors among them.

    References:
        As for `measuring.intervals.effective_trials`; Good (1953), The population frequencies of
        species and the estimation of population parameters, Biometrika 40, for the group.
    """
    worst = int(np.argmax(errors))
    errors, trials = np.append(errors, errors[worst]), np.append(trials, trials[worst])
    worth = effective_trials(errors, trials, 2 * confidence - 1)
    freedom = max(effective_groups(errors) - 1, 0.5)
    worth *= (stats.norm.ppf(confidence) / stats.t.ppf(confidence, freedom)) ** 2
    return worth, worth * float(errors.sum()) / float(trials.sum())
