"""Metrics of the rollouts of a model, from their journal."""

from collections import Counter
from collections.abc import Iterator, Sequence

from common.output_folder import OutputFolder
from production.monitoring.exposition.kept import Kept
from production.monitoring.exposition.metrics import Metric, Part, Sample
from production.rollout.journal import Entry, Journal
from production.rollout.markers import is_controlled
from production.rollout.state import Phase, Rollout, State

# `CONTROLLER` of production.rollout.actions, whose import loads ML Metadata.
_CONTROLLER = "faultline"

_METRICS = (
    Metric("faultline_served_version_info", "Version in service, as labels; the value is 1."),
    Metric("faultline_controller_running", "Whether a gateway follows the journal of rollouts."),
    Metric("faultline_rollout_active", "Whether a rollout is in progress."),
    Metric("faultline_rollout_step", "Step of the rollout in progress, from 1; 0 without one."),
    Metric("faultline_rollout_steps", "Steps of the rollout in progress; 0 without one."),
    Metric("faultline_rollout_candidate_percent", "Share of the keys that the candidate answers."),
    Metric("faultline_rollout_mirrored_percent", "Share of the requests that are copied."),
    Metric("faultline_rollout_phase", "Whether the latest rollout is in this phase."),
    Metric(
        "faultline_rollout_step_started_timestamp_seconds",
        "When the current step of the rollout in progress started.",
    ),
    Metric(
        "faultline_rollout_transitions_total",
        "Transitions of all rollouts by event, and by who decided: controller or person.",
    ),
)
_JOURNALS = Kept("journal.jsonl", lambda place: Journal(place).read())


def _read(folder: OutputFolder, model: str) -> Iterator[Sample]:
    place = folder.rollouts(model)
    entries = _JOURNALS.of(place)
    if not entries:
        return
    state = entries[-1].state
    labels = {"model": model}
    yield Sample("faultline_controller_running", labels, float(is_controlled(place)))
    served = {"base": state.stable.base, "version": str(state.stable.version)}
    yield Sample("faultline_served_version_info", labels | served, 1.0)
    yield from _progress(state, labels)
    if state.rollout is not None:
        yield from _phase(state.rollout, labels)
    yield from _transitions(entries, labels)


def _progress(state: State, labels: dict[str, str]) -> Iterator[Sample]:
    rollout = state.active
    values = {"active": 0, "step": 0, "steps": 0, "candidate_percent": 0, "mirrored_percent": 0}
    if rollout is not None:
        values = {
            "active": 1,
            "step": rollout.step + 1,
            "steps": len(rollout.stages),
            "candidate_percent": rollout.stage.percent,
            "mirrored_percent": rollout.stage.mirrored_percent,
        }
        started = rollout.step_started.timestamp()
        yield Sample("faultline_rollout_step_started_timestamp_seconds", labels, started)
    for name, value in values.items():
        yield Sample(f"faultline_rollout_{name}", labels, float(value))


def _phase(rollout: Rollout, labels: dict[str, str]) -> Iterator[Sample]:
    for phase in Phase:
        is_it = float(rollout.phase is phase)
        yield Sample("faultline_rollout_phase", labels | {"phase": phase.value}, is_it)


def _transitions(entries: Sequence[Entry], labels: dict[str, str]) -> Iterator[Sample]:
    counts = Counter(
        (entry.note.event, "controller" if entry.note.by == _CONTROLLER else "person")
        for entry in entries
    )
    # `increase` misses the first rollback unless the counter was scraped at 0 before.
    counts.update({("roll_back", by): 0 for by in ("controller", "person")})
    for (event, by), count in sorted(counts.items()):
        yield Sample(
            "faultline_rollout_transitions_total", labels | {"event": event, "by": by}, float(count)
        )


ROLLOUT = Part("rollout", _METRICS, _read)
