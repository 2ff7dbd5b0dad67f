"""Summaries of TFDV's statistics by column, as plain values for a page."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from models.features import Audio, Feature, FeatureTable, Image, Time
from pipeline.components.example_validator.drift import DriftReport
from pipeline.components.pages.layout import date_text

_MAX_BARS = 20

Splits = Mapping[str, statistics_pb2.DatasetFeatureStatistics]


@dataclass(frozen=True)
class Distribution:
    """A column of one split.

    Attributes:
        x: Numbers in ascending order, or texts.
        share: Cumulative share of the values at each number, or the share of each text.
    """

    x: list[float] | list[str]
    share: list[float]


@dataclass(frozen=True)
class ColumnSummary:
    """A column over the splits.

    Attributes:
        name: The column.
        kind: `number`, `time`, `text`, `signal`, `sound` or `picture`, by what a row holds.
        missing: Share of rows without a value in train.
        facts: Words to values, of train.
        distributions: By split; none for signals and files, nor for texts that are all different.
        is_whole: Whether its numbers are whole.
    """

    name: str
    kind: str
    missing: float
    facts: dict[str, str]
    distributions: dict[str, Distribution]
    is_whole: bool = False

    @property
    def is_time(self) -> bool:
        """Whether it holds points in time, in seconds since the Unix epoch."""
        return self.kind == "time"


@dataclass(frozen=True)
class Drift:
    """The distance of a column's train split from that of earlier data.

    Attributes:
        column: The column.
        measure: TFDV's measure, or that of `example_validator.drift.Comparison`.
        value: The distance.
        threshold: What the schema allows, or the smallest distance that matters.
        is_alarm: Whether the distance is drift; one above the threshold may be chance.
        text: What changed, in words; empty for TFDV's measures.
    """

    column: str
    measure: str
    value: float
    threshold: float
    is_alarm: bool
    text: str = ""


def class_balance(splits: Splits, label: str) -> list[tuple[str, int, int, float]]:
    """Returns split, rows, positives and prevalence, of a label of 0 and 1."""
    rows = []
    for split, dataset in splits.items():
        mean = next(f.num_stats.mean for f in dataset.features if f.path.step[0] == label)
        positives = round(mean * dataset.num_examples)
        prevalence = positives / max(dataset.num_examples, 1)
        rows.append((split, int(dataset.num_examples), positives, prevalence))
    return rows


def summarise_columns(splits: Splits, features: FeatureTable) -> list[ColumnSummary]:
    """Returns a summary of every column of the train split, sorted by name.

    Args:
        splits: TFDV's statistics by split, `train` among them.
        features: The features table, for times, sounds and pictures.
    """
    by_split = {
        split: {feature.path.step[0]: feature for feature in dataset.features}
        for split, dataset in splits.items()
    }
    summaries = []
    for name, feature in sorted(by_split["train"].items()):
        kind, facts = _describe(feature, features.get(name))
        found = {split: features.get(name) for split, features in by_split.items()}
        values = _most_frequent(feature) if kind == "text" else []
        distributions = {
            split: _shares(each, values) if kind == "text" else _cumulative(each)
            for split, each in found.items()
            if each is not None and (values or kind in {"number", "time"})
        }
        missing = _missing(feature, int(splits["train"].num_examples))
        is_whole = feature.type == statistics_pb2.FeatureNameStatistics.INT
        summaries.append(ColumnSummary(name, kind, missing, facts, distributions, is_whole))
    return summaries


def _common(feature: statistics_pb2.FeatureNameStatistics) -> statistics_pb2.CommonStatistics:
    return getattr(feature, feature.WhichOneof("stats")).common_stats


def _missing(feature: statistics_pb2.FeatureNameStatistics, num_rows: int) -> float:
    """Share of rows without a value: for TFDV an empty list, as TFX writes it, is not missing."""
    common = _common(feature)
    present = common.num_non_missing
    if common.max_num_values <= 1:
        present = min(present, common.tot_num_values)
    return float(1 - present / max(num_rows, 1))


def _describe(
    feature: statistics_pb2.FeatureNameStatistics, use: Feature | None
) -> tuple[str, dict[str, str]]:
    common = _common(feature)
    if feature.WhichOneof("stats") == "string_stats":
        text = feature.string_stats
        if isinstance(use, Audio | Image):
            kind = "sound" if isinstance(use, Audio) else "picture"
            return kind, {"distinct files": f"{text.unique:,}"}
        facts = {"distinct values": f"{text.unique:,}"}
        if text.top_values:
            top = text.top_values[0]
            facts["most frequent"] = f"{top.value} ({top.frequency:,.0f})"
        return "text", facts
    numbers = feature.num_stats
    if isinstance(use, Time):
        parts = {"first": numbers.min, "median": numbers.median, "last": numbers.max}
        return "time", {words: date_text(value) for words, value in parts.items()}
    facts = {
        "mean": f"{numbers.mean:.5g}",
        "standard deviation": f"{numbers.std_dev:.5g}",
        "min": f"{numbers.min:.5g}",
        "median": f"{numbers.median:.5g}",
        "max": f"{numbers.max:.5g}",
    }
    if common.max_num_values > 1:
        return "signal", {"samples": f"{common.max_num_values}", **facts}
    return "number", facts


def _most_frequent(feature: statistics_pb2.FeatureNameStatistics) -> list[str]:
    """The values of a text in train that are shown; none of an identifier, which has no two."""
    buckets = feature.string_stats.rank_histogram.buckets
    if not buckets or (len(buckets) > _MAX_BARS and buckets[0].sample_count <= 1):
        return []
    return [bucket.label for bucket in buckets[:_MAX_BARS]]


def _shares(feature: statistics_pb2.FeatureNameStatistics, values: list[str]) -> Distribution:
    """The shares of the same values in any split."""
    strings = feature.string_stats
    counts = {bucket.label: bucket.sample_count for bucket in strings.rank_histogram.buckets}
    total = max(strings.common_stats.tot_num_values, 1)
    return Distribution(values, [counts.get(value, 0.0) / total for value in values])


def _cumulative(feature: statistics_pb2.FeatureNameStatistics) -> Distribution:
    """The share of values up to each tenth's edge.

    Not a histogram: its bins extend to the most extreme value, so a single outlier makes a split
    look unlike the others.
    """
    quantiles = statistics_pb2.Histogram.HistogramType.QUANTILES
    found = [each for each in feature.num_stats.histograms if each.type == quantiles]
    buckets = found[0].buckets if found else []
    total = max(sum(bucket.sample_count for bucket in buckets), 1e-300)
    counts = itertools.accumulate(bucket.sample_count for bucket in buckets)
    return Distribution(
        [bucket.low_value for bucket in buckets[:1]] + [bucket.high_value for bucket in buckets],
        [0.0] * len(buckets[:1]) + [count / total for count in counts],
    )


def drifts(anomalies: anomalies_pb2.Anomalies, report: DriftReport) -> list[Drift]:
    """Returns the distances from earlier data, those closest to their limit first.

    Args:
        anomalies: TFDV's, of the schema's own comparators.
        report: The comparisons of profiles.
    """
    names = anomalies_pb2.DriftSkewInfo.Measurement.Type
    by_schema = [
        Drift(
            column=".".join(info.path.step),
            measure=names.Name(measurement.type).lower(),
            value=measurement.value,
            threshold=measurement.threshold,
            is_alarm=measurement.value > measurement.threshold,
        )
        for info in anomalies.drift_skew_info
        for measurement in info.drift_measurements
    ]
    by_profile = [
        Drift(
            column=one.column,
            measure=one.measure,
            value=one.distance,
            threshold=one.floor,
            is_alarm=one.alarm,
            text=one.text,
        )
        for one in report.comparisons
    ]
    return sorted(
        by_schema + by_profile,
        key=lambda drift: (not drift.is_alarm, -drift.value / max(drift.threshold, 1e-12)),
    )
