"""Files with many recordings: arrays with their labels, and text without names of columns."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from pipeline.counting import count
from pipeline.reading.files.csv_header import is_value, trimmed
from pipeline.reading.files.pieces import TEXT_SUFFIXES, open_stream, suffix_of
from pipeline.reading.recordings.beside.labels import read_row_labels
from pipeline.reading.recordings.evidence import series
from pipeline.reading.recordings.evidence.labels import (
    MAX_CLASSES,
    is_named_as_label,
    label_column,
)
from pipeline.reading.recordings.evidence.listing import read_frame
from pipeline.reading.recordings.forms.request import (
    DEFAULT_LABEL,
    MANY_FILES,
    Discovery,
    Request,
    listed,
)
from pipeline.reading.recordings.raw.arrays import Array, load_arrays
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.raw.rows import (
    CHANNEL,
    delimiter_of,
    label_texts,
    read_rows,
    text_lines,
)
from pipeline.recording_options import Recordings, RowsOfFile

_MIN_SAMPLES = 8
_HEAD_BYTES = 1 << 20
_MIN_RECORDINGS = 6
_MIN_NOISE = 32  # samples of a recording that is not smooth
_SMOOTH_RATIO, _MAX_SCALE_RATIO = 0.5, 20.0
_SMOOTH_MEANS_RATIO = 0.2  # 0.5 if one column is larger than all others, and the first or last
_EQUAL = 1e-6  # mean square of differences between samples that are the same
_SAME_SIGNAL = 0.9  # correlation
_MAX_WHOLE = 0.5  # share of samples that are whole numbers by chance
_NUM_LOOKED_AT = 2_000
_TEXTS = (".csv", ".tsv", *TEXT_SUFFIXES)


class RowForms(Request):
    """Discovers files with many recordings; None if they have none."""

    def of_arrays(self, files: Sequence[str]) -> Discovery | None:
        """Discovers arrays with a row for each recording, and their labels."""
        beside = self._labels_beside(files)
        files = [file for file in files if file != beside]
        if len(files) >= MANY_FILES or (beside is not None and len(files) != 1):
            return None
        try:
            arrays = load_arrays(files[0])
        except UnusableError as error:
            raise InputError(f"{files[0]}: {error}.") from error
        if beside is not None:
            return self._by_order(files, arrays, beside)
        name = self._label_array(arrays)
        if name is None:
            return None
        rows = _recordings_of(arrays, arrays[name].size, label=name)
        if rows is None:
            return None
        labels = [text for file in files for text in _labels_in(file, rows)]
        return self._found(files, Recordings(form="rows", rows=rows), name, labels)

    def _labels_beside(self, files: Sequence[str]) -> str | None:
        """The file with the labels of the recordings of another one, in their order."""
        if self.labels is not None:
            return self.labels
        pair = [file for file in files if suffix_of(file, (".npy",))]
        if len(pair) != 2 or len(files) != 2:
            return None
        shapes = {file: np.load(file, mmap_mode="r").shape for file in pair if _is_npy(file)}
        if len(shapes) != 2:
            return None
        labels = [file for file, shape in shapes.items() if len(shape) - shape.count(1) <= 1]
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
        return self._found(files, recordings, label, labels)

    def _label_array(self, arrays: Mapping[str, Array]) -> str | None:
        """The array with one label for each recording: as the person or its name says."""
        if self.label is not None:
            return self.label if self.label in arrays else None
        named = [
            name
            for name, array in arrays.items()
            if is_named_as_label(name)
            and array.size >= _MIN_RECORDINGS
            and array.ndim - array.shape.count(1) == 1
        ]
        return named[0] if len(named) == 1 else None

    def of_texts(self, path: str) -> Discovery | None:
        """Discovers text with a recording in each line, its label first or last."""
        files = [path] if Path(path).is_file() else list(self.listing.tables)
        if not files or len(files) >= MANY_FILES or not all(suffix_of(f, _TEXTS) for f in files):
            return None
        if self.labels is not None or not all(map(_begins_with_numbers, files)):
            return None
        lines = [_lines_of_numbers(file) for file in files]
        widths = {len(cells) for own in lines for cells in own}
        if not all(lines) or len(widths) != 1 or widths.pop() <= _MIN_SAMPLES:
            return None
        width = len(lines[0][0])
        cells = [line for own in lines for line in own]
        places = [p for p in (0, -1) if _is_label([line[p] for line in cells])]
        if not places or len(cells) < _MIN_RECORDINGS:
            return None
        place = places[0]
        rows = RowsOfFile(label_at="last" if place else "first", num_samples=width - 1)
        labels = [text for file in files for text in _labels_in(file, rows)]
        recordings = Recordings(form="rows", rows=rows)
        samples = read_rows(files[0], rows, is_labelled=False).channels[CHANNEL]
        if self.rows != "samples" and not _are_samples(samples[:_NUM_LOOKED_AT]):
            return None
        if len(places) > 1:
            raise InputError(
                f"{files[0]} has a recording in each line, and the first as well as the last value "
                "may be the label: both have few values. Write a config with "
                f"`data.recordings.rows: {{label_at: last, num_samples: {width - 1}}}`, or with "
                "`first`; for a table of examples, give --header."
            )
        if self.rows != "samples":
            _check_edges(files[0], samples)
        return self._found(files, recordings, self.label or DEFAULT_LABEL, labels)

    def _found(
        self,
        files: Sequence[str],
        recordings: Recordings,
        label: str,
        labels: Sequence[str | None],
    ) -> Discovery:
        classes = Counter(text for text in labels if text is not None)
        if len(classes) < 2:
            shown = listed(classes) or "no value"
            raise InputError(
                f"{files[0]}: the labels of its recordings have {shown}; expected two or more."
            )
        rows = recordings.rows
        where = (
            f"the {rows.label_at} value of each line is the label"
            if rows and rows.label_at
            else f"labels in {recordings.labels}, in the order of the recordings"
            if recordings.labels
            else f"`{label}` is the label"
        )
        what = f"`{rows.array}` of " if rows and rows.array else "the lines of "
        remedy = "" if rows and rows.array else "; for a table of examples, give --header"
        notes = [
            f"{count(len(labels), 'recording')} in {what}{', '.join(files)}{remedy}",
            f"{where}: {listed(classes)}",
        ]
        notes += _array_notes(files[0], rows)
        if len(files) > 1:
            notes.append("files are not used as splits: all recordings are divided anew")
        return Discovery(
            path=self.listing.pattern_of(
                files, "table", [recordings.labels] if recordings.labels else []
            ),
            recordings=recordings,
            label=label,
            positive=series.rarest(classes),
            notes=tuple(notes),
        )


def _are_samples(values: NDArray[np.float32]) -> bool:
    """Tells samples of one quantity from columns of a table of examples without a header.

    Neighbouring samples of a smooth signal differ less than others, also in units of each sample's
    own mean and spread: columns whose means increase are not smooth. Long ones may be the same
    smooth signal with noise. Noise and vibration are long and have one scale.

    Args:
        values: float32 [recordings, samples].
    """
    values = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    values = values[:, ~np.isnan(values).all(axis=0)]
    if values.shape[1] < _MIN_SAMPLES:
        return False
    means, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    own = ((values - means) / np.where(spread > 0, spread, 1))[:, spread > 0]
    is_smooth = _is_smooth(own, _SMOOTH_RATIO)
    if len(means) >= _MIN_NOISE and _is_smooth(means[None], _SMOOTH_MEANS_RATIO):
        is_smooth = True
    known = spread[spread > 0]
    has_one_scale = len(known) > 0 and known.max() <= _MAX_SCALE_RATIO * np.median(known)
    has_one_level = np.ptp(means) <= _MAX_SCALE_RATIO * np.median(spread)
    return is_smooth or bool(len(means) >= _MIN_NOISE and has_one_scale and has_one_level)


def _is_smooth(values: NDArray[np.float64], ratio: float) -> bool:
    """Tells whether neighbouring columns differ less than others, by the ratio of their squares."""
    shuffled = values[:, np.random.default_rng(0).permutation(values.shape[1])]
    near, far = (_mean_square(np.diff(one, axis=1)) for one in (values, shuffled))
    return bool(near <= max(ratio * far, _EQUAL))


def _mean_square(values: NDArray[np.float64]) -> float:
    squares = values[np.isfinite(values)] ** 2
    return float(squares.mean()) if squares.size else np.inf


def _check_edges(file: str, samples: NDArray[np.float32]) -> None:
    """Checks that the first and the last sample of lines are no id or group.

    Raises:
        InputError: One of them has whole numbers only, unlike other samples and not near the next.
    """
    is_whole = samples == np.round(samples)
    if is_whole[:, 1:-1].mean() > _MAX_WHOLE:
        return
    for words, place, neighbour in (("first", 0, 1), ("last", -1, -2)):
        if is_whole[:, place].all() and not _go_on(samples[:, place], samples[:, neighbour]):
            raise InputError(
                f"{file} has a recording in each line, and the {words} number beside the label is "
                "whole in all lines, unlike the samples: it seems to be an id or a group. Remove "
                "it, or write an NPZ file with the arrays `X`, `y` and one of its name. If it is a "
                "sample, say --rows samples."
            )


def _go_on(edge: NDArray[np.float32], neighbour: NDArray[np.float32]) -> bool:
    """Tells whether samples are constant, or the same signal as those beside them."""
    known = np.isfinite(edge) & np.isfinite(neighbour)
    if np.ptp(edge) == 0:
        return True
    if known.sum() < 2 or np.ptp(neighbour[known]) == 0:
        return False
    return bool(np.corrcoef(edge[known], neighbour[known])[0, 1] > _SAME_SIGNAL)


def _is_npy(file: str) -> bool:
    with Path(file).open("rb") as stream:
        return stream.read(6) == b"\x93NUMPY"


def _recordings_of(
    arrays: Mapping[str, Array], num: int, *, label: str | None
) -> RowsOfFile | None:
    """Returns the largest array of numbers with `num` recordings on its first or last axis."""
    fitting = [
        (array.size, name, "first" if array.shape[0] == num else "last")
        for name, array in arrays.items()
        if name != label
        and array.ndim in (2, 3)
        and array.dtype.kind in "iuf"
        and num in (array.shape[0], array.shape[-1])
        and array.size >= _MIN_SAMPLES * num
    ]
    if num < _MIN_RECORDINGS or not fitting:
        return None
    _, name, axis = max(fitting)
    return RowsOfFile(array=name, label=label, axis="last" if axis == "last" else "first")


def _array_notes(file: str, rows: RowsOfFile | None) -> list[str]:
    """Returns in words the channels of an array, and other arrays of the same recordings."""
    if rows is None or rows.array is None:
        return []
    arrays = load_arrays(file)
    shape = list(arrays[rows.array].shape)
    num = shape.pop(-1 if rows.axis == "last" else 0)
    notes = []
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
    if len(shape) == 1 and not _are_samples(_first_rows(arrays[rows.array], rows)):
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


def _labels_in(file: str, rows: RowsOfFile) -> Iterator[str | None]:
    """Yields the labels of a file; of lines of another length there is none."""
    try:
        read = read_rows(file, rows, is_labelled=True)
    except UnusableError as error:
        raise InputError(f"{file}: {error}.") from error
    for place, text in enumerate(read.labels or ()):
        yield None if place in read.problems else text


def _begins_with_numbers(file: str) -> bool:
    """Tells whether a file's first line has no names; the rest, which may be long, is not read."""
    try:
        with open_stream(file) as stream:
            head = stream.read(_HEAD_BYTES)
    except (OSError, EOFError):
        return False  # the reader of tables says what is wrong
    line = next((line for line in head.split(b"\n") if line.strip()), b"")
    return _are_numbers(_cells(line.strip(b" \r"), delimiter_of(line)))


def _lines_of_numbers(file: str) -> list[list[str]]:
    """Returns the fields of each line; nothing if one is no number, except a first or last one."""
    try:
        lines, delimiter = text_lines(file)
    except UnusableError:
        return []
    cells = []
    for line in lines:
        cells.append(_cells(line, delimiter))
        if not _are_numbers(cells[-1]):
            return []
    return cells


def _cells(line: bytes, delimiter: bytes | None) -> list[str]:
    return [trimmed(text.decode(errors="replace")) for text in line.split(delimiter)]


def _are_numbers(cells: Sequence[str]) -> bool:
    inner = cells[1:-1]
    return len(inner) >= _MIN_SAMPLES - 1 and all(
        is_value(text) or text.lower() in ("nan", "?", "") for text in inner
    )


def _is_label(texts: Sequence[str]) -> bool:
    """Tells whether the values of a place are those of a label: few, and no measurements."""
    values = set(label_texts(np.array([_number(text) for text in texts], object)))
    few = 2 <= len(values) <= min(MAX_CLASSES, len(texts) // 2)
    return few and None not in values and not any("." in (value or "") for value in values)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
