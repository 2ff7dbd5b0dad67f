"""Findings of a chunk, in words: what happened, since when, the cost, and the remedy."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from production.monitoring.alarms.alarm import Finding, Kind, Loss, Severity
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.drift.detecting import Evidence
from production.monitoring.performance.estimating import Change
from production.monitoring.performance.operations import Operations
from production.monitoring.performance.prices import Prices
from production.monitoring.report import amount_words, figure_words, with_unit
from production.monitoring.troubles.trouble import Trouble

_NUM_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Stakes:
    """What a change is measured by.

    Attributes:
        prices: Prices of decisions.
        promised: Cost a day that the gate's figures promise, at the rate of the chunk; None if
            unknown.
        missed_per_day: Cost a day if every fault were missed, at the prevalence of training.
    """

    prices: Prices
    promised: float | None
    missed_per_day: float

    def severity(self, lower: float | None) -> Severity:
        """Returns how urgent a rise of the cost is.

        Critical: the cost at least doubles. Warning: it rises. Info: it may not rise at all.

        Args:
            lower: Lower limit of the rise a day; None if unknown.
        """
        if lower is None or lower <= 0:
            return Severity.INFO
        is_large = self.promised is not None and lower >= self.promised
        return Severity.CRITICAL if is_large else Severity.WARNING

    def loss_of(self, change: Change) -> Loss:
        """Returns the loss of a change, as alarms have it."""
        recall, cost = change.recall_points, change.cost_per_day
        counted = cost if self.prices.is_given else recall
        return Loss(
            recall_points=recall[0],
            cost_per_day=cost[0] if self.prices.is_given else None,
            unit=self.prices.unit,
            lower=counted[1],
            upper=counted[2],
        )


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Which chunk of which model a finding is about.

    Attributes:
        model: Name of the model.
        chunk: The chunk.
        stakes: What a change is measured by.
    """

    model: str
    chunk: Chunk
    stakes: Stakes

    def finding(self, kind: Kind, **values: Any) -> Finding:
        """Returns a finding of this chunk; `since` is its beginning unless given."""
        return Finding(
            kind=kind,
            model=self.model,
            version=self.chunk.version,
            chunk=self.chunk.number,
            **({"since": self.chunk.since} | values),
        )


def broken_data(subject: Subject, troubles: Sequence[Trouble]) -> Finding:
    """Returns the finding of a chunk whose figures cannot be trusted.

    Its severity is that of missing all faults in the rows concerned.
    """
    broken = sorted((t for t in troubles if t.is_broken), key=lambda t: -t.share)
    words = " ".join(_sentence(trouble.words) for trouble in broken[:_NUM_SHOWN])
    more = f" And {len(broken) - _NUM_SHOWN} more." if len(broken) > _NUM_SHOWN else ""
    worst = broken[0].share * subject.stakes.missed_per_day
    return subject.finding(
        Kind.BROKEN_DATA,
        features=tuple(dict.fromkeys(t.feature for t in broken if t.feature is not None)),
        what=f"The data of chunk {subject.chunk.number} are broken. {words}{more}",
        to_do=(
            "Repair the source of the data. The chunk is in quarantine: it has no drift figure and "
            "is no training data. If the data are right, release it with faultline monitor "
            "--release."
        ),
        severity=max(
            subject.stakes.severity(worst), Severity.WARNING, key=lambda severity: severity.rank
        ),
    )


def labels_missing(
    subject: Subject, labelled: tuple[int, int], *, usual: float, num_earlier: int
) -> Finding:
    """Returns the finding that labels stopped coming.

    Args:
        subject: The chunk.
        labelled: Its rows with a label, and all its rows.
        usual: Share of the rows of earlier chunks that have a label.
        num_earlier: Number of these rows.
    """
    return subject.finding(
        Kind.LABELS,
        features=("labels",),
        what=(
            f"{labelled[0]:,} of {labelled[1]:,} rows of chunk {subject.chunk.number} have a "
            f"label; of the {num_earlier:,} rows of the measured chunks, {usual:.0%} have one."
        ),
        to_do="Check the delivery of labels (faultline labels). Without them, a loss of quality "
        "stays unseen.",
        severity=Severity.WARNING,
    )


def reference_missing(model: str, chunk: Chunk, why: str) -> Finding:
    """Returns the finding that a version has nothing that its chunks can be compared with.

    Args:
        model: Name of the model.
        chunk: A chunk of the version.
        why: Why there is no reference, and what to do.
    """
    return Finding(
        kind=Kind.BROKEN_DATA,
        model=model,
        version=chunk.version,
        chunk=chunk.number,
        since=chunk.since,
        features=("reference",),
        what=f"Version {chunk.version} is in service, and the monitor cannot watch it. {why}",
        to_do="Serve a version whose run is in ML Metadata, or restore what is missing. The next "
        "chunk is compared then; earlier ones are not.",
        severity=Severity.WARNING,
    )


def drift(
    subject: Subject,
    evidence: Evidence,
    *,
    since: datetime,
    features: Sequence[str],
    change: Change,
) -> Finding:
    """Returns the finding that production differs from the training data.

    Args:
        subject: The chunk.
        evidence: The evidence.
        since: Beginning of the chunk since which the evidence is largest.
        features: Features that differ, the most telling first.
        change: The estimated change of recall and cost.
    """
    channels = ", ".join(f"`{driver.channel}`" for driver in evidence.drivers[:_NUM_SHOWN])
    return subject.finding(
        Kind.DRIFT,
        since=since,
        features=tuple(features),
        what=(
            f"Production differs from the training data of version {subject.chunk.version}, most "
            f"in {channels}. {change_words(change, subject.stakes.prices, 'Estimated')}"
        ),
        loss=subject.stakes.loss_of(change),
        to_do=(
            "Look at the features named. If the change is real and lasting, label some of the new "
            "rows and train on them (faultline span, faultline retrain)."
        ),
        severity=subject.stakes.severity(change.cost_per_day[1]),
    )


def estimated_loss(subject: Subject, *, since: datetime, change: Change) -> Finding:
    """Returns the finding that the estimated cost exceeds what the gate measured."""
    return subject.finding(
        Kind.ESTIMATED_LOSS,
        since=since,
        what=(
            "By its own probabilities, the model costs more than the gate measured. "
            f"{change_words(change, subject.stakes.prices, 'Estimated')}"
        ),
        loss=subject.stakes.loss_of(change),
        to_do=(
            "Have a sample of recent rows labelled to confirm it. If it is confirmed, train on "
            "recent rows (faultline retrain)."
        ),
        severity=subject.stakes.severity(change.cost_per_day[1]),
    )


def measured_loss(subject: Subject, *, names: Sequence[str], change: Change) -> Finding:
    """Returns the finding that labels show a loss against what the gate measured.

    Args:
        subject: The chunk.
        names: The broken promises: `cost`, `recall` or `prevalence`.
        change: The measured change of the chunk.
    """
    severity = subject.stakes.severity(change.cost_per_day[1])
    return subject.finding(
        Kind.MEASURED_LOSS,
        what=(
            f"{_broken_words(names, subject.chunk.version)} "
            f"{change_words(change, subject.stakes.prices, 'Measured in this chunk')}"
        ),
        loss=subject.stakes.loss_of(change),
        to_do=(
            "Serve an earlier version (faultline rollback) or train on the newest labelled rows "
            "(faultline retrain)."
        ),
        severity=max(severity, Severity.WARNING, key=lambda one: one.rank),
    )


def _broken_words(names: Sequence[str], version: int) -> str:
    """The broken promises in sentences."""
    words = []
    worse = [name for name in names if name != "prevalence"]
    if worse:
        are = "is" if len(worse) == 1 else "are"
        words.append(
            f"Labels show that the {' and '.join(worse)} of version {version} {are} worse than the "
            "gate measured."
        )
    if "prevalence" in names:
        words.append("Labels show far more faults than the training data have.")
    return " ".join(words)


def errors(subject: Subject, operations: Operations, *, since: datetime) -> Finding:
    """Returns the finding that more requests fail than before; each may be a missed fault."""
    share = operations.figures["error_share"] or 0.0
    return subject.finding(
        Kind.ERRORS,
        since=since,
        what=(
            f"{operations.num_failed:,} of {operations.num_failed + operations.num_requests:,} "
            f"requests failed ({share:.1%})."
        ),
        to_do="Look at the server's log, and at what clients send.",
        severity=subject.stakes.severity(share * subject.stakes.missed_per_day),
    )


def latency(
    subject: Subject, operations: Operations, *, usual_ms: float, since: datetime
) -> Finding:
    """Returns the finding that answers take longer than before."""
    p99 = operations.figures["p99_ms"] or 0.0
    return subject.finding(
        Kind.LATENCY,
        since=since,
        what=(
            f"99 % of the answers took at most {p99:.1f} ms; in earlier chunks of this version it "
            f"was {usual_ms:.1f} ms."
        ),
        to_do="Look at the load of the machine, the size of requests and the server's queue.",
        severity=Severity.WARNING,
    )


def change_words(change: Change, prices: Prices, verb: str) -> str:
    """Returns a change in words, such as `Estimated: recall -3.1 points [-8.0, +1.8]`."""
    recall = figure_words(change.recall_points, "+.1f")
    cost = amount_words(change.cost_per_day)
    parts = [
        f"recall {with_unit(recall, 'points')}" if recall else "",
        with_unit(cost, f"{prices.unit} a day"),
    ]
    text = "; ".join(part for part in parts if part)
    return f"{verb}: {text}." if text else "The loss is unknown."


def _sentence(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."
