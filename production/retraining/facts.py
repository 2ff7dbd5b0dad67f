"""Gathers the facts about a served model that a decision on retraining rests on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from common.output_folder import OutputFolder
from pipeline.components.pusher.version_folder import served_versions
from pipeline.config import Config
from pipeline.production_options.retraining import LabelCount
from pipeline.production_options.rollout import RolloutOptions
from production.controller.pushes import find_push
from production.gateway.traffic import Pin
from production.monitoring.alarms.alarm import Kind, Loss
from production.monitoring.alarms.book import AlarmBook
from production.monitoring.exposition.kept import Kept
from production.monitoring.report import CHUNKS, Figure, read_reports
from production.retraining.deciding import CostOfDrift, Facts
from production.retraining.journal import WEEK, Entry, current_of, retrainings_of, trained_since
from production.rollout.actions import open_journal
from production.rollout.gateway_config import gateway_config
from production.rollout.state import label

_LOSSES = frozenset({Kind.DRIFT, Kind.ESTIMATED_LOSS, Kind.MEASURED_LOSS})
_OLDEST_PUSH = 1_000_000_000  # versions are seconds since 1970 unless a person named them


def gather_facts(
    config: Config,
    folder: OutputFolder,
    entries: Sequence[Entry],
    *,
    labels: LabelCount,
    now: datetime,
) -> Facts:
    """Returns the facts as the output folder has them now.

    Args:
        config: The use case, whose name is the model's.
        folder: The output folder.
        entries: The journal of retrainings.
        labels: Labelled requests that no span has yet.
        now: The time.

    Raises:
        InputError: A journal cannot be read.
    """
    champion = served_version(folder, config.name)
    recent = trained_since(entries, now - WEEK)
    ended = [one.ended for one in retrainings_of(entries) if one.ended is not None]
    trained = [one.ended for one in retrainings_of(entries) if one.ended and one.attempt]
    if champion is not None and _OLDEST_PUSH <= champion <= now.timestamp():
        trained.append(datetime.fromtimestamp(champion, UTC))
    return Facts(
        now=now,
        champion=champion,
        level=_level(config, folder),
        active=current_of(entries),
        rollout=_unfinished_rollout(folder, config.name),
        labels=labels,
        cost=None if champion is None else _cost_of_drift(folder, config.name, champion),
        last_ended=max(ended, default=None),
        last_trained=max(trained, default=None),
        num_trainings=len(recent),
        cpu_minutes=sum(one.result.cpu_s for one in recent if one.result) / 60,
    )


def served_version(folder: OutputFolder, model: str) -> int | None:
    """Returns the version that clients get; None if none is in service.

    Without a gateway it is the newest one, as servers take that.
    """
    state = open_journal(folder, model).state()
    if state is not None:
        return state.stable.version
    return max(served_versions(folder.serving(model)), default=None)


def _level(config: Config, folder: OutputFolder) -> int:
    of_gateway = gateway_config(folder, config.name)
    return (of_gateway or config).automation.number


def _unfinished_rollout(folder: OutputFolder, model: str) -> str:
    """Returns a rollout that is in progress or has yet to begin, in words."""
    entries = open_journal(folder, model).read()
    if not entries:
        return ""
    active = entries[-1].state.active
    if active is not None:
        return f"the rollout of {label(active.candidate)} is {active.phase.words}"
    pushed = find_push(folder, entries, RolloutOptions(start="on_push"))
    return "" if pushed is None else f"{label(pushed)} was pushed and has had no rollout yet"


def fallen_versions(folder: OutputFolder, model: str) -> list[Pin]:
    """Returns the versions in service that are newer than the served one, the oldest first.

    Their rollouts have ended without promotion. As long as they are in service, the gate compares
    the next model with the newest of them instead of the served one.
    """
    state = open_journal(folder, model).state()
    if state is None or state.active is not None:
        return []
    versions = sorted(served_versions(folder.serving(model)))
    return [Pin(base=model, version=one) for one in versions if one > state.stable.version]


def _newest_costs(place: Path) -> dict[int, tuple[int, Figure]]:
    """Returns version to the number of its newest chunk with an estimated cost, and that cost."""
    return {
        report.version: (report.number, report.cost_per_day)
        for report in read_reports(place)
        if not report.is_broken and report.cost_per_day
    }


_COSTS = Kept(CHUNKS, _newest_costs)


def _cost_of_drift(folder: OutputFolder, model: str, champion: int) -> CostOfDrift | None:
    place = folder.monitoring(model)
    costs = _COSTS.of(place)
    if champion not in costs:
        return None
    number, (per_day, lower, upper) = costs[champion]
    if per_day is None:
        return None
    alarms = [
        alarm
        for alarm in AlarmBook(place).open_alarms()
        if alarm.version == champion and alarm.kind in _LOSSES
    ]
    cost = CostOfDrift(
        chunk=number,
        per_day=per_day,
        lower=lower,
        upper=upper,
        alarms=tuple(alarm.id for alarm in alarms),
    )
    return _measured(cost, [one.loss for one in alarms if one.kind is Kind.MEASURED_LOSS])


def _measured(cost: CostOfDrift, losses: Sequence[Loss | None]) -> CostOfDrift:
    """Returns the largest loss that labels show, if it is more than the estimate."""
    for loss in losses:
        if loss is not None and loss.cost_per_day is not None and loss.cost_per_day > cost.per_day:
            cost = replace(
                cost,
                per_day=loss.cost_per_day,
                lower=loss.lower,
                upper=loss.upper,
                is_measured=True,
            )
    return cost
