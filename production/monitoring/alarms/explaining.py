"""Explains an alarm: training data against production, example requests, likely causes."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import Config
from pipeline.production_options.collection import redacted
from production.collection.records import OK, Selection, read_records
from production.monitoring.alarms.alarm import Kind
from production.monitoring.alarms.book import AlarmState
from production.monitoring.chunks.columns import Categories, Columns, read_columns
from production.monitoring.chunks.reading import joined
from production.monitoring.reference.reference import Reference
from production.monitoring.report import ChunkReport
from serving.recording.columns import column_name

Floats = npt.NDArray[np.float64]

_MISSING = ": missing"
_OWN = ("request_id", "row", "time", "key", "probability", "decision")
_NUM_CHANNELS, _NUM_EXAMPLES, _NUM_CATEGORIES = 8, 5, 4
_MAX_VALUES = 6  # of a list in an example
# A category is rare in training below this share, and new if it is so many times as frequent now.
_RARE, _NEW_FACTOR = 0.01, 10


@dataclass(frozen=True, kw_only=True)
class Side:
    """A channel in the training data or in production.

    Attributes:
        missing: Share of rows without a value.
        quantiles: Quantiles at 5, 50 and 95 % of numbers; None for categories.
        deviation: Standard deviation of numbers; None for categories.
        categories: Shares of the categories that are most frequent in training or in production;
            None for numbers.
    """

    missing: float
    quantiles: tuple[float, float, float] | None = None
    deviation: float | None = None
    categories: dict[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A channel in training against production.

    Attributes:
        channel: A feature, or a number that describes a signal, `SIGNAL: NAME`.
        training: The training data.
        production: The rows of the chunk.
        p_value: The p-value of the chunk; None where it has none, as in a broken chunk.
    """

    channel: str
    training: Side
    production: Side
    p_value: float | None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """An alarm with what is known about it.

    Attributes:
        state: The alarm and what became of it.
        report: Report of the last chunk that showed it; None if there is none.
        comparisons: Its channels, the most telling first.
        examples: A few requests of that chunk as JSON values.
        causes: Likely causes, in sentences.
        notes: What could not be shown, and why.
    """

    state: AlarmState
    report: ChunkReport | None
    comparisons: list[Comparison]
    examples: list[dict[str, Any]]
    causes: list[str]
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """Returns the explanation as JSON values."""
        return {
            "alarm": self.state.to_json(),
            "chunk": None if self.report is None else self.report.to_json(),
            "comparisons": [asdict(one) for one in self.comparisons],
            "examples": self.examples,
            "causes": self.causes,
            "notes": self.notes,
        }


def explain_alarm(
    state: AlarmState,
    reports: Sequence[ChunkReport],
    collected: Path,
    reference: Reference,
    config: Config,
) -> Explanation:
    """Returns an alarm with what is known about it.

    Args:
        state: The alarm.
        reports: Reports of the model's chunks.
        collected: The folder `collected/NAME`.
        reference: Training data of the version.
        config: The use case.
    """
    report = next((one for one in reports if one.number == state.last_chunk), None)
    notes = []
    if report is None:
        notes.append(f"Chunk {state.last_chunk} has no report.")
    features = [name for name in state.alarm.features if name in reference.features]
    rows = None if report is None else _rows_of(collected, report, features)
    if report is not None and rows is None:
        notes.append(
            f"The rows of chunk {report.number} are gone: `collection.max_mb` bounds what is kept."
        )
    comparisons, examples = [], []
    if report is not None and rows is not None:
        columns = read_columns(rows, reference.features, skip=redacted(config.collection))
        comparisons = _compare(state.alarm.features, reference.columns, columns, report)
        channels = [one.channel for one in comparisons]
        examples = _examples(rows, state.alarm.features, _oddity(channels, reference, columns))
    return Explanation(
        state=state,
        report=report,
        comparisons=comparisons,
        examples=examples,
        causes=[*likely_causes(state.alarm.kind, comparisons, report)],
        notes=notes,
    )


def _rows_of(collected: Path, report: ChunkReport, features: Sequence[str]) -> pa.Table | None:
    """The rows of a chunk with the given features; None if there are none any more."""
    selection = Selection(since=report.since, until=report.until, versions={report.version})
    columns = [*_OWN, "answered", "status", *map(column_name, features)]
    parts = []
    for batch in read_records(collected, selection, columns=columns):
        is_given = pc.and_(batch["answered"], pc.equal(batch["status"], OK))
        parts.append(pa.Table.from_batches([batch.filter(is_given)]))
    parts = [part for part in parts if part.num_rows]
    return joined(parts) if parts else None


def _compare(
    features: Sequence[str], training: Columns, production: Columns, report: ChunkReport
) -> list[Comparison]:
    p_values = (report.drift or {}).get("p_values", {})

    def smallest(channel: str) -> float:
        names = (channel, channel + _MISSING)
        return min((p_values[name] for name in names if name in p_values), default=1.0)

    channels = [*training.numbers, *training.categories]
    named = [one for one in channels if one in features or one.partition(":")[0] in features]
    order = {feature: place for place, feature in enumerate(features)}
    named.sort(key=lambda one: (smallest(one), order.get(one, order.get(one.partition(":")[0], 0))))
    return [
        Comparison(
            channel=channel,
            training=_side(training, channel, production),
            production=_side(production, channel, training),
            p_value=smallest(channel) if p_values else None,
        )
        for channel in named[:_NUM_CHANNELS]
        if channel in production.numbers or channel in production.categories
    ]


def _side(columns: Columns, channel: str, other: Columns) -> Side:
    feature = channel if channel in columns.missing else channel.partition(":")[0]
    flags = columns.missing.get(feature)
    missing = 0.0 if flags is None or not len(flags) else float(flags.mean())
    if channel in columns.categories:
        counts = columns.categories[channel].counts()
        total = sum(counts.values()) or 1
        names = dict.fromkeys([*_most_frequent(columns, channel), *_most_frequent(other, channel)])
        return Side(
            missing=missing, categories={name: counts.get(name, 0) / total for name in names}
        )
    values = columns.numbers[channel]
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Side(missing=missing)
    low, middle, high = (float(one) for one in np.quantile(finite, [0.05, 0.5, 0.95]))
    return Side(missing=missing, quantiles=(low, middle, high), deviation=float(finite.std()))


def _most_frequent(columns: Columns, channel: str) -> list[str]:
    if channel not in columns.categories:
        return []
    counts = columns.categories[channel].counts()
    return sorted(counts, key=lambda name: -counts[name])[:_NUM_CATEGORIES]


def _oddity(channels: Sequence[str], reference: Reference, columns: Columns) -> Floats | None:
    """How far each row is from the training data in the first channel; None without channels.

    Numbers count in the direction of the change: the side of the training data on which more rows
    are. Values that are missing count most if more of them are missing than were moved.
    """
    if not channels:
        return None
    channel, training = channels[0], reference.columns
    flags = (one.missing.get(channel.partition(":")[0]) for one in (training, columns))
    then_missing, now_missing = (np.zeros(1, bool) if one is None else one for one in flags)
    lost = float(now_missing.mean() - then_missing.mean())
    if channel in columns.categories:
        odd, moved = _odd_categories(training.categories[channel], columns.categories[channel])
    else:
        odd, moved = _odd_numbers(training.numbers[channel], columns.numbers[channel])
    if lost > moved and len(now_missing) == len(odd):
        return np.where(now_missing, np.inf, odd)
    return odd


def _odd_numbers(then: Floats, now: Floats) -> tuple[Floats, float]:
    """Distances from the training's median in the direction of the change, and its size."""
    then, is_number = np.sort(then[np.isfinite(then)]), np.isfinite(now)
    if not len(then) or not is_number.any():
        return np.full(len(now), -np.inf), 0.0
    values = now[is_number]
    below, upto = (np.searchsorted(then, values, side=side) for side in ("left", "right"))
    # The mean rank among the training data, from -1 to 1; 0 without a change.
    moved = float((below + upto).mean() / len(then) - 1)
    sign = 1.0 if moved >= 0 else -1.0
    return np.where(is_number, sign * (now - np.median(then)), -np.inf), abs(moved)


def _odd_categories(then: Categories, now: Categories) -> tuple[Floats, float]:
    """By how much the share of each row's category has risen, and the largest rise."""
    before, after = then.counts(), now.counts()
    num_before, num_after = (sum(counts.values()) or 1 for counts in (before, after))
    rises = [after[name] / num_after - before.get(name, 0) / num_before for name in now.names]
    # The last place is that of a missing category, whose code is -1.
    return np.array([*rises, -np.inf])[now.codes], max(rises, default=0.0)


def _examples(
    rows: pa.Table, features: Sequence[str], oddity: Floats | None
) -> list[dict[str, Any]]:
    """The rows that are farthest from the training data, the farthest first."""
    shown = [name for one in features if (name := column_name(one)) in rows.column_names]
    odd = np.zeros(rows.num_rows) if oddity is None else oddity
    places = np.argsort(-odd, kind="stable")[:_NUM_EXAMPLES].tolist()
    chosen = rows.select([*_OWN, *shown]).take(pa.array(places, pa.int64())).to_pylist()
    return [{name: _short(value) for name, value in row.items()} for row in chosen]


def _short(value: Any) -> Any:
    if isinstance(value, list):
        more = [f"… {len(value):,} values"] if len(value) > _MAX_VALUES else []
        return [*value[:_MAX_VALUES], *more]
    return value.isoformat() if hasattr(value, "isoformat") else value


def likely_causes(
    kind: Kind, comparisons: Sequence[Comparison], report: ChunkReport | None
) -> Iterator[str]:
    """Yields what may be behind an alarm, judged by how its channels differ.

    Args:
        kind: What the alarm is about.
        comparisons: Its channels.
        report: Report of its chunk; None if there is none.
    """
    if kind is Kind.BROKEN_DATA and report is not None:
        yield from (trouble["words"] for trouble in report.troubles)
    for one in comparisons:
        yield from _causes_of(one)
    if kind is Kind.ESTIMATED_LOSS:
        yield (
            "The model is less sure of its answers than it was on the test split. Either the rows "
            "are of a kind that it has seen less of, or faults are more frequent."
        )
    drift = report.drift if report is not None else None
    if kind is Kind.MEASURED_LOSS and drift is not None and drift["evidence"] < drift["limit"]:
        yield (
            "The inputs show no drift, so that the relation of inputs and faults may have changed "
            "(concept drift), or the way that labels are made."
        )
    if kind is Kind.ERRORS:
        yield "A client that sends another form of request, or a server that is out of memory."
    if kind is Kind.LATENCY:
        yield "More or larger requests than before, or other programs on the same machine."


def _causes_of(one: Comparison) -> Iterator[str]:
    training, production = one.training, one.production
    name = f"`{one.channel}`"
    if production.missing > training.missing + 0.01:
        yield (
            f"{name} is missing in {production.missing:.1%} of the rows, in training in "
            f"{training.missing:.1%}: a sensor that drops out, or a client that omits the column."
        )
    if training.categories is not None and production.categories is not None:
        then = training.categories
        new = [
            name
            for name, share in production.categories.items()
            if then.get(name, 0.0) < _RARE and share > _NEW_FACTOR * then.get(name, 0.0)
        ]
        if new:
            yield (
                f"{name} has values that are rare or absent in training, such as `{new[0]}`: a "
                "new variant, or another spelling."
            )
        return
    if training.quantiles is None or production.quantiles is None or not training.deviation:
        return
    shift = production.quantiles[1] - training.quantiles[1]
    spread = (production.deviation or 0.0) / training.deviation
    if spread < 0.1:
        yield f"{name} hardly varies any more: a sensor that is stuck."
    elif abs(shift) > 0.5 * training.deviation:
        yield (
            f"The median of {name} has moved by {shift:+.4g}, {shift / training.deviation:+.1f} "
            "standard deviations: a sensor with an offset, another unit, or other operation."
        )
    elif spread > 1.5:
        yield f"{name} varies {spread:.1f} times as much: noise, or more different operation."
