"""Alerts on columns that deserve a second look before training."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import statistics_pb2

from models.features import Categorical, FeatureTable, Media
from pipeline.components.data_report.correlations import Floats

# |r| from which two columns are near-duplicates.
_DUPLICATE_R = 0.999
_NUMBER_SHARE = 0.95
_IDENTIFIER_SHARE = 0.5
_MIN_DISTINCT = 50


@dataclass(frozen=True)
class Alert:
    """One alert.

    Attributes:
        column: The column, or two columns.
        text: The finding and its consequence, without the column's name.
    """

    column: str
    text: str


def find_alerts(
    train: statistics_pb2.DatasetFeatureStatistics,
    features: FeatureTable,
    correlations: tuple[Sequence[str], Floats],
    label: str,
    separations: Mapping[str, float],
    giveaways: Mapping[str, Mapping[str, str]],
) -> list[Alert]:
    """Returns the alerts on the columns of train.

    Args:
        train: TFDV's statistics of train.
        features: The features table.
        correlations: Column names and Pearson's r of each pair, `[k, k]`.
        label: The label column, whose correlations are no duplicates.
        separations: ROC-AUC of the features that separate the classes almost alone.
        giveaways: How properties of files tell the label, by column and property.
    """
    alerts: list[Alert] = []
    for feature in sorted(train.features, key=lambda feature: str(feature.path.step[0])):
        name = feature.path.step[0]
        kind = feature.WhichOneof("stats")
        if not getattr(feature, kind).common_stats.tot_num_values:
            alerts.append(Alert(name, "has no values."))
        elif kind == "string_stats":
            alerts += _text_alerts(name, feature.string_stats, features)
        elif kind == "num_stats" and feature.num_stats.min == feature.num_stats.max:
            text = f"is constant: every value is {feature.num_stats.min:.6g}."
            alerts.append(Alert(name, text))
    alerts += [*_duplicates(*correlations, label), *_separations(separations)]
    return [*alerts, *_giveaways(giveaways)]


def _giveaways(giveaways: Mapping[str, Mapping[str, str]]) -> Iterator[Alert]:
    for column, properties in giveaways.items():
        for name, words in properties.items():
            yield Alert(
                column,
                f"tells the label by the {name} of its files: {words}. A model may learn how files "
                "were made instead of the fault.",
            )


def _separations(areas: Mapping[str, float]) -> Iterator[Alert]:
    for name, area in areas.items():
        side = "high" if area > 0.5 else "low"
        yield Alert(
            name,
            f"separates the classes almost alone: ROC-AUC {max(area, 1 - area):.4f}, {side} values "
            "are positive. If it is known only after the fault, leave it out.",
        )


def _text_alerts(
    name: str, text: statistics_pb2.StringStatistics, features: FeatureTable
) -> Iterator[Alert]:
    total = text.common_stats.tot_num_values
    feature = features.get(name)
    if isinstance(feature, Media):
        if text.unique < total:
            yield Alert(name, f"has only {text.unique:,} different files in {total:,} rows.")
        return
    if text.unique == 1:
        yield Alert(name, f"is constant: every value is {text.top_values[0].value}.")
        return
    buckets = text.rank_histogram.buckets
    listed = sum(bucket.sample_count for bucket in buckets)
    numbers = sum(bucket.sample_count for bucket in buckets if _is_number(bucket.label))
    if listed and numbers >= _NUMBER_SHARE * listed:
        yield Alert(
            name,
            f"contains numbers stored as text ({numbers / listed:.1%} of the most frequent "
            "values). Store them as numbers unless they are codes.",
        )
    if isinstance(feature, Categorical) and text.unique > feature.max_vocabulary_size:
        yield Alert(
            name,
            f"has {text.unique:,} distinct values, more than its `max_vocabulary_size` "
            f"{feature.max_vocabulary_size:,}; the rarest values share one index.",
        )
    elif text.unique > max(_MIN_DISTINCT, _IDENTIFIER_SHARE * total):
        use = "a model cannot generalise from it" if feature else "it is not used as a feature"
        yield Alert(
            name,
            f"has {text.unique:,} distinct values in {total:,} rows, like an identifier; {use}.",
        )


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _duplicates(names: Sequence[str], r: Floats, label: str) -> Iterator[Alert]:
    for place, name in enumerate(names):
        for other in range(place + 1, len(names)):
            is_label = label in {name, names[other]}
            if not is_label and abs(r[place, other]) >= _DUPLICATE_R:
                yield Alert(
                    f"{name}, {names[other]}",
                    f"are nearly identical: their correlation is {r[place, other]:.4f}.",
                )
