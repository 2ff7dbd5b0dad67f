"""Drift of features and label between two accepted data sets, by their profiles."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field
from pydantic.dataclasses import dataclass

from common.config_values import JsonValue
from measuring.drift import (
    Distance,
    category_distance,
    number_distance,
    share_distance,
    thousands_text,
)
from models.features import Categorical, Feature, Media, Signal, Time, raw_feature_names
from pipeline.components.statistics_gen.profiles import (
    LEVEL,
    SPREAD,
    VALUE,
    ColumnProfile,
    DataProfile,
)

DRIFT_FILE = "drift.json"
MISSING_SHARE, LABEL_SHARE, CATEGORIES = "missing share", "share of positives", "categories"
_MEASURES = {VALUE: "distribution", LEVEL: "level", SPREAD: "spread"}


@dataclass(frozen=True, kw_only=True)
class DriftOptions(JsonValue):
    """What is compared.

    Attributes:
        features: The features table.
        label: The label column.
        floor: The smallest distance that matters, in [0, 1].
        ignored: Columns that may drift.
        has_spans: Whether the data come in spans.
    """

    features: Mapping[str, Feature]
    label: str
    has_spans: bool = False
    floor: float = 0.1
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One measure of one column, now and then.

    Attributes:
        column: The column.
        measure: `distribution`, `level`, `spread`, `categories`, `missing share` or `share of
            positives`.
        distance: The distance, in [0, 1].
        floor: The smallest distance that matters.
        p_value: Probability of such a distance without drift, an upper bound.
        alarm: Whether the distance matters and is more than chance.
        text: What changed, in words.
    """

    column: str
    measure: str
    distance: float
    floor: float
    p_value: float
    alarm: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class DriftReport(JsonValue):
    """All comparisons of a data set with an earlier one.

    Attributes:
        comparisons: By column, in the order of the features table; the label is last.
        num_rows: Rows of the data.
        num_rows_then: Rows of the earlier data.
    """

    comparisons: tuple[Comparison, ...] = Field(default_factory=tuple)
    num_rows: int = 0
    num_rows_then: int = 0

    @property
    def columns(self) -> set[str]:
        """The columns whose values were compared."""
        measures = {*_MEASURES.values(), CATEGORIES}
        return {one.column for one in self.comparisons if one.measure in measures}

    @property
    def has_label(self) -> bool:
        """Whether the share of positives was compared."""
        return any(one.measure == LABEL_SHARE for one in self.comparisons)


def compare_profiles(
    now: DataProfile,
    then: DataProfile,
    options: DriftOptions,
    *,
    skip: Sequence[str] = (),
    words: tuple[str, str] = ("then", "now"),
) -> DriftReport:
    """Returns how far the features and the label are from those of earlier data.

    Points in time are not compared: they always move on. Of files only the missing share is.

    Args:
        now: Profile of the data.
        then: Profile of the earlier data.
        options: What is compared.
        skip: Columns whose values the schema's own comparators judge.
        words: What the texts call the earlier data and the data.
    """
    comparisons: list[Comparison] = []
    for name in raw_feature_names(options.features):
        if name in options.ignored or name not in now.columns or name not in then.columns:
            continue
        pair = _Pair(name=name, now=now, then=then, floor=options.floor, words=words)
        distances = dict(pair.distances(options.features[name])) if name not in skip else {}
        distances[MISSING_SHARE] = pair.missing()
        comparisons += [
            Comparison(
                column=name,
                measure=measure,
                distance=distance.value,
                floor=distance.floor,
                p_value=distance.p_value,
                alarm=distance.is_alarm(len(distances)),
                text=text,
            )
            for measure, (distance, text) in distances.items()
        ]
    comparisons += _label_share(now, then, options)
    return DriftReport(
        comparisons=tuple(comparisons), num_rows=now.num_rows, num_rows_then=then.num_rows
    )


@dataclass(frozen=True, kw_only=True)
class _Pair:
    name: str
    now: DataProfile
    then: DataProfile
    floor: float
    words: tuple[str, str]

    @property
    def _columns(self) -> tuple[ColumnProfile, ColumnProfile]:
        return self.now.columns[self.name], self.then.columns[self.name]

    def distances(self, feature: Feature) -> Iterator[tuple[str, tuple[Distance, str]]]:
        a, b = self._columns
        if isinstance(feature, Time | Media):
            return
        if isinstance(feature, Categorical):
            distance = category_distance(a.counts, b.counts, floor=self.floor)
            if distance is not None:
                yield CATEGORIES, (distance, self._category_text(distance.where))
            return
        measures = (LEVEL, SPREAD) if isinstance(feature, Signal) else (VALUE,)
        for measure in measures:
            if measure in a.numbers and measure in b.numbers:
                distance = number_distance(
                    a.numbers[measure],
                    a.num_sampled[measure],
                    b.numbers[measure],
                    b.num_sampled[measure],
                    floor=self.floor,
                )
                medians = [numbers[len(numbers) // 2] for numbers in _both(a, b, measure)]
                text = self._text(f"median {medians[1]:.6g}", f"{medians[0]:.6g}")
                text += thousands_text(medians[0], medians[1])
                yield _MEASURES[measure], (distance, text)

    def _text(self, then: str, now: str) -> str:
        return f"{then} {self.words[0]}, {now} {self.words[1]}"

    def _category_text(self, name: str) -> str:
        shares = [
            column.counts.get(name, 0) / sum(column.counts.values()) for column in self._columns
        ]
        if not any(shares):  # several values together
            return f"{name} together"
        return self._text(f"`{name[:60]}` {shares[1]:.2%}", f"{shares[0]:.2%}")

    def missing(self) -> tuple[Distance, str]:
        a, b = self._columns
        now, then = (a.num_missing, self.now.num_rows), (b.num_missing, self.then.num_rows)
        distance = share_distance(*now, *then, floor=self.floor, relative=False)
        return distance, self._text(f"{then[0] / then[1]:.2%}", f"{now[0] / now[1]:.2%}")


def _both(a: ColumnProfile, b: ColumnProfile, measure: str) -> list[tuple[float, ...]]:
    return [tuple(a.numbers[measure]), tuple(b.numbers[measure])]


def _label_share(now: DataProfile, then: DataProfile, options: DriftOptions) -> list[Comparison]:
    """Compares the shares of positives, of labels of 0 and 1."""
    columns = [profile.columns.get(options.label) for profile in (now, then)]
    if options.label in options.ignored or any(column is None for column in columns):
        return []
    pairs = [
        (column.counts.get("1", 0), sum(column.counts.values())) for column in columns if column
    ]
    if not all(size for _, size in pairs):
        return []
    (now_positive, num_now), (then_positive, num_then) = pairs
    distance = share_distance(
        now_positive, num_now, then_positive, num_then, floor=options.floor, relative=True
    )
    return [
        Comparison(
            column=options.label,
            measure=LABEL_SHARE,
            distance=distance.value,
            floor=distance.floor,
            p_value=distance.p_value,
            alarm=distance.is_alarm(),
            text=f"{then_positive / num_then:.2%} then, {now_positive / num_now:.2%} now",
        )
    ]
