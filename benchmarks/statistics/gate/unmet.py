"""What a test split does not hold: rare healthy examples above all faults, faults that hide."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import expit

from benchmarks.statistics.tables import share_cell
from measuring.answers import Answers, make_answers
from measuring.bootstrap import PR_AUC, ROC_AUC, percentile_interval, resample
from measuring.intervals import roc_auc_interval, score_interval, widest
from measuring.scores import probability_metrics
from pipeline.components.evaluation.measurement import MeasureOptions, measure

HEALTHY_PER_FAULT, SHIFT = 28, 3.0
_CONFIDENCE = 0.95


def make_split(
    random: np.random.Generator, faults: int, *, above: float, invisible: float
) -> Answers:
    """Returns a split with so many faults.

    Args:
        random: The generator.
        faults: Faults in it.
        above: Share of the healthy examples that score above all others.
        invisible: Share of the faults that score as healthy examples do.
    """
    labels = np.repeat([0, 1], [HEALTHY_PER_FAULT * faults, faults])
    draw = random.random(labels.size)
    score = random.normal(size=labels.size)
    score += SHIFT * (labels & (draw >= invisible)) + 20 * ((draw < above) & (labels == 0))
    return make_answers(labels, {"": (expit(score), score > 2)})


def unmet_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields how often the lower limit clears a bar at the truth, before and now."""
    cases = [
        *(("0.03 % of healthy above all faults", PR_AUC, 3e-4, 0.0, n) for n in (30, 100, 300)),
        *(("0.1 % of healthy above all faults", PR_AUC, 1e-3, 0.0, n) for n in (11, 30, 300)),
        *(("20 % of faults invisible", ROC_AUC, 0.0, 0.2, n) for n in (11, 30, 100)),
        *(
            ("none of these", name, 0.0, 0.0, n)
            for name in (PR_AUC, ROC_AUC)
            for n in (11, 30, 100)
        ),
    ]
    for title, name, above, invisible, faults in cases:
        large = make_split(np.random.default_rng(0), 30_000, above=above, invisible=invisible)
        truth = probability_metrics(large.labels, large.of("")[0])[name]
        random = np.random.default_rng(3)
        lower = np.array(
            [
                lower_limits(make_split(random, faults, above=above, invisible=invisible), name)
                for _ in range(num_sets)
            ]
        )
        shares = [share_cell(limits >= truth) for limits in lower.T]
        medians = [f"{np.median(limits):.3f}" for limits in lower.T]
        yield [f"{title} (truth {truth:.3f})", name, str(faults), *shares, *medians]


def lower_limits(answers: Answers, name: str) -> tuple[float, float]:
    """Returns the lower limit from the examples alone, as before, and the gate's."""
    faults = int(answers.labels.sum())
    estimate = measure(answers, MeasureOptions()).models[""]["probability"][name]
    exact = (
        score_interval(estimate.value, faults, _CONFIDENCE)
        if name == PR_AUC
        else roc_auc_interval(estimate.value, faults, answers.labels.size - faults, _CONFIDENCE)
    )
    drawn = percentile_interval(resample(answers)[""][name], faults, _CONFIDENCE)
    return widest(drawn, exact)[0], (estimate.interval or (np.nan, np.nan))[0]
