"""The queue and the report in tables for people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table

from common.guards.terminal import escape
from pipeline.counting import count
from pipeline.lineage.facts import time_text
from pipeline.production_options.automation import LEVELS
from production.automation.inspection import Item

if TYPE_CHECKING:  # they import SciPy, which takes seconds and the queue does not need
    from measuring.sequential import Expectation
    from production.automation.report import Rate, Report


def queue_table(items: Sequence[Item], *, limit: int) -> RenderableType:
    """Returns the oldest items, and how many there are."""
    if not items:
        return "No prediction waits for a person."
    table = Table(
        *("request", "row", "time", "key", "model", "probability", "decision", "why"),
        box=None,
        pad_edge=False,
    )
    for item in items[:limit]:
        threshold = "" if item.threshold is None else f" (from {item.threshold:.3f} on an alarm)"
        table.add_row(
            escape(item.request_id),
            str(item.row),
            time_text(item.time),
            escape(item.key or ""),
            str(item.version),
            "" if item.probability is None else f"{item.probability:.3f}{threshold}",
            "alarm" if item.decision else "no alarm",
            item.reason,
        )
    more = f", {limit} of them shown" if len(items) > limit else ""
    return Group(
        table,
        f"{count(len(items), 'prediction')} waiting{more}. Decide one: faultline automation decide "
        'REQUEST --row ROW --label LABEL --why "..."',
    )


def expectation_words(expected: "Expectation") -> str:
    """Returns in words how many requests the promotion of a good candidate takes."""
    if expected.requests is None:
        return (
            "Evidence for promotion takes more than 100,000 requests with these "
            "`automation.limits`; widen them, or promote by hand."
        )
    most = "over 100,000" if expected.nine_of_ten is None else f"at most {expected.nine_of_ten:,}"
    labels = f", and labels of about {expected.labels:,} of them" if expected.labels else ""
    keys = f" They must be of at least {expected.keys} keys, if they have keys." * (
        expected.keys > 1
    )
    return (
        f"Evidence for promotion takes about {expected.requests:,} requests that both models "
        f"answer (nine times in ten {most}){labels}, if the models differ on 1 % of them "
        f"and are equally good.{keys}"
    )


def report_tables(report: "Report") -> RenderableType:
    """Returns the rollouts under each level, and the rates of the levels."""
    names = [name.replace("_", " ") for name in LEVELS]
    courses = Table("rollout", "candidate", "was", *names, box=None, pad_edge=False)
    for rollout in report.rollouts:
        cells = [
            f"{phase.replace('_', ' ')} ({outcome})"
            for phase, outcome in zip(rollout.phases, rollout.outcomes, strict=True)
        ]
        courses.add_row(rollout.id, rollout.candidate, rollout.phase.replace("_", " "), *cells)
    rates = Table("level", "rollouts right", "predictions right", box=None, pad_edge=False)
    for level, name in enumerate(names):
        own = " (in force)" if level == report.level else ""
        rollouts, predictions = report.of_rollouts[level], report.of_predictions[level]
        rates.add_row(f"{level} {name}{own}", _rate_words(rollouts), _rate_words(predictions))
    notes = (
        "Rollouts: promotions and rollbacks that each level would have decided, against how the "
        "rollouts turned out. Predictions: what the model would have decided without a person, "
        "against the labels; predictions without a label do not count."
    )
    parts: list[RenderableType] = [courses, ""] if report.rollouts else []
    return Group(*parts, rates, "", notes)


def _rate_words(rate: "Rate") -> str:
    left = f", {rate.undecided:,} left to people" if rate.undecided else ""
    if rate.share is None or rate.interval is None:
        return f"none{left}"
    lower, upper = rate.interval
    judged = rate.hits + rate.misses
    return f"{rate.hits:,} of {judged:,}: {rate.share:.1%} [{lower:.1%}, {upper:.1%}]{left}"
