"""Raw recordings as arrays: NumPy, HDF5 and MATLAB files."""

import re
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.reading.files.pieces import first_line
from pipeline.reading.recordings.raw.clock import UnusableError

Array = NDArray[Any]

_NUM_SHOWN = 5
_HDF5_SUFFIXES = (".h5", ".hdf5", ".mat")
_MAX_CHANNELS = 64  # of an array without names; a wider one is more likely turned
# Variables that MATLAB and toolboxes add.
_HIDDEN = re.compile(r"^(__|#)")


def read_arrays(path: str, columns: Collection[str] = ()) -> tuple[pa.RecordBatch, dict[str, Any]]:
    """Reads one file of arrays.

    An array with one dimension is a column. One with two has a column for each channel, numbered
    from 1; its longer side has the samples. Single values, and the attributes of HDF5 files and
    data sets, hold for the whole recording. Attributes that differ between data sets have their
    data set's name before their own.

    Args:
        path: The file.
        columns: Columns to read; by default all.

    Returns:
        The columns, by name; and the single values, by name.

    Raises:
        UnusableError: The file is damaged or of another format than its suffix says, or its arrays
            differ in length.
    """
    arrays = load_arrays(path)
    _check_one_recording(path)
    samples, singles = columns_of(_without_number(arrays, path))
    if not samples:
        raise UnusableError(_nothing_in(arrays))
    if columns:
        samples = {name: array for name, array in samples.items() if name in columns}
    return _batch(samples), singles


def columns_of(arrays: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Returns the columns of samples of one recording's arrays, and its single values.

    Raises:
        UnusableError: An array has more than two dimensions, or too many channels.
    """
    samples: dict[str, Array] = {}
    singles: dict[str, Any] = {}
    for name, array in arrays.items():
        if array.size == 1 or array.dtype.kind in "SUO":
            singles |= _single(name, array)
        else:
            samples |= _columns(name, array)
    return samples, singles


def load_arrays(path: str) -> dict[str, Array]:
    """Returns the arrays of a file by name, single values and attributes among them.

    Raises:
        UnusableError: The file is damaged or of another format than its suffix says.
    """
    suffix = Path(path).suffix.lower()
    try:
        return dict(_READERS[suffix](path))
    except UnusableError:
        raise
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise UnusableError(f"it is not a readable {suffix} file ({first_line(error)})") from error


def _nothing_in(arrays: Mapping[str, Array]) -> str:
    found = [f"`{name}` {array.shape} of {array.dtype}" for name, array in arrays.items()]
    more = f" and {len(found) - _NUM_SHOWN} more" if len(found) > _NUM_SHOWN else ""
    shown = f"; it has {', '.join(found[:_NUM_SHOWN])}{more}" if found else "; it is empty"
    return f"it has no array of numbers with at least two samples{shown}"


def _batch(columns: dict[str, Array]) -> pa.RecordBatch:
    if not columns:
        raise UnusableError("it has no array of numbers with at least two samples")
    lengths = Counter(len(column) for column in columns.values())
    if len(lengths) > 1:
        usual = lengths.most_common(1)[0][0]
        name = next(name for name, column in columns.items() if len(column) != usual)
        raise UnusableError(
            f"its arrays differ in length: `{name}` has {len(columns[name]):,} samples, others "
            f"have {usual:,}"
        )
    arrays = [pa.array(_native(column)) for column in columns.values()]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _native(column: Array) -> Array:
    if column.dtype.kind == "c":
        raise UnusableError("it has complex numbers; save their real part or their size")
    if column.dtype.itemsize > 8:  # long double
        column = column.astype(np.float64)
    return np.ascontiguousarray(column, column.dtype.newbyteorder("="))


def _columns(name: str, array: Array) -> dict[str, Array]:
    if array.dtype.names:  # records with named fields
        flat = array.reshape(-1)
        return {field: flat[field] for field in array.dtype.names}
    if array.dtype.kind not in "biufcmM":
        return {}
    array = np.squeeze(array)
    if array.ndim == 1:
        return {name: array}
    if array.ndim != 2:
        raise UnusableError(
            f"its array `{name}` has {array.ndim} dimensions {array.shape}; a recording has "
            "samples, or samples by channels"
        )
    if array.shape[0] < array.shape[1]:
        array = array.T
    if array.shape[1] > _MAX_CHANNELS:
        raise UnusableError(
            f"its array `{name}` is {array.shape[0]:,} by {array.shape[1]:,}; expected at most "
            f"{_MAX_CHANNELS} channels of one recording. If each line is a recording, save the "
            "array as a table with a list column"
        )
    return {f"{name}_{place + 1}": array[:, place] for place in range(array.shape[1])}


def _single(name: str, array: Array) -> dict[str, Any]:
    """Returns a value that holds for the whole recording; nothing if it is of another kind."""
    if array.size != 1:
        return {}
    value = array.reshape(-1)[0]
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return {name: value} if isinstance(value, str | int | float | bool) else {}


def _without_number(arrays: dict[str, Array], path: str) -> dict[str, Array]:
    """Removes the file's number from the names of its arrays, as in `X097_DE_time` of `97.mat`."""
    numbers = {int(digits) for digits in re.findall(r"\d+", Path(path).stem)}
    named = {}
    for name, array in arrays.items():
        match = re.fullmatch(r"[A-Za-z]?(\d+)_?([A-Za-z].*)", name)
        named[match[2] if match and int(match[1]) in numbers else name] = array
    return named if len(named) == len(arrays) else arrays


def read_singles(path: str) -> dict[str, Any]:
    """Returns the single values of a file of arrays; none of one that cannot be read."""
    try:
        return read_arrays(path)[1]
    except UnusableError:
        return {}


def _read_npy(path: str) -> Iterator[tuple[str, Array]]:
    with Path(path).open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise UnusableError("it is not a NumPy file: it does not begin as one")
    yield "signal", np.load(path, allow_pickle=False)


def _read_npz(path: str) -> Iterator[tuple[str, Array]]:
    # Opened here: NumPy does not close a file that is no archive.
    with Path(path).open("rb") as file:
        loaded = np.load(file, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise UnusableError("it holds one array without a name; rename it to .npy")
        for name in loaded.files:
            yield name, loaded[name]


def _read_hdf5(path: str) -> Iterator[tuple[str, Array]]:
    import h5py

    with h5py.File(path, "r") as file:
        datasets: dict[str, Any] = {}
        file.visititems(lambda name, item: _collect(name, item, datasets, h5py.Dataset))
        last = Counter(name.rpartition("/")[2] for name in datasets)
        short = {
            name: own if last[own := name.rpartition("/")[2]] == 1 else name.replace("/", "_")
            for name in datasets
        }
        owners = {"": file} | {short[name]: dataset for name, dataset in datasets.items()}
        attributes = {name: dict(single_attributes(own.attrs)) for name, own in owners.items()}
        yield from _distinct(attributes)
        for name, dataset in datasets.items():
            yield short[name], stored_values(dataset)


def stored_values(dataset: Any) -> Array:
    """Returns the values of a data set; MATLAB 7.3 stores a text as the codes of its characters."""
    values = np.asarray(dataset[()])
    if dataset.attrs.get("MATLAB_class") == b"char" and values.dtype.kind in "ui":
        return np.asarray("".join(map(chr, values.reshape(-1, order="F").tolist())))
    return values


def _check_one_recording(path: str) -> None:
    """Checks that the groups of an HDF5 file are no recordings of their own.

    Raises:
        UnusableError: Data sets of one name in several groups have different lengths.
    """
    if Path(path).suffix.lower() not in _HDF5_SUFFIXES:
        return
    import h5py

    if not h5py.is_hdf5(path):  # a file of MATLAB before 7.3
        return
    datasets: dict[str, Any] = {}
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, item: _collect(name, item, datasets, h5py.Dataset))
        _check_groups(datasets)


def _check_groups(datasets: Mapping[str, Any]) -> None:
    lengths: dict[str, dict[str, int]] = {}
    for name, dataset in datasets.items():
        group, _, last = name.rpartition("/")
        if group and dataset.shape and dataset.size > 1:
            lengths.setdefault(last, {})[group] = max(dataset.shape)
    for last, by_group in lengths.items():
        if len(set(by_group.values())) < 2:
            continue
        shown = ", ".join(
            f"`{group}` ({size:,} samples)" for group, size in list(by_group.items())[:_NUM_SHOWN]
        )
        raise UnusableError(
            f"its {len(by_group):,} groups with a data set `{last}` seem to be recordings of their "
            f"own: {shown}. Give this file alone to `init`, which reads its groups as recordings; "
            "or write a file for each group, with the path of the group in its name"
        )


def _distinct(attributes: Mapping[str, Mapping[str, Array]]) -> Iterator[tuple[str, Array]]:
    """Yields attributes; one whose values differ has the name of its data set before its own.

    Args:
        attributes: By data set, then by name; those of the file have an empty name.
    """
    values: dict[str, list[Any]] = {}
    for own in attributes.values():
        for name, array in own.items():
            values.setdefault(name, []).append(array.reshape(-1)[0])
    for owner, own in attributes.items():
        for name, array in own.items():
            differs = any(value != values[name][0] for value in values[name])
            yield f"{owner}_{name}" if owner and differs else name, array


def _collect(name: str, item: Any, datasets: dict[str, Any], kind: type) -> None:
    # MATLAB 7.3 keeps the contents of cells below `#refs#`.
    if isinstance(item, kind) and not _HIDDEN.match(name):
        datasets[name] = item


def single_attributes(attributes: Any) -> Iterator[tuple[str, Array]]:
    """Yields the attributes of an HDF5 object that are single values."""
    for name, value in attributes.items():
        array = np.asarray(value)
        # MATLAB 7.3 and pandas describe their types by such attributes.
        is_hidden = name.isupper() or name.startswith("MATLAB_")
        if array.size == 1 and not is_hidden and array.dtype.kind in "biufSUO":
            yield name, array


def _read_mat(path: str) -> Iterator[tuple[str, Array]]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        loaded = loadmat(path, squeeze_me=False, chars_as_strings=True)
    except NotImplementedError:  # MATLAB 7.3 writes HDF5
        yield from _read_hdf5(path)
        return
    except MatReadError as error:
        raise UnusableError(f"it is not a readable .mat file ({first_line(error)})") from error
    for name, value in loaded.items():
        if not _HIDDEN.match(name):
            yield from _unpacked(name, np.asarray(value))


def _unpacked(name: str, array: Array) -> Iterator[tuple[str, Array]]:
    """Yields the fields of a MATLAB structure, and the text of a row of characters."""
    if array.dtype.names and array.size == 1:
        for field in array.dtype.names:
            yield from _unpacked(field, np.asarray(array[field].reshape(-1)[0]))
    else:
        yield name, array


_READERS: dict[str, Callable[[str], Iterator[tuple[str, Array]]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
    ".mat": _read_mat,
}
