"""One version under watch: its detectors, and what a chunk of it shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Self

import numpy as np

from measuring.intervals import proportion_interval
from pipeline.config import Config
from pipeline.production_options.collection import recorded_share, redacted
from production.monitoring import findings
from production.monitoring.alarms.alarm import Kind
from production.monitoring.budget import VERSIONS_PER_FALSE_ALARM, Part, threshold_of
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.columns import Columns
from production.monitoring.drift.channels import DriftReference, features_of
from production.monitoring.drift.detecting import ChunkDrift, Evidence, to_report
from production.monitoring.findings import Stakes, Subject
from production.monitoring.look import LABELS, REFERENCE, Look, Sign
from production.monitoring.performance.answers import Answers, read_answers
from production.monitoring.performance.estimating import (
    Change,
    Estimated,
    change,
    cost_p_value,
    estimate,
    estimate_notes,
)
from production.monitoring.performance.labelled import COST, GRADE, PREVALENCE, LabelledRecord
from production.monitoring.performance.measuring import Labels, Measured, are_fair, measure
from production.monitoring.performance.operations import (
    CHANNELS,
    ERRORS,
    LATENCY,
    Operations,
    OperationsBaseline,
    operations_of,
)
from production.monitoring.performance.prices import prices_of, promised_figures
from production.monitoring.reference.chunk_power import chunk_power
from production.monitoring.reference.reference import Reference
from production.monitoring.report import ChunkReport, Figure
from production.monitoring.troubles.trouble import Trouble

# P-value above which a chunk by itself shows no trouble.
_QUIET = 0.05
_DAY_S = 86_400.0
_DAYS_PER_YEAR = 365.25
# Kinds of alarm whose evidence starts again with an acknowledgement, and the part that holds it.
_PART_OF: dict[str, Part] = {
    Kind.DRIFT: Part.DRIFT,
    Kind.ESTIMATED_LOSS: Part.ESTIMATED_LOSS,
    Kind.ERRORS: Part.OPERATIONS,
    Kind.LATENCY: Part.OPERATIONS,
}

CONCEPT_DRIFT = (
    "Estimated without labels. Concept drift, faults that look different from those of training, "
    "is invisible here: only labels show it."
)

_HAVE_LABEL = " have a label."
_UNFAIR = (
    "Alarms and other rows have labels unequally often, so that only the precision is measured. "
    "Label a random sample of the other rows."
)

SinceOf = Callable[[int], datetime]


class WatchedVersion:
    """The detectors of one version in service."""

    def __init__(self, model: str, reference: Reference, config: Config) -> None:
        """Starts without chunks.

        Args:
            model: Name of the model.
            reference: Training data of the version, and what its gate measured.
            config: The use case.
        """
        options = config.monitoring
        self._model, self._config = model, config
        self._reference = reference = reference.without(redacted(config.collection))
        self._share = recorded_share(config.collection)
        self._prices = prices_of(config)
        self._promised = promised_figures(reference, self._prices)
        self._training = DriftReference(reference)
        channels = {
            Part.DRIFT: self._training.channels,
            Part.ESTIMATED_LOSS: (COST,),
            Part.OPERATIONS: CHANNELS,
        }
        self._evidence = {
            part: Evidence(names, threshold_of(options, part)) for part, names in channels.items()
        }
        self._baseline = OperationsBaseline()
        self._labelled = LabelledRecord(
            self._promised | _prevalence(reference),
            self._prices,
            alpha=1 / VERSIONS_PER_FALSE_ALARM,
        )

    def look(
        self,
        chunk: Chunk,
        columns: Columns,
        troubles: Sequence[Trouble],
        since_of: SinceOf,
    ) -> Look:
        """Takes the next chunk of the version; returns what it shows.

        Args:
            chunk: The chunk.
            columns: Its features.
            troubles: Troubles of its data.
            since_of: Returns the beginning of an earlier chunk by its number.
        """
        answers = read_answers(chunk.records)
        subject = self._subject(chunk)
        operations = _operations(chunk, self._share)
        signs = self._look_at_operations(subject, operations, since_of)
        is_broken = any(trouble.is_broken for trouble in troubles)
        signs[Kind.BROKEN_DATA] = Sign(
            finding=findings.broken_data(subject, troubles) if is_broken else None,
            is_quiet=not is_broken,
        )
        signs[REFERENCE] = Sign(finding=None, is_quiet=True)
        report = replace(
            _report(chunk, operations),
            troubles=[trouble.to_json() for trouble in troubles],
            is_broken=is_broken,
        )
        look = Look(report=report, signs=signs)
        if is_broken or not answers.has_probability.any():
            return look
        drift = self._training.compare(chunk, columns, answers)
        return self._look_at_data(subject, answers, look, drift, since_of)

    def _look_at_operations(
        self, subject: Subject, operations: Operations, since_of: SinceOf
    ) -> dict[str, Sign]:
        ratio = self._config.automation.limits.latency_ratio
        p_values = self._baseline.p_values(operations, latency_ratio=ratio)
        evidence = self._evidence[Part.OPERATIONS]
        evidence.update(subject.chunk.number, p_values)
        usual_ms = self._baseline.usual_p99_ms or 0.0
        self._baseline.add(operations, p_values)
        drivers = {driver.channel: driver for driver in evidence.drivers if evidence.is_alarm}
        make = {
            ERRORS: lambda since: findings.errors(subject, operations, since=since),
            LATENCY: lambda since: findings.latency(
                subject, operations, usual_ms=usual_ms, since=since
            ),
        }
        return {
            Kind(channel): Sign(
                finding=make[channel](since_of(drivers[channel].since))
                if channel in drivers and p_values[channel] <= _QUIET
                else None,
                is_quiet=p_values[channel] > _QUIET,
            )
            for channel in CHANNELS
            if channel in p_values
        }

    def _look_at_data(
        self, subject: Subject, answers: Answers, look: Look, drift: ChunkDrift, since_of: SinceOf
    ) -> Look:
        estimated = estimate(answers, prevalence=self._reference.prevalence, cost=self._prices.cost)
        moved = self._change(estimated.figures, subject.chunk)
        evidence = self._evidence[Part.DRIFT]
        evidence.update(subject.chunk.number, drift.p_values)
        finding = None
        if evidence.is_alarm:
            finding = findings.drift(
                subject,
                evidence,
                since=since_of(evidence.since),
                features=features_of(evidence.drivers, drift),
                change=moved,
            )
        signs = look.signs | {
            Kind.DRIFT: Sign(finding=finding, is_quiet=evidence.has_fallen),
            Kind.ESTIMATED_LOSS: self._look_at_loss(subject, estimated, moved, since_of),
        }
        report = replace(
            look.report,
            drift=to_report(evidence, drift),
            estimated=estimated.figures,
            cost_per_day=moved.cost_per_day,
            notes=[
                *self._power_words(drift, subject.chunk.records.num_rows),
                *estimate_notes(estimated),
                CONCEPT_DRIFT,
            ],
        )
        return Look(report=report, signs=signs)

    def _power_words(self, drift: ChunkDrift, num_rows: int) -> list[str]:
        """What a chunk of this size shows, and whether the training data are enough for it."""
        power = chunk_power(
            self._reference,
            num_rows,
            self._config.monitoring,
            num_channels=len(self._training.channels),
            effective_share=drift.effective_share,
        )
        short = self._reference.size_note(num_rows)
        return power.words(detect=self._config.monitoring.detect) + ([short] if short else [])

    def _look_at_loss(
        self, subject: Subject, estimated: Estimated, moved: Change, since_of: SinceOf
    ) -> Sign:
        p_value = cost_p_value(estimated, self._promised[COST])
        evidence = self._evidence[Part.ESTIMATED_LOSS]
        evidence.update(subject.chunk.number, {COST: p_value})
        finding = None
        if evidence.is_alarm:
            finding = findings.estimated_loss(subject, since=since_of(evidence.since), change=moved)
        return Sign(finding=finding, is_quiet=evidence.has_fallen)

    def sign_of_late_labels(
        self, chunk: Chunk, labels: Labels, *, usual: float, num_earlier: int
    ) -> Sign:
        """Returns what an earlier chunk says whose labels should have arrived.

        Args:
            chunk: The chunk.
            labels: Those that have arrived.
            usual: Share of the rows of measured chunks that have a label; 0 without such chunks.
            num_earlier: Number of these rows.
        """
        if not usual:
            return Sign(finding=None, is_quiet=False)
        counts = labels.num_known, chunk.records.num_rows
        finding = findings.labels_missing(
            self._subject(chunk), counts, usual=usual, num_earlier=num_earlier
        )
        return Sign(finding=finding, is_quiet=False)

    def look_at_labels(
        self,
        chunk: Chunk,
        labels: Labels,
        before: Labels | None,
        report: ChunkReport,
    ) -> Look:
        """Takes an earlier chunk whose labels have arrived; returns what they show.

        A test takes the label of a row once. If many labels are corrected, the tests start anew.

        Args:
            chunk: The chunk; of its records only the answers are needed.
            labels: Their labels.
            before: Those that the tests have taken already; None for none.
            report: Its report so far.
        """
        answers, num_rows = read_answers(chunk.records), chunk.records.num_rows
        measured = measure(answers, labels, self._prices.cost)
        has_wrong = before is not None and labels.correct(before)
        if has_wrong:
            self._labelled.forget()
            before = None
        took_labels = measured.is_fair and self._take_labels(answers, labels, before)
        broken = self._labelled.broken()
        moved = self._change(measured.figures, chunk)
        signs: dict[str, Sign] = {LABELS: Sign(finding=None, is_quiet=True)}
        if measured.is_fair:
            finding = findings.measured_loss(self._subject(chunk), names=broken, change=moved)
            signs[Kind.MEASURED_LOSS] = Sign(
                finding=finding if broken else None, is_quiet=not broken
            )
        notes = [note for note in report.notes if not _is_of_labels(note)]
        notes += [*_label_notes(measured, num_rows), *self.grades()]
        return Look(
            report=replace(report, measured=measured.figures, notes=notes),
            signs=signs,
            took_labels=took_labels,
            forgot_labels=has_wrong,
        )

    def _take_labels(self, answers: Answers, labels: Labels, before: Labels | None) -> bool:
        """Gives the tests the labels that they have not taken, if these favour no alarms."""
        rest = np.ones(answers.num_rows, bool) if before is None else ~before.known
        if not are_fair(labels.known[rest], answers.decisions[rest] == 1):
            return False
        new = Labels(values=labels.values[rest])
        self._labelled.add(answers.rows(rest), new, prevalence=self._reference.prevalence)
        return True

    @property
    def reference(self) -> Reference:
        """The training data, and what the gate measured."""
        return self._reference

    def grades(self) -> list[str]:
        """Returns in words how good past estimates were, as far as labels say."""
        return self._labelled.grade_words()

    def restart(self, kind: str) -> None:
        """Forgets the evidence behind a kind of alarm, which is acknowledged or over."""
        if part := _PART_OF.get(kind):
            self._evidence[part].reset()
        elif kind == Kind.MEASURED_LOSS:
            self._labelled.restart()

    def _subject(self, chunk: Chunk) -> Subject:
        rows_per_day = self._rows_per_day(chunk)
        promised = self._promised[COST][0]
        missed = self._reference.prevalence * self._prices.cost.missed_fault
        stakes = Stakes(
            prices=self._prices,
            promised=None if promised is None else promised * rows_per_day,
            missed_per_day=missed * rows_per_day,
        )
        return Subject(model=self._model, chunk=chunk, stakes=stakes)

    def _change(self, figures: Mapping[str, Figure], chunk: Chunk) -> Change:
        return change(figures, self._promised, rows_per_day=self._rows_per_day(chunk))

    def _rows_per_day(self, chunk: Chunk) -> float:
        size = self._config.monitoring.chunk
        chunks_per_day = (
            _DAY_S / _seconds(chunk) if size.rows is None else size.chunks_per_year / _DAYS_PER_YEAR
        )
        num_rows: int = chunk.records.num_rows
        return num_rows / self._share * chunks_per_day

    def to_state(self) -> dict[str, Any]:
        """Returns the state, exact in JSON."""
        return {
            "evidence": {part.value: one.to_state() for part, one in self._evidence.items()},
            "baseline": self._baseline.to_state(),
            "labelled": self._labelled.to_state(),
        }

    def with_state(self, state: Mapping[str, Any]) -> Self:
        """Takes over what `to_state` returned; returns this object.

        Evidence of other channels is left behind: the reference was made anew, or features are
        redacted since.
        """
        for part, evidence in self._evidence.items():
            if evidence.has_channels_of(state["evidence"][part.value]):
                evidence.with_state(state["evidence"][part.value])
        self._baseline.with_state(state["baseline"])
        self._labelled.with_state(state["labelled"])
        return self


def look_without_reference(model: str, chunk: Chunk, config: Config, why: str) -> Look:
    """Returns what a chunk shows of a version that there is no reference of: its operations.

    Args:
        model: Name of the model.
        chunk: The chunk.
        config: The use case.
        why: Why there is no reference, and what to do.
    """
    operations = _operations(chunk, recorded_share(config.collection))
    report = replace(_report(chunk, operations), notes=[f"Neither drift nor quality: {why}"])
    sign = Sign(finding=findings.reference_missing(model, chunk, why), is_quiet=False)
    return Look(report=report, signs={REFERENCE: sign})


def _prevalence(reference: Reference) -> dict[str, Figure]:
    """The share of faults in the training data; none where their rows depend on each other."""
    if reference.recordings is not None:
        return {}
    share = reference.prevalence
    limits = proportion_interval(reference.num_faults, reference.num_train, reference.confidence)
    return {PREVALENCE: (share, *limits)}


def _operations(chunk: Chunk, share: float) -> Operations:
    return operations_of(chunk.records, chunk.num_failed, seconds=_seconds(chunk), share=share)


def _report(chunk: Chunk, operations: Operations) -> ChunkReport:
    return ChunkReport(
        number=chunk.number,
        since=chunk.since,
        until=chunk.until,
        version=chunk.version,
        num_rows=chunk.records.num_rows,
        num_failed=chunk.num_failed,
        operations=operations.figures,
    )


def _seconds(chunk: Chunk) -> float:
    return max((chunk.until - chunk.since).total_seconds(), 1e-6)


def _label_notes(measured: Measured, num_rows: int) -> list[str]:
    notes = [f"{measured.num_labelled:,} of {num_rows:,} rows{_HAVE_LABEL}"]
    return notes if measured.is_fair else [*notes, _UNFAIR]


def _is_of_labels(note: str) -> bool:
    return note.startswith(GRADE) or note.endswith(_HAVE_LABEL) or note == _UNFAIR
