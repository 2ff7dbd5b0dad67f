"""Closed-form confidence intervals for few faults, where bootstrap intervals are too narrow.

If all of ten faults are found, the bootstrap interval is [1, 1]; the exact one is [0.69, 1].
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

Interval = tuple[float, float]

UNKNOWN: Interval = (math.nan, math.nan)


def proportion_interval(successes: float, trials: float, confidence: float) -> Interval:
    """Returns the exact interval of a proportion; unknown without trials.

    >>> lower, upper = proportion_interval(10, 11, 0.95)
    >>> f"{lower:.3f} to {upper:.3f}"
    '0.587 to 0.998'

    Args:
        successes: In [0, trials]; fractional if `trials` is an effective number.
        trials: Number of trials.
        confidence: Two-sided confidence, in (0, 1).

    References:
        Clopper & Pearson (1934), The use of confidence or fiducial limits illustrated in the case
        of the binomial, Biometrika 26, in the form of beta quantiles.
    """
    if trials <= 0:
        return UNKNOWN
    tail, failures = (1 - confidence) / 2, max(trials - successes, 0.0)
    lower = stats.beta.ppf(tail, successes, failures + 1) if successes > 0 else 0.0
    upper = stats.beta.ppf(1 - tail, successes + 1, failures) if failures > 0 else 1.0
    return float(lower), float(upper)


def effective_trials(
    successes: NDArray[np.float64], trials: NDArray[np.float64], confidence: float
) -> float:
    """Returns the effective number of independent trials in groups, at most all of them.

    Args:
        successes: float64 `[groups]`.
        trials: float64 `[groups]`.
        confidence: Two-sided confidence of the interval computed from the result.

    References:
        Korn & Graubard (1998), Confidence intervals for proportions with small expected number of
        positive counts estimated from survey data, Survey Methodology 24: trials over the design
        effect, with a correction for few groups. The variance is the jackknife's, which does not
        let a large group hide its own deviation, and the degrees of freedom are those of unequal
        groups: Bell & McCaffrey (2002), Bias reduction in standard errors for linear regression
        with multi-stage samples, Survey Methodology 28; Carter, Schnepel & Steigerwald (2017),
        Asymptotic behavior of a t-test robust to cluster heterogeneity, Review of Economics and
        Statistics 99. If all or none succeed, the design effect is unknown; the groups then count
        as their effective number (Kish 1965, Survey Sampling), the worst case.
    """
    held = trials > 0
    successes, trials = successes[held], trials[held]
    total = float(trials.sum())
    if trials.size < 2:
        return float(trials.size)
    share = float(successes.sum()) / total
    if not 0 < share < 1:
        return effective_groups(trials)
    residuals = (successes - share * trials) / (1 - trials / total)
    variance = float(residuals @ residuals) / total**2
    if not variance:
        return total
    freedom = effective_groups(trials * (1 + (trials - 1) * _likeness(successes, trials))) - 1
    tail = 1 - (1 - confidence) / 2
    few = (stats.norm.ppf(tail) / stats.t.ppf(tail, freedom)) ** 2
    return float(min(total, share * (1 - share) / variance * few))


def effective_groups(sizes: NDArray[np.float64]) -> float:
    """Returns the number of equal groups that are worth as much as groups of these sizes.

    >>> effective_groups(np.array([9.0, 1.0, 1.0, 1.0]))  # 12^2 / (81 + 3)
    1.7142857142857142

    References:
        Kish (1965), Survey Sampling: (sum of sizes)^2 / sum of squared sizes.
    """
    squares = float(sizes @ sizes)
    return float(sizes.sum()) ** 2 / squares if squares else 0.0


def _likeness(successes: NDArray[np.float64], trials: NDArray[np.float64]) -> float:
    """The intraclass correlation of success by analysis of variance, in [0, 1]."""
    total, groups = float(trials.sum()), trials.size
    if total <= groups:
        return 0.0
    shares, share = successes / trials, float(successes.sum()) / total
    between = float(trials @ (shares - share) ** 2) / (groups - 1)
    within = float(trials @ (shares * (1 - shares))) / (total - groups)
    size = (total - float(trials @ trials) / total) / (groups - 1)
    spread = between + (size - 1) * within
    return min(max((between - within) / spread, 0.0), 1.0) if spread > 0 else 0.0


def score_interval(share: float, trials: float, confidence: float) -> Interval:
    """Returns Wilson's interval, for the area under a PR curve with `trials` positive examples.

    >>> lower, upper = score_interval(1.0, 5, 0.95)
    >>> f"{lower:.3f} to {upper:.3f}"
    '0.566 to 1.000'

    References:
        Wilson (1927), Probable inference, JASA 22. Boyd, Eng & Page (2013), Area under the
        precision-recall curve: point estimates and confidence intervals, ECML: the area taken as
        a proportion of the positive examples.
    """
    if trials <= 0 or not math.isfinite(share):
        return UNKNOWN
    z2 = stats.norm.ppf((1 + confidence) / 2) ** 2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def roc_auc_interval(
    area: float, positives: float, negatives: float, confidence: float
) -> Interval:
    """Returns the interval of ROC-AUC whose variance is evaluated at each limit.

    References:
        Newcombe (2006), Confidence intervals for an effect size measure based on the Mann-Whitney
        statistic, part 2, Statistics in Medicine 25, method 5; the variance is Hanley & McNeil's
        (1982), with the mean of both class sizes in its unsymmetric terms.
    """
    if not positives or not negatives or not math.isfinite(area):
        return UNKNOWN
    z = float(stats.norm.ppf((1 + confidence) / 2))
    mean = (positives + negatives) / 2

    def gap(limit: float, observed: float) -> float:
        """Distance of the limit below the area, minus the margin that its own error allows."""
        spread = (1 - limit) / (2 - limit) + limit / (1 + limit)
        variance = limit * (1 - limit) * (1 + (mean - 1) * spread)
        return observed - limit - z * math.sqrt(variance / (positives * negatives))

    def lower(observed: float) -> float:
        if observed <= 0:
            return 0.0
        # A limit of 1 has no error and would be a second root.
        return float(optimize.brentq(gap, 0.0, min(observed, 1 - 1e-9), args=(observed,)))

    # The variance is the same for an area and its complement.
    return lower(area), 1 - lower(1 - area)


def sum_interval(estimate: float, parts: list[tuple[float, float, Interval]]) -> Interval:
    """Returns the interval of a weighted sum, from the intervals of its independent parts.

    Args:
        estimate: The sum.
        parts: Weight, estimate and interval of each part.

    References:
        Zou & Donner (2008), Construction of confidence limits about effect measures: a general
        approach, Statistics in Medicine 27 (the "method of variance estimates recovery").
    """
    down = up = 0.0
    for weight, value, (lower, upper) in parts:
        below, above = weight * (value - lower), weight * (upper - value)
        down += (below if weight > 0 else above) ** 2
        up += (above if weight > 0 else below) ** 2
    return estimate - math.sqrt(down), estimate + math.sqrt(up)


def widest(*intervals: Interval) -> Interval:
    """Returns the smallest interval that contains all known ones.

    >>> widest((0.2, 0.5), UNKNOWN, (0.1, 0.4))
    (0.1, 0.5)
    """
    finite = [pair for pair in intervals if math.isfinite(pair[0]) and math.isfinite(pair[1])]
    if not finite:
        return UNKNOWN
    return min(lower for lower, _ in finite), max(upper for _, upper in finite)


def holm_rejected(p_values: Sequence[float], level: float, *, num_tests: int) -> list[bool]:
    """Returns which hypotheses are rejected so that any false rejection has at most the level.

    >>> holm_rejected([0.004, 0.03, 0.012], 0.025, num_tests=4)  # levels 0.025 / 4, / 3, / 2
    [True, False, False]

    Args:
        p_values: The smallest p values of the tests, at least those at or below the level.
        level: Probability of any false rejection.
        num_tests: All tests, >= the number of p values.

    References:
        Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal
        of Statistics 6.
    """
    rejected = [False] * len(p_values)
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[place] > level / (num_tests - rank):
            break
        rejected[place] = True
    return rejected


def mcnemar_p_value(lost: int, gained: int) -> float:
    """Returns the probability of at least so many losses if both models are equally good.

    >>> mcnemar_p_value(lost=5, gained=0)
    0.03125

    Args:
        lost: Right before and wrong now.
        gained: Wrong before and right now.

    References:
        McNemar (1947), Note on the sampling error of the difference between correlated
        proportions, Psychometrika 12; the exact, one-sided form.
    """
    if not lost + gained:
        return 1.0
    return float(stats.binomtest(lost, lost + gained, 0.5, alternative="greater").pvalue)
