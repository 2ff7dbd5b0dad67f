"""Retrainings for people: lines of the loop, the status, the history."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from common.guards.terminal import escape
from pipeline.counting import count
from pipeline.lineage.facts import time_text
from production.retraining.deciding import Decision, Facts
from production.retraining.journal import Entry
from production.retraining.state import Phase, Retraining
from production.rollout.rendering import duration

_BEGUN = {"propose": "proposed", "start": "begun", "approve": "approved", "decline": "declined"}


def entry_words(entry: Entry) -> str:
    """Returns an entry in one line."""
    one = entry.retraining
    head = f"Retraining {one.id}"
    if entry.event in _BEGUN:
        return f"{head} {_BEGUN[entry.event]} by {entry.by}: {entry.why}"
    if entry.event == "train":
        again = f", attempt {one.attempt}" if one.attempt > 1 else ""
        return f"{head} trains{again}."
    if one.result is not None:
        return f"{head} {one.result.outcome}: {one.result.words}"
    return f"{head} {one.phase.words}: {entry.why}."


def status_lines(facts: Facts, decision: Decision, latest: Retraining | None) -> Iterator[str]:
    """Yields the retraining in progress or the last result, and what the automation waits for."""
    if facts.active is not None:
        yield from _active_lines(facts.active)
    elif latest is not None and latest.result is not None:
        yield (
            f"Last retraining: {latest.id}, {latest.trigger.name}, "
            f"{time_text(latest.ended or latest.began)}. {latest.result.outcome}: "
            f"{latest.result.words}"
        )
    else:
        yield "No retraining yet."
    labels = facts.labels
    yield f"New labels: {labels.rows:,}, {labels.positives:,} positive."
    yield (
        f"Last seven days: {count(facts.num_trainings, 'training')}, {facts.cpu_minutes:.1f} CPU "
        "minutes."
    )
    yield from decision_lines(decision)


def _active_lines(one: Retraining) -> Iterator[str]:
    yield f"Retraining {one.id} {one.phase.words}. Begun by {one.trigger.by}: {one.trigger.why}"
    if one.phase is Phase.PROPOSED:
        yield 'Decide: faultline retrain approve --why "..." or decline --why "..."'
    if one.data is not None and one.data.span is not None:
        yield (
            f"Span {one.data.span}: {count(one.data.num_rows, 'row')}, "
            f"{one.data.num_positive:,} positive."
        )


def decision_lines(decision: Decision) -> Iterator[str]:
    """Yields what the automation would do now, and what is missing."""
    if decision.action == "start":
        yield f"A retraining begins by itself: {_why(decision)}"
    elif decision.action == "propose":
        yield f"A retraining is proposed to a person: {_why(decision)}"
    elif decision.trigger is not None:
        yield f"No retraining now, although {_why(decision)}"
        yield from (f"  missing: {reason}" for reason in decision.missing)
    else:
        yield "No retraining is due."
        yield from (f"  {reason}" for reason in decision.missing)


def _why(decision: Decision) -> str:
    return decision.trigger.why if decision.trigger else ""


def history_table(retrainings: Sequence[Retraining]) -> RenderableType:
    """Returns the retrainings, the newest first."""
    if not retrainings:
        return "No retraining yet."
    columns = ("retraining", "began", "trigger", "new rows", "positive", "CPU", "result", "why")
    table = Table(*columns, box=None, pad_edge=False)
    for one in reversed(retrainings):
        table.add_row(*map(escape, _cells(one)))
    return table


def _cells(one: Retraining) -> tuple[str, ...]:
    data, result = one.data, one.result
    outcome = one.phase.words if result is None else f"{result.outcome}: {result.words}"
    return (
        one.id,
        time_text(one.began),
        f"{one.trigger.name}, by {one.trigger.by}",
        f"{data.num_rows:,}" if data else "",
        f"{data.num_positive:,}" if data else "",
        duration(result.cpu_s) if result and result.cpu_s else "",
        outcome,
        one.trigger.why,
    )


def status_values(facts: Facts, decision: Decision, latest: Retraining | None) -> dict[str, Any]:
    """Returns the status as JSON values."""
    return {
        "served_version": facts.champion,
        "level": facts.level,
        "active": facts.active and facts.active.to_json(),
        "latest": latest and latest.to_json(),
        "rollout": facts.rollout,
        "new_labels": vars(facts.labels),
        "num_trainings": facts.num_trainings,
        "cpu_minutes": facts.cpu_minutes,
        "decision": decision.to_json(),
    }
