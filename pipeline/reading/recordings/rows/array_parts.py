"""Arrays that are divided into parts by their names, such as `X_train` and `X_test`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.reading.recordings.raw.arrays import Array
from pipeline.reading.recordings.rows.rows_file import PART, Channel, RowsFile

PARTS = (
    *("train", "training", "val", "valid", "validation", "dev", "eval"),
    *("test", "testing"),
)
_WORDS = "|".join(PARTS)
_CAPITALISED = "|".join(word.capitalize() for word in PARTS)
# `X_train` and `train/X`, `XTrain` and `trainX`, and `Xtrain`.
_PATTERNS = (
    re.compile(rf"(?P<base>.+?)[_\-./ ](?P<part>{_WORDS})", re.IGNORECASE),
    re.compile(rf"(?P<part>{_WORDS})[_\-./ ](?P<base>.+)", re.IGNORECASE),
    re.compile(rf"(?P<base>.+?)(?P<part>{_CAPITALISED})"),
    re.compile(rf"(?P<part>{_WORDS})(?P<base>[A-Z].*)"),
    re.compile(rf"(?P<base>[A-Za-z])(?P<part>{_WORDS})", re.IGNORECASE),
)


def split_name(name: str) -> tuple[str, str] | None:
    """Returns the name of an array without its part, and the part; None if it names none.

    >>> split_name("X_train"), split_name("test_y"), split_name("YTest"), split_name("Xtrain")
    (('X', 'train'), ('y', 'test'), ('Y', 'test'), ('X', 'train'))
    >>> split_name("protest")
    """
    for pattern in _PATTERNS:
        match = pattern.fullmatch(name)
        if match:
            return match["base"], match["part"].lower()
    return None


def parts_of(arrays: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    """Returns the arrays of each part by their names without it; those of no part are in each.

    The parts are in the order of their use: first those for training, last those for tests.
    """
    names = {name: split_name(name) for name in arrays}
    found = {split[1] for split in names.values() if split}
    shared = {name: arrays[name] for name, split in names.items() if split is None}
    return {
        part: shared
        | {split[0]: arrays[n] for n, split in names.items() if split and split[1] == part}
        for part in PARTS
        if part in found
    }


def joined(files: Mapping[str, RowsFile]) -> RowsFile:
    """Returns the recordings of all parts, one part after the other, with a column for the part.

    Args:
        files: By part; all have the same channels.
    """
    parts = list(files.values())
    names = [f"{part}_{file.name_of(n)}" for part, file in files.items() for n in _places(file)]
    context = {name: None for file in parts for name in file.context}
    joined_context = {
        name: [v for file in parts for v in file.context.get(name, [None] * file.num_recordings)]
        for name in context
    }
    labels = [label for file in parts for label in file.labels or ()]
    rates = [file.rate_of(n) for file in parts for n in _places(file)]
    return replace(
        parts[0],
        channels={name: _channel(parts, name) for name in parts[0].channels},
        labels=labels if parts[0].labels is not None else None,
        context=joined_context
        | {PART: [part for part, file in files.items() for _ in _places(file)]},
        rate_hz=None,
        rates_hz=rates if any(rate is not None for rate in rates) else None,
        names=names,
    )


def _places(file: RowsFile) -> range:
    return range(file.num_recordings)


def _channel(parts: Sequence[RowsFile], name: str) -> Channel:
    samples: list[NDArray[np.float32]] = [one for part in parts for one in part.channels[name]]
    return samples
