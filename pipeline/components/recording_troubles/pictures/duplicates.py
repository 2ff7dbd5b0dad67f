"""Pictures of one split that are in another split as well."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.components.recording_troubles.pictures.picture_file import PictureFile

# Of 256 bits; unrelated pictures differ in about 128, a JPEG of another quality in up to 10.
_NEAR_BITS = 12
# Pictures of a split that are compared by perceptual hash: 20,000 by 20,000 take some seconds.
MAX_COMPARED = 20_000
_CHUNK = 256

Ints: TypeAlias = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """What tells the pictures of a split from others.

    Attributes:
        digests: uint64 `[n]`, equal for equal files; 0 where there is none.
        hashes: uint64 `[n, 4]`, perceptual hashes of the first `MAX_COMPARED`; 0 where there is no
            readable picture, or a plain one.
    """

    digests: Ints
    hashes: Ints

    @classmethod
    def of(
        cls,
        files: Iterable[tuple[bytes, PictureFile | None]],
        *,
        max_hashes: int = MAX_COMPARED,
    ) -> "Fingerprints":
        """Returns the fingerprints of files.

        Args:
            files: The content of each file, empty where a picture is missing, and its picture, None
                where it cannot be read.
            max_hashes: How many of them get a perceptual hash.
        """
        digests: list[int] = []
        hashes: list[Ints] = []
        for content, picture in files:
            digest = hashlib.blake2b(content, digest_size=8).digest() if content else bytes(8)
            digests.append(int.from_bytes(digest))
            if len(hashes) < max_hashes:
                hashes.append(_hash(picture))
        return cls(np.array(digests, np.uint64), np.array(hashes, np.uint64).reshape(-1, 4))

    @classmethod
    def join(cls, parts: Iterable["Fingerprints"]) -> "Fingerprints":
        """Returns the fingerprints of several parts of a split, in order."""
        listed = list(parts)
        return cls(
            np.concatenate([part.digests for part in listed]),
            np.concatenate([part.hashes for part in listed])[:MAX_COMPARED],
        )


def _hash(picture: PictureFile | None) -> Ints:
    # The bits of a plain picture are those of its noise.
    if picture is None or np.ptp(picture.grey) == 0:
        return np.zeros(4, np.uint64)
    return picture.perceptual_hash


@dataclass(frozen=True)
class Overlap:
    """How many pictures of a split are in another one.

    Attributes:
        exact: Pictures whose file is in the other split.
        near: Further pictures that look like one of the other split.
        compared: Pictures of the split that were compared.
    """

    exact: int
    near: int
    compared: int


def find_overlaps(splits: Mapping[str, Fingerprints]) -> dict[tuple[str, str], Overlap]:
    """Returns the overlap of each split with each earlier one, if there is any.

    Two pictures look alike whose perceptual hashes differ in at most 12 of 256 bits.

    Args:
        splits: The fingerprints of each split.

    Returns:
        By the name of the split and of the earlier one.
    """
    names = list(splits)
    overlaps = {}
    for place, name in enumerate(names):
        for earlier in names[:place]:
            overlap = _overlap(splits[name], splits[earlier])
            if overlap.exact or overlap.near:
                overlaps[name, earlier] = overlap
    return overlaps


def _overlap(split: Fingerprints, earlier: Fingerprints) -> Overlap:
    exact = np.isin(split.digests, earlier.digests) & (split.digests != 0)
    near = np.zeros_like(exact)
    near[: len(split.hashes)] = _near(split.hashes, earlier.hashes)
    return Overlap(int(exact.sum()), int((near & ~exact).sum()), len(split.digests))


def _near(hashes: Ints, others: Ints) -> NDArray[np.bool_]:
    """Which hashes are near one of the others."""
    near = np.zeros(len(hashes), bool)
    known = others[others.any(axis=1)]
    if not len(known):
        return near
    for start in range(0, len(hashes), _CHUNK):
        part = hashes[start : start + _CHUNK]
        bits = sum(
            np.bitwise_count(part[:, None, word] ^ known[None, :, word]).astype(np.int16)
            for word in range(part.shape[1])
        )
        near[start : start + _CHUNK] = (bits <= _NEAR_BITS).any(axis=1) & part.any(axis=1)
    return near
