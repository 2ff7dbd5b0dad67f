"""Files with many recordings: one in each line of a text, or in each row of an array."""

import codecs
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.reading.files.pieces import first_line, open_stream
from pipeline.reading.recordings.raw.arrays import Array, load_arrays
from pipeline.reading.recordings.raw.clock import Samples, UnusableError, at_rate
from pipeline.reading.recordings.raw.groups import is_rate_name, take_rate
from pipeline.reading.recordings.raw.listing import ARRAY_SUFFIXES, stem
from pipeline.reading.recordings.recording import BadRecording, Recording
from pipeline.recording_options import RowsOfFile

CHANNEL = "signal"  # of text
MAX_CHANNELS = 64
_DELIMITERS = (b"\t", b";", b",")
_MISSING = ("", "?", "nan", "NaN", "NA", "N/A", "null")
_PLACES = {"first": 0, "last": -1}


@dataclass(frozen=True, kw_only=True)
class RowsFile:
    """The recordings of a file.

    Attributes:
        channels: Name to float32 [recordings, samples].
        labels: The label of each, as text; None if the file has none.
        context: Name to the value of each.
        rate_hz: Sampling rate, if a single value of the file gives it.
        rates_hz: That of each recording, if an array gives it.
        problems: Reason by the place of a recording that cannot be used.
    """

    channels: Mapping[str, NDArray[np.float32]]
    labels: Sequence[str | None] | None = None
    context: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    rate_hz: float | None = None
    rates_hz: Sequence[float | None] | None = None
    problems: Mapping[int, str] = field(default_factory=dict)

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


def read_recordings(
    path: str,
    options: RowsOfFile,
    *,
    labels: Sequence[str | None] | None,
    is_labelled: bool,
    nominal_hz: float | None,
) -> Iterator[Recording | BadRecording]:
    """Yields the recordings of a file, in order; the names are that of the file and a number.

    Args:
        path: The file.
        options: Where the recordings are in it.
        labels: The labels from a file beside it; None if they are in this one.
        is_labelled: Whether each recording must have a label.
        nominal_hz: Rate that samples are brought to, if the file gives theirs.
    """
    try:
        rows = read_rows(path, options, is_labelled=is_labelled and labels is None)
        if labels is not None and len(labels) != rows.num_recordings:
            raise UnusableError(
                f"it has {rows.num_recordings:,} recordings, and data.recordings.labels has "
                f"{len(labels):,} labels"
            )
    except UnusableError as error:
        yield BadRecording(name=stem(path), path=path, reason=str(error))
        return
    given = rows.labels if labels is None else labels
    for place in range(rows.num_recordings):
        name = f"{stem(path)}_{place + 1}"
        channels = {channel: samples[place] for channel, samples in rows.channels.items()}
        problem = rows.problems.get(place)
        if problem is None and all(np.isnan(own).all() for own in channels.values()):
            problem = "none of its channels has a value"
        if problem is not None:
            yield BadRecording(name=name, path=path, reason=problem)
            continue
        rate_hz = rows.rate_hz if rows.rates_hz is None else rows.rates_hz[place]
        samples = at_rate(Samples(channels=channels, rate_hz=rate_hz), nominal_hz)
        yield Recording(
            name=name,
            path=path,
            channels=samples.channels,
            rate_hz=samples.rate_hz,
            label=given[place] if is_labelled and given is not None else None,
            context={name: values[place] for name, values in rows.context.items()},
            counts=samples.counts,
        )


def read_rows(path: str, options: RowsOfFile, *, is_labelled: bool) -> RowsFile:
    """Reads a file with many recordings.

    Args:
        path: The file.
        options: Where the recordings are in it.
        is_labelled: Whether the file must have labels; if not, they are not read.

    Raises:
        UnusableError: The file is damaged or has other arrays.
    """
    if Path(path).suffix.lower() not in ARRAY_SUFFIXES:
        return _read_text(path, options, is_labelled=is_labelled)
    return rows_of(load_arrays(path), options, is_labelled=is_labelled)


def rows_of(
    arrays: Mapping[str, Array], options: RowsOfFile, *, is_labelled: bool = True
) -> RowsFile:
    """Returns the recordings of the arrays of a file.

    Raises:
        UnusableError: An array is absent, or its shape does not fit.
    """
    array = _array(arrays, options.array or "")
    if array.ndim not in (2, 3) or array.dtype.kind not in "biuf":
        raise UnusableError(
            f"its array `{options.array}` is {array.shape} of {array.dtype}; expected numbers "
            "[recordings, samples] or [recordings, samples, channels]"
        )
    if options.axis == "last":
        array = np.moveaxis(array, -1, 0)
    others = {n: a for n, a in arrays.items() if n not in (options.array, options.label)}
    labels = None
    if is_labelled and options.label is not None:
        own = _flat(_array(arrays, options.label))
        if len(own) != len(array):
            raise UnusableError(
                f"its array `{options.label}` has {len(own):,} labels, and `{options.array}` "
                f"{len(array):,} recordings"
            )
        labels = label_texts(own)
    return RowsFile(
        channels=_channels(options.array or "", array),
        labels=labels,
        context={
            name: _values(_flat(one))
            for name, one in others.items()
            if one.size == len(array) > 1 and not is_rate_name(name)
        },
        rate_hz=_rate(others),
        rates_hz=_rates(others, len(array)),
    )


def _array(arrays: Mapping[str, Array], name: str) -> Array:
    if name not in arrays:
        listed = ", ".join(f"`{own}` {array.shape}" for own, array in list(arrays.items())[:8])
        raise UnusableError(f"it has no array `{name}`; it has {listed}")
    return np.asarray(arrays[name])


def _flat(array: Array) -> Array:
    return np.asarray(array).reshape(-1)


def _rate(arrays: Mapping[str, Array]) -> float | None:
    singles = {name: str(_flat(a)[0]) for name, a in arrays.items() if a.size == 1}
    return take_rate({n: text for n, text in singles.items() if is_rate_name(n)}, {})[1]


def _rates(arrays: Mapping[str, Array], num: int) -> list[float | None] | None:
    """Returns the rate of each of `num` recordings in Hz, if an array has them."""
    for name, array in arrays.items():
        if array.size == num > 1 and is_rate_name(name):
            return [take_rate({name: str(value)}, {})[1] for value in _flat(array)]
    return None


def _channels(name: str, array: Array) -> dict[str, NDArray[np.float32]]:
    """Returns float32 [recordings, samples] for each channel."""
    if array.ndim == 2:
        _check_samples(name, array.shape[1])
        return {name: np.asarray(array, np.float32)}
    if array.shape[1] < array.shape[2]:
        array = array.transpose(0, 2, 1)
    num = array.shape[2]
    _check_samples(name, array.shape[1])
    if num > MAX_CHANNELS:
        raise UnusableError(
            f"its array `{name}` has {num:,} channels; expected at most {MAX_CHANNELS}"
        )
    names = [name] if num == 1 else [f"{name}_{place + 1}" for place in range(num)]
    return {own: np.asarray(array[:, :, n], np.float32) for n, own in enumerate(names)}


def _check_samples(name: str, num: int) -> None:
    if num < 2:
        raise UnusableError(f"its array `{name}` has one sample for each recording")


def label_texts(values: Array) -> list[str | None]:
    """Returns labels as text; a missing one is none.

    >>> label_texts(np.array([1.0, -1.0, np.nan])), label_texts(np.array([b"ok", b""]))
    (['1', '-1', None], ['ok', None])
    """
    return [_text(value) for value in values.tolist()]


def _text(value: Any) -> str | None:
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
    return None if text in _MISSING else text


def _values(values: Array) -> list[Any]:
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


def _read_text(path: str, options: RowsOfFile, *, is_labelled: bool) -> RowsFile:
    num_samples = options.num_samples or 0
    lines, delimiter = text_lines(path)
    counts = [len(line.split(delimiter)) for line in lines]
    has_label = options.label_at is not None
    widths = {num_samples + has_label} | (set() if is_labelled else {num_samples})
    expected = " or ".join(f"{width:,}" for width in sorted(widths))
    problems = {
        place: f"line {place + 1:,} has {number:,} values; expected {expected}"
        for place, number in enumerate(counts)
        if number not in widths
    }
    # A line without a label is read as one with an empty label.
    place = _PLACES[options.label_at] if options.label_at else None
    fields = [_fields(line.split(delimiter), num_samples, place) for line in lines]
    content = b"\n".join(b"\t".join(own) for own in fields)
    samples, wrong = _numbers(content, num_samples)
    problems |= {row: text for row, text in wrong.items() if row not in problems}
    labels = [_label(line.split(delimiter), place) for line in lines] if is_labelled else None
    return RowsFile(channels={CHANNEL: samples}, labels=labels, problems=problems)


def text_lines(path: str) -> tuple[list[bytes], bytes | None]:
    """Returns the lines of a text that are not blank, and what divides them: None means blanks.

    A delimiter after the last value of every line is no value.

    Raises:
        UnusableError: The file cannot be read, or has no line.
    """
    try:
        with open_stream(path) as stream:
            content = stream.read().removeprefix(codecs.BOM_UTF8)
    except (OSError, EOFError) as error:
        raise UnusableError(f"it cannot be read ({first_line(error)})") from error
    lines = [line.strip(b" \r") for line in content.split(b"\n")]
    lines = [line for line in lines if line.strip()]
    if not lines:
        raise UnusableError("it is empty")
    delimiter = delimiter_of(lines[0])
    if delimiter is not None and all(line.endswith(delimiter) for line in lines):
        lines = [line.removesuffix(delimiter) for line in lines]
    return lines, delimiter


def delimiter_of(line: bytes) -> bytes | None:
    """Returns what divides the values of a line; None means blanks."""
    return next((one for one in _DELIMITERS if one in line), None)


def _fields(cells: list[bytes], num_samples: int, label_at: int | None) -> list[bytes]:
    if label_at is not None and len(cells) == num_samples + 1:
        cells = cells[1:] if label_at == 0 else cells[:-1]
    return cells if len(cells) == num_samples else [b"nan"] * num_samples


def _label(cells: list[bytes], label_at: int | None) -> str | None:
    if label_at is None:
        return None
    text = cells[label_at].decode(errors="replace").strip().strip('"')
    try:
        return _text(float(text))
    except ValueError:
        return _text(text)


def _numbers(content: bytes, num_samples: int) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Returns float32 [lines, samples], and what is wrong in lines with other texts."""
    options: dict[str, Any] = {
        "sep": "\t", "header": None, "na_values": list(_MISSING), "quoting": 3,
        "skip_blank_lines": False, "skipinitialspace": True,
    }  # fmt: skip
    try:
        frame = pd.read_csv(io.BytesIO(content), dtype=np.float32, **options)
        return frame.to_numpy(np.float32), {}
    except ValueError:
        frame = pd.read_csv(io.BytesIO(content), dtype=str, **options)
    problems: dict[int, str] = {}
    values = np.full((len(frame), num_samples), np.nan, np.float32)
    for place, name in enumerate(frame.columns):
        numbers = pd.to_numeric(frame[name], errors="coerce")
        for row in np.flatnonzero(numbers.isna() & frame[name].notna()):
            text = str(frame[name].iloc[int(row)])[:40]
            problems.setdefault(
                int(row), f"sample {place + 1:,}: `{text}` found, expected a number"
            )
        values[:, place] = numbers.to_numpy(np.float32)
    return values, problems
