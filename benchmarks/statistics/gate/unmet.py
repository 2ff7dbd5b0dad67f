"""Examples that a test split lacks: rare healthy ones above all faults, and hidden faults."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from scipy.special import expit

from benchmarks.statistics.tables import share_cell
from measuring.answers import Answers, make_answers
from measuring.bootstrap import PR_AUC, ROC_AUC, percentile_interval, resample
from measuring.intervals import roc_auc_interval, score_interval, widest
from measuring.scores import probability_metrics
from pipeline.components.evaluation.measurement import MeasureOptions, measure

# Standard deviations between the classes; with 6 there is next to no overlap.
HEALTHY_PER_FAULT, SHIFT, WIDE_SHIFT = 28, 3.0, 6.0
_CONFIDENCE = 0.95


def make_split(
    random: np.random.Generator,
    faults: int,
    *,
    above: float,
    invisible: float,
    shift: float = SHIFT,
) -> Answers:
    """Returns a split with so many faults.

    Args:
        random: The generator.
        faults: Faults in it.
        above: Share of the healthy examples that score above all others.
        invisible: Share of the faults that score as healthy examples do.
        shift: Distance of the other classes' means in standard deviations.
    """
    labels = np.repeat([0, 1], [HEALTHY_PER_FAULT * faults, faults])
    draw = random.random(labels.size)
    score = random.normal(size=labels.size)
    score += shift * (labels & (draw >= invisible)) + 20 * ((draw < above) & (labels == 0))
    return make_answers(labels, {"": (expit(score), score > 2)})


def unmet_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields how often the lower limit clears a bar at the truth, before and now."""
    cases = [
        *(
            ("0.03 % of healthy above all faults", PR_AUC, 3e-4, 0.0, n, SHIFT)
            for n in (30, 100, 300)
        ),
        *(
            ("the same, classes well apart", PR_AUC, 3e-4, 0.0, n, WIDE_SHIFT)
            for n in (30, 100, 300)
        ),
        *(
            ("0.1 % of healthy above all faults", PR_AUC, 1e-3, 0.0, n, SHIFT)
            for n in (11, 30, 300)
        ),
        *(("20 % of faults invisible", ROC_AUC, 0.0, 0.2, n, SHIFT) for n in (11, 30, 100)),
        *(
            ("none of these", name, 0.0, 0.0, n, SHIFT)
            for name in (PR_AUC, ROC_AUC)
            for n in (11, 30, 100)
        ),
    ]
    for title, name, above, invisible, faults, shift in cases:
        draw = partial(make_split, above=above, invisible=invisible, shift=shift)
        large = draw(np.random.default_rng(0), 30_000)
        truth = probability_metrics(large.labels, large.of("")[0])[name]
        random = np.random.default_rng(3)
        lower = np.array([lower_limits(draw(random, faults), name) for _ in range(num_sets)])
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
