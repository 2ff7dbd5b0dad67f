"""Names and shapes of transformed features, defined only here.

Transform writes each feature under `encoded_name`; the network reads them through `encodings`.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from models.features import (
    Audio,
    Bucketized,
    Categorical,
    Crossed,
    Feature,
    FeatureTable,
    HeavyTailed,
    Image,
    Numeric,
    Signal,
    Time,
    of_kind,
)

LABEL_NAME = "label_xf"
VOCABULARY_NAME = "categories"
# All numbers as one tensor `[batch, num_numbers, 2]`: value and missing indicator.
NUMBERS_NAME = "numbers"

# What Transform writes for a category that has no place in the vocabulary.
OUT_OF_VOCABULARY, MISSING_INDEX = -1, -2

# Channels of a transformed signal: the standardised samples, their standardised differences from
# the sample before, and 1 where a sample is missing.
SIGNAL_CHANNELS = 3


class Role(StrEnum):
    """What the network does with a transformed feature."""

    DENSE = "dense"
    CATEGORY = "category"
    INDEX = "index"
    SIGNAL = "signal"
    AUDIO = "audio"
    IMAGE = "image"


@dataclass(frozen=True)
class Encoding:
    """One transformed feature.

    Attributes:
        name: Its name in the transform graph.
        role: How the network takes it in.
        size: Width of a dense feature, number of indices of an index feature, samples of a signal;
            a category's indices are those of the shared vocabulary.
        shape: Shape of a row of a sound `(frames, mels)` or a picture `(height, width, channels)`.
        backbone: Path of a saved model that makes the first layers for a picture, if there is one.
    """

    name: str
    role: Role
    size: int
    shape: tuple[int, ...] = ()
    backbone: str | None = None


def encoded_name(name: str) -> str:
    """Returns the name of a transformed feature, safe in graphs and file names.

    A name with other characters than letters, digits and `_` gets a checksum, so that `a b` and
    `a_b` stay apart.
    """
    safe = re.sub(r"\W", "_", name, flags=re.ASCII)
    suffix = "" if safe == name else f"_{zlib.crc32(name.encode()):08x}"
    return f"{safe}{suffix}_xf"


def summary_name(name: str) -> str:
    """Returns the name of the summaries of a signal, sound or picture in the transform graph."""
    return f"{encoded_name(name)}_summary"


def deviation_name(name: str) -> str:
    """Returns the name of what a sound's levels are divided by, in dB, in the transform graph."""
    return f"{encoded_name(name)}_deviation"


def encodings(table: FeatureTable) -> list[Encoding]:
    """Returns the transformed features of a table, in table order."""
    return [
        Encoding(
            encoded_name(name),
            *_role_and_size(feature),
            _shape(feature),
            feature.backbone if isinstance(feature, Image) else None,
        )
        for name, feature in table.items()
    ]


def number_names(table: FeatureTable) -> list[str]:
    """Returns the encoded names of the numbers in `NUMBERS_NAME`, in its order."""
    return [encoded_name(name) for kind in (Numeric, HeavyTailed) for name in of_kind(table, kind)]


def _role_and_size(feature: Feature) -> tuple[Role, int]:
    if isinstance(feature, Signal):
        return Role.SIGNAL, feature.num_samples
    if isinstance(feature, Audio | Image | Categorical):
        return _ROLES_WITHOUT_SIZE[type(feature)], 0
    if isinstance(feature, Bucketized):
        return Role.INDEX, feature.num_buckets + 1
    if isinstance(feature, Crossed):
        return Role.INDEX, feature.num_buckets
    if isinstance(feature, Time):
        return Role.DENSE, 2 * len(feature.cycles) + 1
    return Role.DENSE, 2


_ROLES_WITHOUT_SIZE: Mapping[type, Role] = {
    Audio: Role.AUDIO,
    Image: Role.IMAGE,
    Categorical: Role.CATEGORY,
}


def _shape(feature: Feature) -> tuple[int, ...]:
    if isinstance(feature, Audio):
        return feature.num_frames, feature.num_mels
    if isinstance(feature, Image):
        return feature.height, feature.width, feature.channels
    return ()


@dataclass(frozen=True)
class IndexSpace:
    """The one range of indices that all categories and buckets share.

    First the vocabulary, then for each category "outside the vocabulary" and "missing", then the
    buckets of each index feature.

    Attributes:
        vocabulary_size: Size of the shared vocabulary.
        encoded: The transformed features.
    """

    vocabulary_size: int
    encoded: tuple[Encoding, ...]

    @property
    def size(self) -> int:
        """Number of indices in all."""
        return self.vocabulary_size + sum(map(_own_indices, self.encoded))

    def start(self, name: str) -> int:
        """Returns the first index that is a feature's own."""
        position = [e.name for e in self.encoded].index(name)
        return self.vocabulary_size + sum(map(_own_indices, self.encoded[:position]))


def _own_indices(encoding: Encoding) -> int:
    if encoding.role is Role.CATEGORY:
        return 2
    return encoding.size if encoding.role is Role.INDEX else 0
