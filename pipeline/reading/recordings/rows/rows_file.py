"""The recordings of a file that holds many of them, and their labels as text."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.reading.recordings.raw.arrays import Array

MISSING = ("", "?", "nan", "NaN", "NA", "N/A", "null")
PART = "part"  # column with the part, such as `train`, that a recording is from

# Samples by recording: float32 [recordings, samples], or a list where lengths differ.
Channel = NDArray[np.float32] | list[NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class RowsFile:
    """The recordings of a file.

    Attributes:
        channels: Samples of each recording, by name.
        labels: The label of each, as text; None if the file has none.
        context: Name to the value of each.
        rate_hz: Sampling rate, if a single value of the file gives it.
        rates_hz: That of each recording, if an array gives it.
        problems: Reason by the place of a recording that cannot be used.
        names: Name of each recording in the file; by default its number, from 1.
    """

    channels: Mapping[str, Channel]
    labels: Sequence[str | None] | None = None
    context: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    rate_hz: float | None = None
    rates_hz: Sequence[float | None] | None = None
    problems: Mapping[int, str] = field(default_factory=dict)
    names: Sequence[str] | None = None

    @property
    def num_recordings(self) -> int:
        """Recordings of the file, those that cannot be used among them."""
        return len(next(iter(self.channels.values())))

    @property
    def has_rate(self) -> bool:
        """Whether the file gives sampling rates."""
        return self.rate_hz is not None or self.rates_hz is not None

    @property
    def context_types(self) -> dict[str, pa.DataType]:
        """Types of the context, as the assembled table has them."""
        return {name: _type_of(values) for name, values in self.context.items()}

    def name_of(self, place: int) -> str:
        """Returns the name of a recording in the file."""
        return str(place + 1) if self.names is None else self.names[place]

    def rate_of(self, place: int) -> float | None:
        """Returns the sampling rate of a recording in Hz, if it is known."""
        return self.rate_hz if self.rates_hz is None else self.rates_hz[place]


def label_texts(values: Array) -> list[str | None]:
    """Returns labels as text; a missing one is none.

    >>> label_texts(np.array([1.0, -1.0, np.nan])), label_texts(np.array([b"ok", b""]))
    (['1', '-1', None], ['ok', None])
    """
    return [label_text(value) for value in values.tolist()]


def label_text(value: Any) -> str | None:
    """Returns one label as text; a missing one is none."""
    if isinstance(value, np.ndarray):  # the content of a cell of MATLAB
        value = value.item() if value.size == 1 else None if value.size == 0 else value.tolist()
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        value = int(value) if value.is_integer() else value
    text = str(value).strip()
    return None if text in MISSING else text


def context_values(values: Array) -> list[Any]:
    """Returns the values of a column of context."""
    if values.dtype.kind in "iu":
        return [int(value) for value in values]
    if values.dtype.kind == "f":
        return [None if np.isnan(value) else float(value) for value in values]
    if values.dtype.kind == "b":
        return ["true" if value else "false" for value in values]
    return label_texts(values)


def _type_of(values: Sequence[Any]) -> pa.DataType:
    first = next((value for value in values if value is not None), None)
    kinds = {int: pa.int64(), float: pa.float64()}
    return kinds.get(type(first), pa.string())
