"""Choice of the alarm threshold of a model."""

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from measuring.clusters import rare_trials
from measuring.events.scores import dispersion
from measuring.events.timeline import Timeline, false_alarms_above, healthy_times
from models.threshold_rule import PromisedRate, ThresholdRule

Floats = NDArray[np.float64]
Groups = NDArray[np.int64]
# With a lower confidence, the correction for few groups would be none.
_MIN_CONFIDENCE = 0.6
_DAY_S = 86_400
# Of more distinct scores, this many are tried, closest together at the highest.
_NUM_TRIED = 1_000


def choose_threshold(
    rule: ThresholdRule,
    probabilities: Floats,
    labels: Floats,
    groups: Groups | None = None,
    timeline: Timeline | None = None,
) -> float:
    """Returns the threshold; "faulty" means probability >= threshold.

    It is half-way between two scores, so that rounding to float32 decides nothing.

    Args:
        rule: How to find it.
        probabilities: float64 `[n]`, calibrated.
        labels: float64 `[n]` of 0 and 1, both present.
        groups: `[n]` in 0, 1, …, equal for dependent examples; None if all are independent.
        timeline: Where the examples are in time, if they are windows of streams.

    Raises:
        InputError: There are too few examples for what the rule promises.
    """
    if rule.kind == "given":
        return rule.value
    if rule.kind == "false_alarms_per_day":
        return _alarms_threshold(rule, probabilities, labels, timeline)
    if rule.kind == "best_f1":
        return best_f1_threshold(probabilities)
    num_positive = int(labels.sum())
    worth = None if groups is None else _worth_in_groups(rule, probabilities, labels, groups)
    num_errors = num_allowed_errors(
        rule, num_positive=num_positive, num_negative=labels.size - num_positive, worth=worth
    )
    steps = _Steps.of(probabilities, labels)
    if rule.kind == "recall_at_false_alarm_rate":
        # Every step finds at least as much as the one before: the last that is allowed is best.
        return steps.threshold(int(np.flatnonzero(steps.false <= num_errors)[-1]))
    enough = steps.found >= num_positive - num_errors
    precision = steps.found / np.maximum(steps.found + steps.false, 1)
    # At equal precision, the one that finds more faults.
    order = np.lexsort((steps.found, np.where(enough, precision, -1.0)))
    return steps.threshold(int(order[-1]))


def _alarms_threshold(
    rule: ThresholdRule, probabilities: Floats, labels: Floats, timeline: Timeline | None
) -> float:
    """The lowest threshold that, as every higher one, keeps the rate of false alarms.

    A threshold keeps it if the upper confidence limit of its rate on eval does. Lower thresholds
    are not looked at after the first that does not: where alarms join, their number falls, but
    nothing is gained. False alarms that cluster in some streams count as fewer, in less time.

    References:
        Garwood (1936), Fiducial limits for the Poisson distribution, Biometrika 28; for clusters,
        see `measuring.events.scores.dispersion`.
    """
    from scipy.stats import chi2

    if timeline is None:
        raise InputError(
            "threshold.false_alarms_per_day counts alarms in time, but the examples are not "
            "windows of streams. Set data.recordings.window, or choose another rule."
        )
    healthy_s = healthy_times(timeline)
    days = float(healthy_s.sum()) / _DAY_S
    least = -math.log(1 - rule.confidence) / rule.value
    if days < least:
        raise InputError(
            f"threshold.false_alarms_per_day {rule.value:g} cannot be promised with a confidence "
            f"of {rule.confidence:g}: that needs at least {least:,.3g} healthy days in eval, which "
            f"has {days:,.3g}. Bring more data, give eval a larger share in `split`, or set a "
            "higher number, a lower `threshold.confidence`, or another rule."
        )
    steps = _Steps.of(probabilities, labels)
    tried = np.unique(np.geomspace(1, steps.scores.size, _NUM_TRIED).astype(int))
    counts = false_alarms_above(timeline, probabilities, steps.scores[tried - 1])
    spread = np.array([dispersion(of_streams, healthy_s) for of_streams in counts])
    limits = spread / 2 * chi2.ppf(rule.confidence, 2 * counts.sum(axis=1) / spread + 2)
    exceeds = limits > rule.value * days
    num_kept = int(np.argmax(exceeds)) if exceeds.any() else tried.size
    return steps.threshold(int(tried[num_kept - 1]) if num_kept else 0)


def check_threshold(rule: ThresholdRule, *, num_positive: int, num_negative: int) -> None:
    """Checks that eval is large enough for what a rule promises.

    Args:
        rule: Any rule.
        num_positive: Faults in eval.
        num_negative: Healthy examples in eval.

    Raises:
        InputError: It is not.
    """
    if rule.kind in get_args(PromisedRate):
        num_allowed_errors(rule, num_positive=num_positive, num_negative=num_negative)


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What the examples of a class are worth as independent ones.

    Attributes:
        examples: The independent examples, > 0.
        per_error: The independent errors for each error among them.
    """

    examples: float
    per_error: float = 1.0


def num_allowed_errors(
    rule: ThresholdRule, *, num_positive: int, num_negative: int, worth: Worth | None = None
) -> int:
    """Returns the number of errors on eval up to which a rule keeps its promise.

    The errors are false alarms or missed faults, and their true rate is to be at most a. Of n
    examples of the class, the largest k with P(Bin(n, a) <= k) <= 1 - confidence may be errors: a
    threshold that passes the (k + 1)-th score from the wrong side has a true rate above a with at
    most that probability, whatever the distribution of the scores.

    Args:
        rule: `recall_at_false_alarm_rate` or `precision_at_recall`.
        num_positive: Faults in eval.
        num_negative: Healthy examples in eval.
        worth: What those of the class are worth; None if all are independent.

    Raises:
        InputError: Not even a threshold without errors keeps it.

    References:
        Tong, Feng & Li (2018), Neyman-Pearson classification algorithms and NP receiver operating
        characteristics (the umbrella algorithm). Its bound is that of Clopper & Pearson (1934); for
        groups, that of Korn & Graubard (1998), see `measuring.clusters.rare_trials`.
    """
    from scipy.stats import beta

    size = num_negative if _limits_alarms(rule) else num_positive
    worth = Worth(examples=float(size)) if worth is None else worth
    highest, doubt = _highest_rate(rule), 1 - rule.confidence
    errors = np.arange(math.floor(size * highest) + 1) * worth.per_error
    errors = errors[errors < worth.examples]
    # P(Bin(n, a) <= k) = P(Beta(n - k, k + 1) <= 1 - a).
    chances = beta.cdf(1 - highest, worth.examples - errors, errors + 1)
    allowed = np.flatnonzero(chances <= doubt)
    if not allowed.size:
        raise InputError(_too_few(rule, size, worth))
    return int(allowed[-1])


def _worth_in_groups(
    rule: ThresholdRule, probabilities: Floats, labels: Floats, groups: Groups
) -> Worth:
    """What the examples of a rule's class are worth.

    The errors that count are those at the threshold whose rate on eval is the rule's own.
    """
    limits_alarms = _limits_alarms(rule)
    rows = np.flatnonzero(labels == (0 if limits_alarms else 1))
    badness = probabilities[rows] if limits_alarms else -probabilities[rows]
    num_errors = max(math.floor(rows.size * _highest_rate(rule)), 1)
    worst = rows[np.argsort(-badness, kind="stable")[:num_errors]]
    size = int(groups.max()) + 1
    errors, examples = (
        np.bincount(groups[of], minlength=size).astype(np.float64) for of in (worst, rows)
    )
    worth, worth_of_errors = rare_trials(errors, examples, max(rule.confidence, _MIN_CONFIDENCE))
    return Worth(examples=worth, per_error=worth_of_errors / num_errors)


def _limits_alarms(rule: ThresholdRule) -> bool:
    """Whether the rule limits false alarms among the healthy, and not missed faults."""
    return rule.kind == "recall_at_false_alarm_rate"


def _highest_rate(rule: ThresholdRule) -> float:
    """The highest true rate of errors that the rule allows."""
    return rule.value if _limits_alarms(rule) else 1 - rule.value


def _too_few(rule: ThresholdRule, size: int, worth: Worth) -> str:
    limits_alarms = _limits_alarms(rule)
    needed = math.ceil(math.log(1 - rule.confidence) / math.log1p(-_highest_rate(rule)))
    examples = "healthy examples" if limits_alarms else "faults"
    advice = "a higher rate" if limits_alarms else "a lower recall"
    by_group = ""
    if worth.examples < size:
        by_group = f", in groups that are worth {worth.examples:,.0f} independent ones"
    return (
        f"threshold.{rule.kind} {rule.value:g} cannot be promised with a confidence of "
        f"{rule.confidence:g}: that needs at least {needed:,} {examples} in eval, which has "
        f"{size:,}{by_group}. Bring more data, give eval a larger share in `split`, or set "
        f"{advice}, a lower `threshold.confidence`, or another rule."
    )


def best_f1_threshold(probabilities: Floats) -> float:
    """Returns the threshold with the highest expected F1; "faulty" means probability >= threshold.

    The k examples with the highest probabilities have the expected F1 2 sum(p of these) / (k +
    sum(p of all)). Calibrated probabilities vary less than the labels of a few faults, so the
    threshold does too; it is near half the F1 itself.

    It is half-way between the probability at which F1 is highest and the next lower one, so that
    rounding to float32 decides nothing. Of equal F1 the highest threshold wins: fewer alarms.

    >>> best_f1_threshold(np.array([0.125, 0.25, 0.5, 0.75]))  # 1.5 / 2.625, 2.5 / 3.625, 3 / 4.625
    0.375

    Args:
        probabilities: float64 `[n]`, calibrated.

    References:
        Lewis (1995), Evaluating and optimizing autonomous text classification systems. Lipton,
        Elkan & Naryanaswamy (2014), Optimal thresholding of classifiers to maximize F1 measure.
    """
    scores = np.sort(probabilities)[::-1]
    alarms = np.arange(1, scores.size + 1)
    f1 = 2 * np.cumsum(scores) / (alarms + scores.sum())
    # A threshold cannot separate equal scores: only the last of them counts.
    last = np.append(scores[1:] != scores[:-1], True)
    best = int(np.argmax(np.where(last, f1, -1.0)))
    below = scores[best + 1] if best + 1 < scores.size else 0.0
    return float((scores[best] + below) / 2)


@dataclass(frozen=True, eq=False)
class _Steps:
    """Faults found and false alarms, from no alarm to an alarm for every example.

    Attributes:
        scores: The distinct scores, descending.
        found: `[scores + 1]`, faults among the highest 0, 1, 2, … scores.
        false: The same for healthy examples.
    """

    scores: Floats
    found: Floats
    false: Floats

    @classmethod
    def of(cls, probabilities: Floats, labels: Floats) -> "_Steps":
        scores, places = np.unique(-probabilities, return_inverse=True)
        faults = np.bincount(places, weights=labels)
        healthy = np.bincount(places, weights=1 - labels)
        return cls(
            -scores,
            np.concatenate([[0.0], np.cumsum(faults)]),
            np.concatenate([[0.0], np.cumsum(healthy)]),
        )

    def threshold(self, step: int) -> float:
        """The threshold after `step` scores."""
        if not step:
            # Above every score, even one of 1.
            return float(np.nextafter((self.scores[0] + 1) / 2, 2))
        below = self.scores[step] if step < self.scores.size else 0.0
        return float((self.scores[step - 1] + below) / 2)
