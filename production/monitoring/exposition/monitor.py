"""Metrics of the monitor of a model, from its finished chunks and its alarms."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import InputError
from common.output_folder import OutputFolder, is_held
from production.monitoring.alarms.book import ALARMS, AlarmBook, AlarmState
from production.monitoring.exposition.kept import Kept
from production.monitoring.exposition.metrics import Metric, Part, Sample
from production.monitoring.report import CHUNKS, LOCK, ChunkReport, Figure, read_sound_reports

# Of the metrics that are shares, and of the others: name in a report to words.
_SHARES = {
    "recall": "Recall",
    "precision": "Precision",
    "pr_auc": "Area under the precision-recall curve",
    "prevalence": "Share of faults",
    "alarm_rate": "Share of positive decisions",
}
_QUANTILES = {"p50_ms": "0.5", "p95_ms": "0.95", "p99_ms": "0.99"}


def _figures(kind: str, words: str) -> Iterator[Metric]:
    for name, text in _SHARES.items():
        yield from _with_limits(f"faultline_{kind}_{name}", "_ratio", f"{text}, {words}")
    yield from _with_limits(f"faultline_{kind}_cost", "", f"Mean cost of an example, {words}")


def _with_limits(stem: str, unit: str, text: str) -> Iterator[Metric]:
    yield Metric(f"{stem}{unit}", f"{text}.")
    yield Metric(f"{stem}_lower{unit}", f"{text}: lower limit.")
    yield Metric(f"{stem}_upper{unit}", f"{text}: upper limit.")


_METRICS = (
    Metric("faultline_monitor_running", "Whether a monitor works on the model now."),
    Metric("faultline_monitor_chunks_total", "Finished chunks by outcome: whole or broken."),
    Metric("faultline_monitor_rows_total", "Answered rows of all finished chunks."),
    Metric("faultline_quarantined_rows_total", "Answered rows of broken chunks."),
    Metric(
        "faultline_monitor_last_chunk_timestamp_seconds", "End of the last finished chunk's time."
    ),
    Metric("faultline_monitor_last_chunk_duration_seconds", "Time of the last finished chunk."),
    Metric("faultline_chunk_rows", "Answered rows of the last chunk."),
    Metric("faultline_chunk_failed_requests", "Requests of the last chunk that failed."),
    Metric("faultline_chunk_broken", "Whether the last chunk is broken and was quarantined."),
    Metric("faultline_chunk_latency_seconds", "Latency of the last chunk's requests by quantile."),
    Metric(
        "faultline_chunk_jitter_seconds",
        "Mean difference of successive latencies in the last chunk.",
    ),
    Metric("faultline_chunk_error_ratio", "Share of the last chunk's requests that failed."),
    Metric("faultline_chunk_requests_per_second", "Rate of the last chunk's requests."),
    Metric("faultline_drift_evidence", "Evidence of drift up to the last whole chunk."),
    Metric("faultline_drift_evidence_limit", "Evidence at which drift is an alarm."),
    Metric("faultline_drift_p_value", "P-value of the last whole chunk by channel."),
    *_figures("estimated", "estimated without labels, of the last whole chunk"),
    *_with_limits(
        "faultline_estimated_cost_per_day",
        "",
        "Rise of the cost a day against what the gate measured, estimated, of the last whole chunk",
    ),
    *_figures("measured", "with labels, of the last chunk whose labels are complete"),
    Metric("faultline_alarms_open", "Alarms that are not closed, by kind, severity and status."),
    Metric("faultline_alarms_total", "Alarms that were raised, by kind."),
)


@dataclass(frozen=True)
class _Chunks:
    """What the metrics need of the finished chunks; None where there is none.

    `problems` has a sentence for each damaged line of the reports.
    """

    num_rows: int
    num_quarantined: int
    num_broken: int
    num_chunks: int
    last: ChunkReport | None
    last_whole: ChunkReport | None
    last_measured: ChunkReport | None
    problems: Sequence[str]


def _read_chunks(folder: Path) -> _Chunks:
    reports, problems = read_sound_reports(folder)
    broken = [report for report in reports if report.is_broken]
    newest = reports[::-1]
    return _Chunks(
        num_rows=sum(report.num_rows for report in reports),
        num_quarantined=sum(report.num_rows for report in broken),
        num_broken=len(broken),
        num_chunks=len(reports),
        last=next(iter(newest), None),
        last_whole=next((report for report in newest if not report.is_broken), None),
        last_measured=next((report for report in newest if report.measured), None),
        problems=problems,
    )


_CHUNKS = Kept(CHUNKS, _read_chunks)
_ALARMS = Kept(ALARMS, lambda folder: AlarmBook(folder).states())


def _read(folder: OutputFolder, model: str) -> Iterator[Sample]:
    place = folder.monitoring(model)
    if not place.is_dir():
        return
    labels = {"model": model}
    yield Sample("faultline_monitor_running", labels, float(is_held(place / LOCK)))
    chunks = _CHUNKS.of(place)
    yield from _totals(chunks, labels)
    if chunks.last is not None:
        yield from _last_chunk(chunks.last, labels)
    if chunks.last_whole is not None:
        yield from _drift(chunks.last_whole, labels)
        yield from _estimates(chunks.last_whole, labels)
    if chunks.last_measured is not None:
        report = chunks.last_measured
        yield from _performance("measured", report.measured or {}, _versioned(report, labels))
    yield from _alarms(_ALARMS.of(place), labels)
    if chunks.problems:
        raise InputError(chunks.problems[0])


def _totals(chunks: _Chunks, labels: dict[str, str]) -> Iterator[Sample]:
    num_whole = chunks.num_chunks - chunks.num_broken
    for outcome, count in (("whole", num_whole), ("broken", chunks.num_broken)):
        yield Sample("faultline_monitor_chunks_total", labels | {"outcome": outcome}, float(count))
    yield Sample("faultline_monitor_rows_total", labels, float(chunks.num_rows))
    yield Sample("faultline_quarantined_rows_total", labels, float(chunks.num_quarantined))


def _last_chunk(report: ChunkReport, labels: dict[str, str]) -> Iterator[Sample]:
    end, duration_s = report.until.timestamp(), (report.until - report.since).total_seconds()
    yield Sample("faultline_monitor_last_chunk_timestamp_seconds", labels, end)
    yield Sample("faultline_monitor_last_chunk_duration_seconds", labels, duration_s)
    versioned = _versioned(report, labels)
    yield Sample("faultline_chunk_rows", versioned, float(report.num_rows))
    yield Sample("faultline_chunk_failed_requests", versioned, float(report.num_failed))
    yield Sample("faultline_chunk_broken", versioned, float(report.is_broken))
    yield from _operations(report.operations, versioned)


def _operations(values: Mapping[str, float | None], labels: dict[str, str]) -> Iterator[Sample]:
    for key, quantile in _QUANTILES.items():
        if (value_ms := values.get(key)) is not None:
            name = "faultline_chunk_latency_seconds"
            yield Sample(name, labels | {"quantile": quantile}, value_ms / 1e3)
    if (value_ms := values.get("jitter_ms")) is not None:
        yield Sample("faultline_chunk_jitter_seconds", labels, value_ms / 1e3)
    if (share := values.get("error_share")) is not None:
        yield Sample("faultline_chunk_error_ratio", labels, share)
    if (rate := values.get("requests_per_s")) is not None:
        yield Sample("faultline_chunk_requests_per_second", labels, rate)


def _drift(report: ChunkReport, labels: dict[str, str]) -> Iterator[Sample]:
    drift, versioned = report.drift or {}, _versioned(report, labels)
    for key, name in (("evidence", ""), ("limit", "_limit")):
        if (value := drift.get(key)) is not None:
            yield Sample(f"faultline_drift_evidence{name}", versioned, float(value))
    for channel, p_value in (drift.get("p_values") or {}).items():
        if p_value is not None:
            yield Sample("faultline_drift_p_value", versioned | {"channel": channel}, p_value)


def _estimates(report: ChunkReport, labels: dict[str, str]) -> Iterator[Sample]:
    versioned = _versioned(report, labels)
    yield from _performance("estimated", report.estimated or {}, versioned)
    if report.cost_per_day is not None:
        yield from _figure("faultline_estimated_cost_per_day", "", report.cost_per_day, versioned)


def _performance(
    kind: str, figures: Mapping[str, Figure], labels: dict[str, str]
) -> Iterator[Sample]:
    for name, unit in [*((name, "_ratio") for name in _SHARES), ("cost", "")]:
        if name in figures:
            yield from _figure(f"faultline_{kind}_{name}", unit, figures[name], labels)


def _figure(stem: str, unit: str, figure: Figure, labels: dict[str, str]) -> Iterator[Sample]:
    for limit, value in zip(("", "_lower", "_upper"), figure, strict=True):
        if value is not None:
            yield Sample(f"{stem}{limit}{unit}", labels, value)


def _alarms(states: Sequence[AlarmState], labels: dict[str, str]) -> Iterator[Sample]:
    raised = Counter(state.alarm.kind.value for state in states)
    for kind, count in sorted(raised.items()):
        yield Sample("faultline_alarms_total", labels | {"kind": kind}, float(count))
    current = Counter(
        (state.alarm.kind.value, state.alarm.severity.value, state.status)
        for state in states
        if state.is_open
    )
    for (kind, severity, status), count in sorted(current.items()):
        which = {"kind": kind, "severity": severity, "status": status}
        yield Sample("faultline_alarms_open", labels | which, float(count))


def _versioned(report: ChunkReport, labels: dict[str, str]) -> dict[str, str]:
    return labels | {"version": str(report.version)}


MONITOR = Part("monitor", _METRICS, _read)
