"""Recordings in the groups of an HDF5 file: data sets are channels, attributes the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.reading.files.pieces import first_line
from pipeline.reading.recordings.raw.arrays import (
    Array,
    columns_of,
    single_attributes,
    stored_values,
)
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.raw.groups import is_rate_name, take_rate
from pipeline.reading.recordings.rows.rows_file import RowsFile, context_values, label_text
from pipeline.recording_options import RowsOfFile

OUTER = "group"  # column with the path of the groups around a recording


@dataclass(frozen=True, kw_only=True)
class GroupOfFile:
    """A group with data sets.

    Attributes:
        path: Its path in the file.
        samples: Its channels by name, 1-D.
        singles: Its attributes, those of the groups around it, and its data sets of one value.
        problem: Why its data sets cannot be read; empty if they can.
    """

    path: str
    samples: Mapping[str, Array]
    singles: Mapping[str, Any]
    problem: str = ""

    @property
    def outer(self) -> str:
        """Path of the groups around it; empty if it is in none."""
        return self.path.rpartition("/")[0]


def read_groups(path: str) -> list[GroupOfFile]:
    """Returns the groups of an HDF5 file that have data sets, in the order of their paths.

    Raises:
        UnusableError: The file is damaged or no HDF5 file.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            paths: list[str] = []
            file.visititems(lambda name, item: _collect(name, item, paths, h5py))
            return [_group(file, own, h5py) for own in sorted(paths)]
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UnusableError(f"it is not a readable HDF5 file ({first_line(error)})") from error


def _collect(name: str, item: Any, paths: list[str], h5py: Any) -> None:
    is_group = isinstance(item, h5py.Group) and not name.startswith("#")
    if is_group and any(isinstance(own, h5py.Dataset) for own in item.values()):
        paths.append(name)


def _group(file: Any, path: str, h5py: Any) -> GroupOfFile:
    arrays: dict[str, Array] = dict(single_attributes(file.attrs))
    around = ""
    for part in path.split("/"):
        around = f"{around}/{part}"
        arrays |= dict(single_attributes(file[around].attrs))
    for name, item in file[path].items():
        if isinstance(item, h5py.Dataset):
            arrays |= {own: a for own, a in single_attributes(item.attrs) if own not in arrays}
            arrays[name] = stored_values(item)
    try:
        samples, singles = columns_of(arrays)
    except UnusableError as error:
        return GroupOfFile(path=path, samples={}, singles={}, problem=str(error))
    return GroupOfFile(path=path, samples=samples, singles=singles)


def rows_of_groups(path: str, options: RowsOfFile, *, is_labelled: bool) -> RowsFile:
    """Returns the recordings of the groups of a file.

    Raises:
        UnusableError: The file is damaged, or no group has data sets of numbers.
    """
    groups = read_groups(path)
    channels = list(dict.fromkeys(name for group in groups for name in group.samples))
    if not channels:
        raise UnusableError("it has no group with data sets of numbers")
    problems: dict[int, str] = {}
    rates: list[float | None] = []
    for place, group in enumerate(groups):
        problem, rate_hz = _judged(group)
        rates.append(rate_hz)
        if problem:
            problems[place] = problem
    return RowsFile(
        channels={name: [_samples(group, name) for group in groups] for name in channels},
        labels=[_label(group, options) for group in groups] if is_labelled else None,
        context=_context(groups, options),
        rates_hz=rates if any(rate is not None for rate in rates) else None,
        problems=problems,
        names=[group.path.replace("/", "_") for group in groups],
    )


def _judged(group: GroupOfFile) -> tuple[str, float | None]:
    """Returns why a group is no recording, if it is none, and its rate in Hz."""
    if group.problem:
        return group.problem, None
    lengths = {name: len(samples) for name, samples in group.samples.items()}
    if len({*lengths.values()}) > 1:
        shown = ", ".join(f"`{name}` has {length:,}" for name, length in lengths.items())
        return f"its data sets differ in their number of samples: {shown}", None
    if min(lengths.values(), default=0) < 2:
        return "it has no data set of numbers with at least two samples", None
    try:
        given = {name: str(value) for name, value in group.singles.items() if is_rate_name(name)}
        return "", take_rate(given, {})[1]
    except UnusableError as error:
        return str(error), None


def _samples(group: GroupOfFile, name: str) -> NDArray[np.float32]:
    """Returns a channel, float32 [samples]; without a value where the group lacks it."""
    if name in group.samples:
        return np.asarray(group.samples[name], np.float32)
    length = max(map(len, group.samples.values()), default=0)
    return np.full(length, np.nan, np.float32)


def _label(group: GroupOfFile, options: RowsOfFile) -> str | None:
    if options.label_at == "group":
        return group.outer.rpartition("/")[2] or None
    return label_text(group.singles.get(options.label or ""))


def _context(groups: list[GroupOfFile], options: RowsOfFile) -> dict[str, list[Any]]:
    """Returns the attributes that are neither the label nor a rate, and the groups around."""
    names = dict.fromkeys(name for group in groups for name in group.singles)
    context = {
        name: _typed([group.singles.get(name) for group in groups])
        for name in names
        if name != options.label and not is_rate_name(name)
    }
    if options.label_at != "group" and any(group.outer for group in groups):
        context.setdefault(OUTER, [group.outer or None for group in groups])
    return context


def _typed(values: list[Any]) -> list[Any]:
    """Returns values of one type: numbers if all are, else texts."""
    present = [value for value in values if value is not None]
    numbers = [value for value in present if isinstance(value, int | float)]
    if len(numbers) < len(present) or any(isinstance(value, bool) for value in present):
        return [None if value is None else label_text(value) for value in values]
    if len(present) == len(values):
        return context_values(np.asarray(values))
    return [None if value is None else float(value) for value in values]
