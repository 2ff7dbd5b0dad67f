"""The features table: every input of the model with its kind, unit and treatment.

This is the one place that says what a feature is. Transform, the network, the exported signatures
and `faultline init` all read it; none of them keeps a list of its own.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from models.threshold_rule import ThresholdRule

STRICT_KEYS = ConfigDict(extra="forbid")

CalibrationMethod = Literal["platt", "temperature", "isotonic", "none"]
Cycle = Literal["hour_of_day", "day_of_week", "day_of_year"]


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Numeric:
    """A number, standardised to zero mean and unit variance; a missing one has an indicator.

    Attributes:
        unit: Physical unit, for people; empty where there is none.
    """

    kind: Literal["numeric"] = "numeric"
    unit: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class HeavyTailed:
    """A number with a long tail: sign(x) * ln(1 + |x|), then as `Numeric`.

    Attributes:
        unit: Physical unit, for people; empty where there is none.
    """

    kind: Literal["heavy_tailed"] = "heavy_tailed"
    unit: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Bucketized:
    """A number cut at its quantiles and taken as a category; missing is a bucket of its own.

    Attributes:
        num_buckets: Number of quantile buckets, at least 2.
        unit: Physical unit, for people; empty where there is none.
    """

    kind: Literal["bucketized"] = "bucketized"
    num_buckets: Annotated[int, Field(ge=2, le=10_000)] = 10
    unit: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Categorical:
    """A text or an integer code, looked up in a vocabulary computed on the train split.

    All categorical features share one vocabulary of pairs of feature and value. A value outside it
    and a missing value have an index of their own for each feature.

    Attributes:
        max_vocabulary_size: What this feature adds to the size of the shared vocabulary, at least
            1; where the data has more values than that in all, the most frequent pairs are kept.
    """

    kind: Literal["categorical"] = "categorical"
    max_vocabulary_size: Annotated[int, Field(ge=1)] = 1_000


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Time:
    """A point in time (int64 seconds since the Unix epoch, UTC) as cyclic sine and cosine pairs.

    Attributes:
        cycles: The cycles that matter; each becomes a point on the unit circle.
    """

    kind: Literal["time"] = "time"
    cycles: tuple[Cycle, ...] = ("hour_of_day", "day_of_week")


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Signal:
    """An equidistant recording of a fixed length; a non-finite sample counts as a gap.

    Attributes:
        num_samples: Samples a recording, at least 2.
        sampling_rate_hz: Nominal sampling rate in Hz, > 0.
        rate_column: Column with a recording's true rate in Hz, if the data has one.
        unit: Physical unit of a sample, for people.
    """

    kind: Literal["signal"] = "signal"
    num_samples: Annotated[int, Field(ge=2)]
    sampling_rate_hz: Annotated[float, Field(gt=0)] = 1.0
    rate_column: str | None = None
    unit: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Crossed:
    """The combination of several categorical or bucketized features, hashed.

    Attributes:
        of: Names of two or more features of the table.
        num_buckets: Hash buckets, at least 2.
    """

    kind: Literal["crossed"] = "crossed"
    of: Annotated[tuple[str, ...], Field(min_length=2)]
    num_buckets: Annotated[int, Field(ge=2)] = 1_000


Feature = Annotated[
    Numeric | HeavyTailed | Bucketized | Categorical | Time | Signal | Crossed,
    Field(discriminator="kind"),
]
FeatureTable = Mapping[str, Feature]
Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class HardNegatives:
    """Which negatives of the train split count more in the loss.

    Attributes:
        share: Share of the negatives that the blessed model before scored highest, in (0, 1).
        weight: How many times as much as another negative each of them counts, > 1.
    """

    share: Annotated[float, Field(gt=0, lt=1)] = 0.05
    weight: Annotated[float, Field(gt=1, le=100)] = 3.0


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Augmentation:
    """How far a signal of the train split is varied, anew in every epoch, at random.

    Each is for a difference between recordings of which it is known that it means nothing: a
    trigger that is not exact, a gain that is not, a gap, the noise of a sensor.

    Attributes:
        shift_ms: Up to so many milliseconds to the left or right at the nominal rate, >= 0; all
            signals of a recording by the same draw. The outermost sample fills what comes free.
        scale: Up to so much larger or smaller, relative, in [0, 1).
        hide_share: Up to this share of the samples, in one stretch, is made a gap, in [0, 0.5];
            all signals of a recording at the same place.
        noise: Standard deviation of what is added to each sample, in the signal's unit, >= 0.
    """

    shift_ms: Annotated[float, Field(ge=0)] = 0.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    hide_share: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    noise: Annotated[float, Field(ge=0)] = 0.0


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class TrainOptions:
    """How the model is trained.

    Attributes:
        epochs: Most passes over the train split, > 0; early stopping usually ends sooner.
        batch_size: Examples a step, > 0.
        learning_rate: Adam's first step size, > 0; it falls to 0 along half a cosine.
        patience: Epochs without a better eval PR-AUC before training stops, > 0.
        class_weight: `balanced` weighs both classes equally in the loss, for faults so few that
            the network would learn the healthy alone; `none` counts examples.
        loss: `cross_entropy`, or `focal`, which counts examples less that are already right, for
            many easy negatives that drown the few hard ones.
        focal_gamma: How much less, in [0, 10]; 0 is cross-entropy. For `focal` only.
        hard_negatives: Counts those negatives more that the model served before took for faults,
            for false alarms that come back; needs a calibration. None leaves all alike.
        augmentation: Signals that are varied while training, each with its ranges; for faults so
            few that the network learns them by heart. Other features never are.
        hidden_units: Width of each dense layer of the tabular branch and of the head.
        filters: Filters of each convolution of a signal branch.
        dropout: Share of units dropped in the head while training, in [0, 1).
    """

    epochs: Annotated[int, Field(gt=0)] = 40
    batch_size: Annotated[int, Field(gt=0)] = 128
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    patience: Annotated[int, Field(gt=0)] = 8
    class_weight: Literal["balanced", "none"] = "balanced"
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: Annotated[float, Field(ge=0, le=10)] = 2.0
    hard_negatives: HardNegatives | None = None
    augmentation: dict[str, Augmentation] = Field(default_factory=dict)
    hidden_units: tuple[Annotated[int, Field(gt=0)], ...] = (64, 32)
    filters: tuple[Annotated[int, Field(gt=0)], ...] = (16, 32, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class ModelSpec:
    """All that Transform and Trainer need to know, as one value that travels as JSON.

    Attributes:
        label: Name of the label column: int64, 1 is the positive (rare) class.
        features: The features table.
        train: Training options.
        calibration: How the corrected logits become probabilities, fitted on eval: `platt` (slope
            and intercept, good with few positives), `temperature` (slope alone), `isotonic` (any
            rising function, 200 positives or more), `none` (the correction alone).
        threshold: Where the model begins to raise an alarm.
        seed: Seed of every random number, in [0, 2**31).
    """

    label: str
    features: dict[str, Feature]
    train: TrainOptions
    calibration: CalibrationMethod = "platt"
    threshold: ThresholdRule = ThresholdRule()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    def to_json(self) -> str:
        """Returns the canonical JSON text of this value."""
        return _ADAPTER.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> "ModelSpec":
        """Returns the value that `to_json` wrote."""
        return _ADAPTER.validate_json(text)


_ADAPTER: TypeAdapter[ModelSpec] = TypeAdapter(ModelSpec)
_TABLE_ADAPTER: TypeAdapter[dict[str, Feature]] = TypeAdapter(dict[str, Feature])


def features_to_json(features: FeatureTable) -> str:
    """Returns the canonical JSON text of a features table."""
    return _TABLE_ADAPTER.dump_json(dict(features)).decode()


def features_from_json(text: str) -> dict[str, Feature]:
    """Returns the features table that `features_to_json` wrote."""
    return _TABLE_ADAPTER.validate_json(text)


def raw_feature_names(features: FeatureTable) -> list[str]:
    """Returns the names of the raw columns that the model reads, in table order.

    A crossed feature has no column of its own: it is made from others.
    """
    return [name for name, feature in features.items() if not isinstance(feature, Crossed)]


def of_kind(features: FeatureTable, kind: type[Kind]) -> dict[str, Kind]:
    """Returns the features that are of one `kind`, in table order."""
    return {name: feature for name, feature in features.items() if isinstance(feature, kind)}
