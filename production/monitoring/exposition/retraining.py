"""Metrics of the retrainings of a model, from their journal.

The journal is read as plain JSON: `production.retraining` builds on the monitor, not the reverse.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import product
from typing import Any

from common.output_folder import OutputFolder
from production.monitoring.exposition.kept import Kept
from production.monitoring.exposition.metrics import Metric, Part, Sample
from production.monitoring.json_lines import read_lines

_JOURNAL = "journal.jsonl"
_METRICS = (
    Metric("faultline_retrainings_total", "Retrainings that ended, by trigger and outcome."),
    Metric("faultline_retraining_cpu_seconds_total", "CPU time of all runs of retrainings."),
    Metric("faultline_retraining_active", "Whether a retraining is in this phase now."),
    Metric("faultline_retraining_last_end_timestamp_seconds", "When a retraining last ended."),
)
# Of `production.retraining.state`: phases before the end, triggers, outcomes.
_PHASES = ("proposed", "approved", "writing", "ready", "training")
_TRIGGERS = ("cost", "labels", "schedule", "person")
_OUTCOMES = (
    *("pushed", "shadow", "unchanged", "rejected", "inconclusive", "stopped", "failed"),
    "declined",
)

_JOURNALS = Kept(_JOURNAL, lambda place: read_lines(place / _JOURNAL))


def _read(folder: OutputFolder, model: str) -> Iterator[Sample]:
    place = folder.retraining(model)
    if not place.is_dir():
        return
    lines = _JOURNALS.of(place)
    labels = {"model": model}
    latest = {line["retraining"]["id"]: line["retraining"] for line in lines}
    ended = [one for one in latest.values() if one["result"] is not None]
    counts = Counter((one["trigger"]["name"], one["result"]["outcome"]) for one in ended)
    # `increase` misses the first retraining unless the counter was scraped at 0 before.
    for trigger, outcome in product(_TRIGGERS, _OUTCOMES):
        which = {"trigger": trigger, "outcome": outcome}
        yield Sample("faultline_retrainings_total", labels | which, float(counts[trigger, outcome]))
    cpu_s = sum(one["result"]["cpu_s"] for one in ended)
    yield Sample("faultline_retraining_cpu_seconds_total", labels, float(cpu_s))
    current = lines[-1]["retraining"]["phase"] if lines else ""
    for phase in _PHASES:
        is_it = float(phase == current)
        yield Sample("faultline_retraining_active", labels | {"phase": phase}, is_it)
    if ended:
        end = max(map(_end, ended))
        yield Sample("faultline_retraining_last_end_timestamp_seconds", labels, end)


def _end(retraining: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(retraining["ended"]).timestamp()


RETRAINING = Part("retraining", _METRICS, _read)
