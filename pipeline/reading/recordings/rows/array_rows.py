"""Recordings in arrays: one in each row, with the labels in another array."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.reading.recordings.raw.arrays import Array
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.raw.groups import is_rate_name, take_rate
from pipeline.reading.recordings.rows.array_parts import joined, parts_of
from pipeline.reading.recordings.rows.rows_file import (
    RowsFile,
    context_values,
    label_texts,
)
from pipeline.recording_options import RowsOfFile

MAX_CHANNELS = 64
_MAX_ONE_HOT = 1_000  # classes


def rows_of(
    arrays: Mapping[str, Array], options: RowsOfFile, *, is_labelled: bool = True
) -> RowsFile:
    """Returns the recordings of the arrays of a file.

    Files to predict may have other parts than those of the training, or none.

    Raises:
        UnusableError: An array is absent, or its shape does not fit.
    """
    parts = parts_of(arrays) if options.parts and options.array not in arrays else {}
    has_array = [part for part, own in parts.items() if options.array in own]
    wanted = [part for part in has_array if part in options.parts]
    if is_labelled and parts and set(wanted) != set(options.parts):
        lacking = next(part for part in options.parts if part not in wanted)
        raise UnusableError(f"it has no array `{options.array}` of the part `{lacking}`")
    wanted = wanted if is_labelled else has_array
    if not wanted:
        return _rows_of_part(arrays, options, is_labelled=is_labelled)
    if is_labelled and options.label is not None:
        _check_labels_alike({part: parts[part] for part in wanted}, options)
    own = {part: _rows_of_part(parts[part], options, is_labelled=is_labelled) for part in wanted}
    if len({tuple(file.channels) for file in own.values()}) > 1:
        raise UnusableError(
            f"the parts of `{options.array}` differ in their channels: "
            + ", ".join(f"`{part}` has {len(file.channels)}" for part, file in own.items())
        )
    return joined(own)


def _check_labels_alike(parts: Mapping[str, Mapping[str, Array]], options: RowsOfFile) -> None:
    """Checks that the labels of all parts are written in one way.

    Otherwise a class may have one number in a part, and another in the next.

    Raises:
        UnusableError: They are not.
    """
    forms = {
        part: _form_of(_array(own, options.label or ""), _array(own, options.array or ""), options)
        for part, own in parts.items()
    }
    if len({*forms.values()}) > 1:
        shown = ", ".join(f"`{part}` has {form}" for part, form in forms.items())
        raise UnusableError(
            f"the labels `{options.label}` of its parts are written in several ways: {shown}. "
            "Write them in one, such as the number of the class"
        )


def _form_of(labels: Array, array: Array, options: RowsOfFile) -> str:
    num = array.shape[-1 if options.axis == "last" else 0]
    if is_one_hot(labels, num):
        return f"one-hot labels of {labels.size // num} classes"
    return "numbers" if labels.dtype.kind in "biuf" else "texts"


def _rows_of_part(
    arrays: Mapping[str, Array], options: RowsOfFile, *, is_labelled: bool
) -> RowsFile:
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
        own = class_numbers(_array(arrays, options.label), len(array))
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
            name: context_values(_flat(one))
            for name, one in others.items()
            if one.size == len(array) > 1 and not is_rate_name(name)
        },
        rate_hz=_rate(others),
        rates_hz=_rates(others, len(array)),
    )


def class_numbers(array: Array, num: int) -> Array:
    """Returns labels, of which a one-hot array [recordings, classes] gives the class, from 0.

    >>> class_numbers(np.array([[0, 1], [1, 0], [0, 1]]), 3).tolist()
    [1, 0, 1]

    Args:
        array: The labels.
        num: Number of recordings.
    """
    return one_hot if (one_hot := _from_one_hot(array, num)) is not None else _flat(array)


def is_one_hot(array: Array, num: int) -> bool:
    """Tells whether an array has a row, or a column, of zeros with a single 1 for each recording.

    Args:
        array: An array of any shape.
        num: Number of recordings.
    """
    return _from_one_hot(array, num) is not None


def num_labels(array: Array) -> int:
    """Number of labels of an array with one each, or with a row or column of classes for each."""
    return max(array.shape) if is_one_hot(array, max(array.shape, default=0)) else array.size


def _from_one_hot(array: Array, num: int) -> Array | None:
    if array.ndim != 2 or array.dtype.kind not in "biuf" or num not in array.shape:
        return None
    rows = array if array.shape[0] == num else array.T
    if not 2 <= rows.shape[1] <= _MAX_ONE_HOT or (rows[:1].sum(axis=1) != 1).any():
        return None  # without reading the samples of a large array
    if not np.isin(rows, (0, 1)).all():
        return None
    return np.argmax(rows, axis=1) if (rows.sum(axis=1) == 1).all() else None


def _array(arrays: Mapping[str, Array], name: str) -> Array:
    if name not in arrays:
        listed = ", ".join(f"`{own}` {array.shape}" for own, array in list(arrays.items())[:8])
        raise UnusableError(f"it has no array `{name}`; it has {listed}")
    return np.asarray(arrays[name])


def _flat(array: Array) -> Array:
    return np.asarray(array).reshape(-1)


def _rate(arrays: Mapping[str, Array]) -> float | None:
    singles = {name: _rate_text(_flat(a)[0]) for name, a in arrays.items() if a.size == 1}
    return take_rate({n: text for n, text in singles.items() if is_rate_name(n)}, {})[1]


def _rates(arrays: Mapping[str, Array], num: int) -> list[float | None] | None:
    """Returns the rate of each of `num` recordings in Hz, if an array has them."""
    for name, array in arrays.items():
        if array.size == num > 1 and is_rate_name(name):
            return [take_rate({name: _rate_text(value)}, {})[1] for value in _flat(array)]
    return None


def _rate_text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


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
