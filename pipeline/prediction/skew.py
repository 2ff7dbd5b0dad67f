"""Skew: how far the rows to predict are from those that the model was trained on."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from common.errors import InputError
from measuring.drift import Distance, category_distance, share_distance, thousands_text
from pipeline.components.statistics_gen.profiles import (
    LEVEL,
    SPREAD,
    VALUE,
    ColumnProfile,
    row_moments,
)
from pipeline.components.trainer.reference import REFERENCE_FILE, Reference

if TYPE_CHECKING:
    from pipeline.prediction.options import PredictSummary

# The smallest difference that matters: of shares of missing rows and of alarms, and of
# distributions; and of values that training has not met.
MIN_DISTANCE = 0.1
MIN_NEW_SHARE = 0.01
ALARMS = "alarms"

_MISSING, _UNSEEN, _OUT_OF_RANGE = "missing", "unseen values", "out of range"
_MEASURE_WORDS = {VALUE: "distribution", LEVEL: "level", SPREAD: "spread"}


@dataclass(frozen=True, kw_only=True)
class Skew:
    """One difference between the rows and the reference that matters and is more than chance.

    Attributes:
        column: The column, or `alarms`.
        what: What differs.
        here: Its value among the rows.
        reference: Its value in the reference.
        is_total: Whether all rows are missing, or all values unseen or out of range.
    """

    column: str
    what: str
    here: str
    reference: str
    is_total: bool = False


def read_reference(model: Path | None) -> Reference | None:
    """Returns the reference that travels with a model, or None without one.

    Args:
        model: The model's folder, if it is on this machine.
    """
    path = model / REFERENCE_FILE if model is not None else None
    if path is None or not path.is_file():
        return None
    return Reference.from_json(path.read_text(encoding="utf-8"))


class SkewCounter:
    """Counts of the rows so far, enough to compare them with a reference; parts can be merged."""

    def __init__(self, reference: Reference) -> None:
        """Makes a counter of no rows."""
        self._reference = reference
        self._num_rows = 0
        self._columns = {name: _ColumnCounts(column) for name, column in reference.columns.items()}

    @property
    def compared_with(self) -> str:
        """What the rows are compared with, in words."""
        reference = self._reference
        return f"the {reference.num_rows:,} rows of the model's {reference.split} split"

    def add(self, features: pa.RecordBatch) -> None:
        """Adds rows, with the model's columns and types; a null is a missing value."""
        self._num_rows += features.num_rows
        for name, counts in self._columns.items():
            place = features.schema.get_field_index(name)
            if place >= 0:
                counts.add(features.column(place))

    def merge(self, other: "SkewCounter") -> None:
        """Adds the rows of another counter of the same reference."""
        self._num_rows += other._num_rows
        for name, counts in other._columns.items():
            self._columns[name].merge(counts)

    def skews(self, decisions: Mapping[str, int]) -> list[Skew]:
        """Returns what differs, by column in the order of the features; alarms are last.

        Args:
            decisions: Rows by the model's decision.
        """
        if not self._num_rows:
            return []
        skews = [
            skew
            for name, counts in self._columns.items()
            for skew in counts.skews(name, self._num_rows, self._reference.num_rows)
        ]
        return [*skews, *_alarm_skew(decisions, self._reference)]


class _ColumnCounts:
    def __init__(self, reference: ColumnProfile) -> None:
        self._reference = reference
        self._num_missing = 0
        self._categories: Counter[str] = Counter()
        # By measure: numbers below, between and above the points of the reference.
        self._bins: dict[str, NDArray[np.int64]] = {}
        self._num_below: Counter[str] = Counter()
        self._sums: dict[str, float] = {}

    def add(self, column: pa.Array) -> None:
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            lengths = np.asarray(pc.list_value_length(column).fill_null(0), np.int64)
            self._num_missing += int((lengths == 0).sum())
            if LEVEL in self._reference.numbers:
                moments = row_moments(np.asarray(column.flatten(), np.float64), lengths)
                for measure, numbers in zip((LEVEL, SPREAD), moments, strict=True):
                    self._count(measure, numbers)
            return
        self._num_missing += column.null_count
        present = column.drop_null()
        if VALUE in self._reference.numbers and not pa.types.is_binary(column.type):
            self._count(VALUE, np.asarray(present, np.float64))
        if self._reference.counts:
            for item in present.value_counts().to_pylist():
                value = item["values"]
                text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
                self._categories[text] += item["counts"]

    def _count(self, measure: str, numbers: NDArray[np.float64]) -> None:
        points = np.asarray(self._reference.numbers.get(measure, ()))
        if not len(points):
            return
        finite = numbers[np.isfinite(numbers)]
        places = np.searchsorted(points, finite, side="left")
        counts = np.bincount(places, minlength=len(points) + 1)
        self._merge_bins(measure, counts)
        self._num_below[measure] += int((finite < points[0]).sum())
        self._sums[measure] = self._sums.get(measure, 0.0) + float(finite.sum())

    def _merge_bins(self, measure: str, counts: NDArray[np.int64]) -> None:
        self._bins[measure] = self._bins[measure] + counts if measure in self._bins else counts

    def merge(self, other: "_ColumnCounts") -> None:
        self._num_missing += other._num_missing
        self._categories += other._categories
        for measure, counts in other._bins.items():
            self._merge_bins(measure, counts)
            self._sums[measure] = self._sums.get(measure, 0.0) + other._sums[measure]
        self._num_below += other._num_below

    def skews(self, name: str, num_rows: int, num_then: int) -> Iterator[Skew]:
        missing = self._num_missing, num_rows
        then = self._reference.num_missing, num_then
        yield from _share_skew(name, _MISSING, missing, then, floor=MIN_DISTANCE)
        num_present, num_present_then = num_rows - missing[0], num_then - then[0]
        if not num_present or not num_present_then:
            return
        if self._reference.counts:
            yield from self._category_skews(name)
        for measure, counts in self._bins.items():
            num_sampled = self._reference.num_sampled[measure]
            yield from self._number_skews(name, measure, counts, num_sampled)

    def _category_skews(self, name: str) -> Iterator[Skew]:
        then = self._reference.counts
        total, total_then = sum(self._categories.values()), sum(then.values())
        if not total:
            return
        unseen = sum(n for text, n in self._categories.items() if text not in then)
        # Good and Turing: the share of values not met before is that of values met once.
        once = sum(n == 1 for n in then.values())
        yield from _share_skew(
            name, _UNSEEN, (unseen, total), (once, total_then), floor=MIN_NEW_SHARE
        )
        distance = category_distance(self._categories, then, floor=MIN_DISTANCE)
        if distance is not None and distance.is_alarm() and distance.where in then:
            where = distance.where
            yield Skew(
                column=name,
                what=f"share of `{where[:40]}`",
                here=f"{self._categories[where] / total:.1%}",
                reference=f"{then[where] / total_then:.1%}",
            )

    def _number_skews(
        self, name: str, measure: str, counts: NDArray[np.int64], num_then: int
    ) -> Iterator[Skew]:
        points = self._reference.numbers[measure]
        total = int(counts.sum())
        if not total:
            return
        outside = self._num_below[measure] + int(counts[-1])
        # Of a sample of one distribution about two in `num_then` are beyond its extremes.
        words = _OUT_OF_RANGE if measure == VALUE else f"{measure} {_OUT_OF_RANGE}"
        yield from _share_skew(
            name, words, (outside, total), (min(2, num_then), num_then), floor=MIN_NEW_SHARE
        )
        distance = _distance(counts, points, total, num_then)
        if distance.is_alarm():
            here, then = self._sums[measure] / total, float(np.mean(points))
            yield Skew(
                column=name,
                what=f"{_MEASURE_WORDS[measure]} (distance {distance.value:.2f}"
                f"{thousands_text(here, then)})",
                here=f"mean {here:.5g}",
                reference=f"about {then:.5g}",
            )


def _distance(
    counts: NDArray[np.int64], points: tuple[float, ...], total: int, num_then: int
) -> Distance:
    """Returns the Kolmogorov-Smirnov distance at the points of the reference."""
    ordered = np.asarray(points)
    then = np.searchsorted(ordered, ordered, side="right") / len(ordered)
    now = counts.cumsum()[:-1] / total
    value = float(np.abs(now - then).max())
    harmonic = total * num_then / (total + num_then)
    # The points know the reference's distribution to within one step.
    beyond = max(0.0, value - 1 / len(ordered))
    return Distance(
        value=value,
        floor=MIN_DISTANCE,
        p_value=min(1.0, 2 * float(np.exp(-2 * harmonic * beyond**2))),
    )


def _share_skew(
    column: str, what: str, now: tuple[int, int], then: tuple[int, int], *, floor: float
) -> Iterator[Skew]:
    if share_distance(*now, *then, floor=floor, relative=False).is_alarm():
        yield Skew(
            column=column,
            what=what,
            here=f"{now[0] / now[1]:.1%}",
            reference=f"{then[0] / then[1]:.1%}",
            is_total=now[0] == now[1],
        )


def _alarm_skew(decisions: Mapping[str, int], reference: Reference) -> Iterator[Skew]:
    total = sum(decisions.values())
    if not total or not reference.num_test:
        return
    now, then = (decisions.get("1", 0), total), (reference.num_test_alarms, reference.num_test)
    if share_distance(*now, *then, floor=MIN_DISTANCE, relative=True).is_alarm():
        yield Skew(
            column=ALARMS,
            what="share of the rows",
            here=f"{now[0] / now[1]:.1%}",
            reference=f"{then[0] / then[1]:.1%} of the test split",
        )


def note_skews(counter: SkewCounter | None, summary: "PredictSummary", *, strict: bool) -> None:
    """Notes in the summary what differs from the data of training.

    Args:
        counter: The rows; None without a reference.
        summary: Has the decisions; gets the differences.
        strict: Whether a difference, or the lack of a reference, is an error.

    Raises:
        InputError: With `strict`, names every difference.
    """
    if counter is None:
        if strict:
            raise InputError(
                "--strict: the model has no reference to compare the rows with. Name the output "
                "folder of its run with --output, or train it again; nothing was written."
            )
        return
    summary.skews = counter.skews(summary.decisions)
    summary.compared_with = counter.compared_with
    if summary.skews and strict:
        raise InputError(
            f"--strict: the rows differ from {counter.compared_with}; nothing was written.\n"
            f"{describe_skews(summary.skews)}"
        )


def describe_skews(skews: Iterable[Skew]) -> str:
    """Returns the differences as text, one line each."""
    return "\n".join(
        f"`{skew.column}`: {skew.what} {skew.here}, {skew.reference} in training"
        if skew.column != ALARMS
        else f"alarms: {skew.here} of the rows, {skew.reference}"
        for skew in skews
    )


def describe_totals(skews: Iterable[Skew]) -> str:
    """Returns which columns have no value at all that is like those of training, or nothing.

    >>> describe_totals([Skew(column="a", what="missing", here="", reference="", is_total=True)])
    '`a` is missing in every row'
    """
    texts = []
    for skew in skews:
        if skew.is_total and skew.what == _MISSING:
            texts.append(f"`{skew.column}` is missing in every row")
        elif skew.is_total and skew.what == _UNSEEN:
            texts.append(f"`{skew.column}` has only values that training has not met")
        elif skew.is_total:
            texts.append(f"`{skew.column}` is outside the range of training in every row")
    return "; ".join(texts)
