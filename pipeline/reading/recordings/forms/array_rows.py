"""Arrays with a row for each recording, and their labels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from pipeline.counting import count
from pipeline.reading.files.pieces import suffix_of
from pipeline.reading.recordings.beside.labels import read_row_labels
from pipeline.reading.recordings.evidence.labels import is_named_as_label, label_column
from pipeline.reading.recordings.evidence.listing import read_frame
from pipeline.reading.recordings.forms.request import DEFAULT_LABEL, MANY_FILES, Discovery
from pipeline.reading.recordings.forms.rows import MIN_RECORDINGS, RowsRequest, labels_in
from pipeline.reading.recordings.forms.smoothness import MIN_SAMPLES, are_samples, smoother_axis
from pipeline.reading.recordings.raw.arrays import Array, load_arrays
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.rows.array_parts import parts_of, split_name
from pipeline.reading.recordings.rows.array_rows import is_one_hot, num_labels
from pipeline.recording_options import Recordings, RowsOfFile

_NUM_LOOKED_AT = 2_000


class ArrayForms(RowsRequest):
    """Discovers arrays with many recordings; None if there are none."""

    def of_arrays(self, files: Sequence[str]) -> Discovery | None:
        """Discovers arrays with a row for each recording, and their labels."""
        beside = self._labels_beside(files)
        files = [file for file in files if file != beside]
        if len(files) >= MANY_FILES or (beside is not None and len(files) != 1):
            _check_no_parts(files)
            return None
        try:
            arrays = load_arrays(files[0])
        except UnusableError as error:
            raise InputError(f"{files[0]}: {error}.") from error
        if beside is not None:
            return self._by_order(files, arrays, beside)
        name = self._label_array(arrays)
        if name is None:
            return self._of_parts(files, arrays)
        rows = _recordings_of(arrays, num_labels(arrays[name]), label=name)
        if rows is None:
            return None
        return self._by_array(files, rows, arrays)

    def _of_parts(self, files: Sequence[str], arrays: Mapping[str, Array]) -> Discovery | None:
        """Discovers arrays in parts, such as `X_train`, `y_train`, `X_test` and `y_test`."""
        found: dict[str, RowsOfFile] = {}
        parts = parts_of(arrays)
        for part, own in parts.items():
            name = self._label_array(own)
            rows = _recordings_of(own, num_labels(own[name]), label=name) if name else None
            if rows is not None:
                found[part] = rows
        if not found:
            return None
        first = next(iter(found.values()))
        same = tuple(part for part, rows in found.items() if rows == first)
        if len(same) < len(found):
            other = next(part for part in found if part not in same)
            raise InputError(
                f"{files[0]} has arrays in parts that differ: of `{same[0]}`, `{first.array}` has "
                f"the recordings, and of `{other}`, `{found[other].array}`. Name the arrays of all "
                f"parts alike, such as `X_{same[0]}` and `X_{other}`, with the recordings on one "
                "axis."
            )
        notes = [f"the column `part` says which part a recording is from: {', '.join(same)}. "
                 "These are not used as splits: all recordings are divided anew"]  # fmt: skip
        lacking = [part for part, own in parts.items() if part not in same and first.array in own]
        if lacking:
            notes.append(
                f"not used: `{first.array}` of {', '.join(lacking)}, without the labels "
                f"`{first.label}`"
            )
        return self._by_array(files, replace(first, parts=same), parts[same[0]], notes)

    def _by_array(
        self,
        files: Sequence[str],
        rows: RowsOfFile,
        arrays: Mapping[str, Array],
        notes: Sequence[str] = (),
    ) -> Discovery:
        """Returns recordings with their labels in an array."""
        label = rows.label or ""
        labels = [text for file in files for text in labels_in(file, rows)]
        notes = [*notes, *_array_notes(arrays, rows)]
        if is_one_hot(arrays[label], num_labels(arrays[label])):
            notes.append(f"`{label}` is one-hot: the label is the number of the class, from 0")
        recordings = Recordings(form="rows", rows=rows)
        return self.found_rows(files, recordings, label, labels, notes)

    def _labels_beside(self, files: Sequence[str]) -> str | None:
        """The file with the labels of the recordings of another one, in their order."""
        if self.labels is not None:
            return self.labels
        pair = [file for file in files if suffix_of(file, (".npy",))]
        if len(pair) != 2 or len(files) != 2:
            return None
        arrays = {file: np.load(file, mmap_mode="r") for file in pair if _is_npy(file)}
        if len(arrays) != 2:
            return None
        labels = [
            file
            for file, array in arrays.items()
            if array.ndim - array.shape.count(1) <= 1
            or is_one_hot(array, max(array.shape, default=0))
        ]
        return labels[0] if len(labels) == 1 else None

    def _by_order(
        self, files: Sequence[str], arrays: Mapping[str, Array], beside: str
    ) -> Discovery | None:
        label = self.label or DEFAULT_LABEL
        if not suffix_of(beside, (".npy",)):
            label = label_column(read_frame(beside), wanted=self.label, not_label=(), where=beside)
        labels = read_row_labels(Path(beside), label)
        rows = _recordings_of(arrays, len(labels), label=None)
        if rows is None:
            return None
        recordings = Recordings(form="rows", labels=beside, rows=rows)
        return self.found_rows(files, recordings, label, labels, _array_notes(arrays, rows))

    def _label_array(self, arrays: Mapping[str, Array]) -> str | None:
        """The array with one label for each recording: as the person or its name says."""
        if self.label is not None:
            return self.label if self.label in arrays else None
        named = [
            name
            for name, array in arrays.items()
            if is_named_as_label(name)
            and num_labels(array) >= MIN_RECORDINGS
            and (array.ndim - array.shape.count(1) == 1 or is_one_hot(array, num_labels(array)))
        ]
        return named[0] if len(named) == 1 else None


def _check_no_parts(files: Sequence[str]) -> None:
    """Checks that files with one array each are not the arrays of parts, each in its own file.

    Raises:
        InputError: They are, such as `X_train.npy` and `y_train.npy`.
    """
    stems = [Path(file).stem for file in files if suffix_of(file, (".npy",))]
    split = [found for stem in stems if (found := split_name(stem))]
    if len(split) < len(files) or not any(is_named_as_label(base) for base, _ in split):
        return
    arrays = ", ".join(f"{stem}=np.load('{stem}.npy')" for stem in stems)
    raise InputError(
        f"{', '.join(Path(file).name for file in files)} seem to be arrays of many recordings and "
        "their labels, in parts. They are read from one file: write "
        f"`np.savez('all.npz', {arrays})`, and give all.npz to `init`."
    )


def _is_npy(file: str) -> bool:
    with Path(file).open("rb") as stream:
        return stream.read(6) == b"\x93NUMPY"


def _recordings_of(
    arrays: Mapping[str, Array], num: int, *, label: str | None
) -> RowsOfFile | None:
    """Returns the largest array of numbers with `num` recordings on its first or last axis.

    Raises:
        InputError: Both have as many entries, and the values do not tell which has the recordings.
    """
    fitting = [
        (array.size, name, "first" if array.shape[0] == num else "last")
        for name, array in arrays.items()
        if name != label
        and array.ndim in (2, 3)
        and array.dtype.kind in "iuf"
        and num in (array.shape[0], array.shape[-1])
        and array.size >= MIN_SAMPLES * num
    ]
    if num < MIN_RECORDINGS or not fitting:
        return None
    _, name, axis = max(fitting)
    if _is_square(arrays[name]):
        axis = _axis_of_square(name, arrays[name])
    return RowsOfFile(array=name, label=label, axis="last" if axis == "last" else "first")


def _is_square(array: Array) -> bool:
    """Whether the recordings of an array may be on its first axis as well as on its last."""
    return bool(array.shape[0] == array.shape[-1])


def _has_samples_between(array: Array) -> bool:
    """Whether the samples of a square array are on a longer axis between the two."""
    return array.ndim == 3 and bool(array.shape[1] > array.shape[0])


def _axis_of_square(name: str, array: Array) -> str:
    """Returns which axis of a square array has the recordings: the other one is smooth.

    Raises:
        InputError: That is not clear.
    """
    if _has_samples_between(array):
        return "first"
    plane = array[:, 0] if array.ndim == 3 else array
    smooth = smoother_axis(np.asarray(plane[:_NUM_LOOKED_AT, :_NUM_LOOKED_AT], np.float64))
    if smooth is None:
        first, last = (
            (f"{name}[:, :, None]", f"{name}.T[:, :, None]")
            if array.ndim == 2
            else (f"{name}.transpose(0, 2, 1)", f"np.moveaxis({name}, -1, 0)")
        )
        raise InputError(
            f"The array `{name}` {array.shape} has as many entries on its first axis as on its "
            "last, and its values are not clearly smoother along one of them, so which one has the "
            "recordings is not certain. Write it as [recordings, samples, channels]: "
            f"`{first}` if the recordings are on the first axis, `{last}` if they are on the last."
        )
    return "last" if smooth == 0 else "first"


def _axis_note(array: Array, rows: RowsOfFile) -> str:
    """Returns in words why the recordings of a square array are on the axis that was taken."""
    num = count(array.shape[0], "entry", "entries")
    if _has_samples_between(array):
        return (
            f"`{rows.array}` has {num} on the first axis and on the last: the recordings are taken "
            "to be on the first one, as is usual. If that is wrong, set data.recordings.rows.axis "
            "to last"
        )
    other = "first" if rows.axis == "last" else "last"
    return (
        f"`{rows.array}` has {num} on the first axis and on the last: the recordings are on the "
        f"{rows.axis} one, since neighbours are alike along the {other} one. If that is wrong, "
        "write an array [recordings, samples, channels]"
    )


def _array_notes(arrays: Mapping[str, Array], rows: RowsOfFile) -> list[str]:
    """Returns in words the channels of an array, and other arrays of the same recordings."""
    if rows.array is None:
        return []
    shape = list(arrays[rows.array].shape)
    num = shape.pop(-1 if rows.axis == "last" else 0)
    notes = [_axis_note(arrays[rows.array], rows)] if _is_square(arrays[rows.array]) else []
    if len(shape) > 1:
        notes.append(
            f"{count(min(shape), 'channel')} with {count(max(shape), 'sample')} in each: the "
            "longer axis has the samples"
        )
    shapes = {
        name: array.shape
        for name, array in arrays.items()
        if name not in (rows.array, rows.label) and array.size > num and num in array.shape
    }
    if len(shape) == 1 and not are_samples(_first_rows(arrays[rows.array], rows)):
        notes.append(
            f"`{rows.array}` may be a table of features: neighbours are not alike, and their "
            "scales differ. If it is, write a CSV or Parquet file with a column for each"
        )
    if not shapes:
        return notes
    shown = ", ".join(f"`{name}` {shape}" for name, shape in list(shapes.items())[:5])
    return [
        *notes,
        f"not used: {shown}; if they are channels of the same recordings, write one array "
        "[recordings, samples, channels]",
    ]


def _first_rows(array: Array, rows: RowsOfFile) -> NDArray[np.float32]:
    turned = np.moveaxis(array, -1, 0) if rows.axis == "last" else array
    return np.asarray(turned[:_NUM_LOOKED_AT], np.float32)
