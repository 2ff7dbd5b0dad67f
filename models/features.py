"""The features table: every input of the model with its kind, unit and treatment.

Features are defined here only. Transform, the network, the exported signatures and
`faultline init` all read this table; none of them keeps its own list.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS

Lengths = Literal["cut", "pad", "resample"]
Cycle = Literal["hour_of_day", "day_of_week", "day_of_year"]
Monotone = Literal["up", "down"]

_MIN_FRAME_SAMPLES = 16


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Numeric:
    """A number, standardised to zero mean and unit variance; a missing one has an indicator.

    Attributes:
        unit: Physical unit, for people; empty where there is none.
        monotone: `up` if a higher value never lowers the probability, `down` if it never raises
            it; trees only.
    """

    kind: Literal["numeric"] = "numeric"
    unit: str = ""
    monotone: Monotone | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class HeavyTailed:
    """A number with a long tail: sign(x) * ln(1 + |x|), then as `Numeric`.

    Attributes:
        unit: Physical unit, for people; empty where there is none.
        monotone: `up` if a higher value never lowers the probability, `down` if it never raises
            it; trees only.
    """

    kind: Literal["heavy_tailed"] = "heavy_tailed"
    unit: str = ""
    monotone: Monotone | None = None


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
        truth: The value is a truth value; yes, on, 1 and True are one category, and so are their
            opposites.
    """

    kind: Literal["categorical"] = "categorical"
    max_vocabulary_size: Annotated[int, Field(ge=1)] = 1_000
    truth: bool = False


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
        num_samples: Samples per recording, at least 2.
        sampling_rate_hz: Nominal sampling rate in Hz, > 0. Without one, a sample counts as a
            second, and recordings are not resampled.
        rate_column: Column with a recording's true rate in Hz, if the data has one.
        unit: Physical unit of a sample, for people.
        lengths: What happens to recordings of another length: `cut` keeps the first `num_samples`
            samples, `pad` appends missing samples, which are no gap, `resample` interpolates
            linearly over the whole recording. By default they are refused.
    """

    kind: Literal["signal"] = "signal"
    num_samples: Annotated[int, Field(ge=2)]
    sampling_rate_hz: Annotated[float, Field(gt=0)] | None = None
    rate_column: str | None = None
    unit: str = ""
    lengths: Lengths | None = None

    @property
    def rate_hz(self) -> float:
        """The nominal sampling rate in Hz, or 1 without one."""
        return self.sampling_rate_hz or 1.0


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


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Audio:
    """A sound as the bytes of a WAV file, taken as its log-mel spectrogram.

    The channels of the file are averaged. The sound is resampled to the nominal rate, and cut or
    padded with silence to the nominal duration.

    Attributes:
        sampling_rate_hz: Nominal sampling rate in Hz, > 0.
        duration_s: Duration that the model hears, in s, from the beginning of the file, > 0.
        num_mels: Mel bands of the spectrogram, from 2 to 256.
        frame_ms: Length of a frame in ms, > 0.
        hop_ms: From the start of a frame to that of the next, in ms, > 0.
    """

    kind: Literal["audio"] = "audio"
    sampling_rate_hz: Annotated[float, Field(gt=0)]
    duration_s: Annotated[float, Field(gt=0)]
    num_mels: Annotated[int, Field(ge=2, le=256)] = 40
    frame_ms: Annotated[float, Field(gt=0)] = 32.0
    hop_ms: Annotated[float, Field(gt=0)] = 16.0

    @model_validator(mode="after")
    def _some_frame(self) -> "Audio":
        if self.frame_samples < _MIN_FRAME_SAMPLES or self.hop_samples < 1:
            raise ValueError(
                f"frame_ms {self.frame_ms:g} and hop_ms {self.hop_ms:g} are {self.frame_samples} "
                f"and {self.hop_samples} samples at {self.sampling_rate_hz:g} Hz; a frame needs "
                f"{_MIN_FRAME_SAMPLES}, a hop one"
            )
        if self.num_samples < self.frame_samples:
            raise ValueError(
                f"duration_s must be at least one frame, {self.frame_ms:g} ms, got "
                f"{self.duration_s:g} s"
            )
        return self

    @property
    def num_samples(self) -> int:
        """Samples of the nominal duration."""
        return round(self.duration_s * self.sampling_rate_hz)

    @property
    def frame_samples(self) -> int:
        """Samples of a frame."""
        return round(self.frame_ms * self.sampling_rate_hz / 1_000)

    @property
    def hop_samples(self) -> int:
        """Samples from the start of a frame to that of the next."""
        return round(self.hop_ms * self.sampling_rate_hz / 1_000)

    @property
    def num_frames(self) -> int:
        """Frames of the spectrogram; all of them end within the nominal duration."""
        return 1 + (self.num_samples - self.frame_samples) // self.hop_samples


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Image:
    """A picture as the bytes of a PNG, JPEG, BMP or GIF file (its first frame).

    Attributes:
        height: Rows of pixels that the picture is resized to, >= 8.
        width: Columns of pixels that the picture is resized to, >= 8.
        channels: 1 for grey, 3 for red, green and blue.
        backbone: A saved Keras or TensorFlow model that makes the first layers, relative to the
            YAML's folder; by default the network is trained from nothing.
    """

    kind: Literal["image"] = "image"
    height: Annotated[int, Field(ge=8)]
    width: Annotated[int, Field(ge=8)]
    channels: Literal[1, 3] = 3
    backbone: str | None = None


Feature = Annotated[
    Numeric | HeavyTailed | Bucketized | Categorical | Time | Signal | Audio | Image | Crossed,
    Field(discriminator="kind"),
]
# Kinds whose column holds the bytes of a file.
Media = Audio | Image
FeatureTable = Mapping[str, Feature]
Kind = TypeVar("Kind")


_TABLE_ADAPTER: TypeAdapter[dict[str, Feature]] = TypeAdapter(dict[str, Feature])


def features_to_json(features: FeatureTable) -> str:
    """Returns the canonical JSON text of a features table.

    >>> features_to_json({"temperature_k": Numeric(unit="K")})
    '{"temperature_k":{"kind":"numeric","unit":"K","monotone":null}}'
    """
    return _TABLE_ADAPTER.dump_json(dict(features)).decode()


def features_from_json(text: str) -> dict[str, Feature]:
    """Returns the features table that `features_to_json` wrote.

    >>> features_from_json('{"pressure": {"kind": "numeric", "unit": "bar"}}')
    {'pressure': Numeric(kind='numeric', unit='bar', monotone=None)}
    """
    return _TABLE_ADAPTER.validate_json(text)


def raw_feature_names(features: FeatureTable) -> list[str]:
    """Returns the names of the raw columns that the model reads, in table order.

    A crossed feature has no column of its own: it is made from others.
    """
    return [name for name, feature in features.items() if not isinstance(feature, Crossed)]


def of_kind(features: FeatureTable, kind: type[Kind]) -> dict[str, Kind]:
    """Returns the features that are of one `kind`, in table order."""
    return {name: feature for name, feature in features.items() if isinstance(feature, kind)}


def media_names(features: FeatureTable) -> list[str]:
    """Returns the names of the raw columns that hold the bytes of files, in table order."""
    return [name for name, feature in features.items() if isinstance(feature, Media)]
