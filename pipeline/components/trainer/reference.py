"""The reference that travels with a model: what its inputs and its alarms were like in training."""

from collections.abc import Mapping

from pydantic.dataclasses import dataclass

from common.config_values import JsonValue
from models.features import Categorical, Feature, FeatureTable, Time, raw_feature_names
from pipeline.components.statistics_gen.profiles import ColumnProfile, DataProfile

REFERENCE_FILE = "assets.extra/reference.json"
_NUM_POINTS = 64
_MAX_CATEGORIES = 200


@dataclass(frozen=True, kw_only=True)
class Reference(JsonValue):
    """What later data are compared with.

    Attributes:
        split: The split of the profile: `train`, or `eval` where train was sampled.
        num_rows: Its rows.
        columns: Profiles of the raw columns that the model reads, with few quantiles.
        num_test: Rows of the test split.
        num_test_alarms: How many of them raise an alarm.
    """

    split: str
    num_rows: int
    columns: Mapping[str, ColumnProfile]
    num_test: int
    num_test_alarms: int


def make_reference(
    profile: DataProfile,
    features: FeatureTable,
    *,
    split: str,
    num_test: int,
    num_test_alarms: int,
) -> Reference:
    """Returns a small reference.

    Args:
        profile: Profile of the split.
        features: The features table.
        split: The split.
        num_test: Rows of the test split.
        num_test_alarms: How many of them raise an alarm.
    """
    return Reference(
        split=split,
        num_rows=profile.num_rows,
        columns={
            name: _smaller(profile.columns[name], features[name])
            for name in raw_feature_names(features)
            if name in profile.columns
        },
        num_test=num_test,
        num_test_alarms=num_test_alarms,
    )


def _smaller(column: ColumnProfile, feature: Feature) -> ColumnProfile:
    """Returns what the feature's kind can be compared by; of a time only whether it is there."""
    if isinstance(feature, Categorical):
        counts = column.counts if len(column.counts) <= _MAX_CATEGORIES else {}
        return ColumnProfile(num_missing=column.num_missing, counts=counts)
    numbers = {} if isinstance(feature, Time) else column.numbers
    return ColumnProfile(
        num_missing=column.num_missing,
        numbers={measure: _thinned(values) for measure, values in numbers.items()},
        num_sampled={measure: column.num_sampled[measure] for measure in numbers},
    )


def _thinned(values: tuple[float, ...]) -> tuple[float, ...]:
    """Returns quantiles at equidistant ranks; the least and the greatest value stay."""
    last = len(values) - 1
    steps = min(_NUM_POINTS, last)
    return (
        tuple(values[round(place * last / steps)] for place in range(steps + 1)) if last else values
    )
