"""Rows of the train split: a background for Shapley values, and the rows nearest to an example."""

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from common.example_files import read_serialised
from models.features import raw_feature_names
from models.inputs.encoding import encoded_name
from models.inputs.transform_graph import TransformGraph, raw_from_serving
from models.model_spec import ModelSpec
from pipeline.components.pages.layout import date_text

_BATCH_ROWS = 1_024


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """Rows of the train split, drawn at random without replacement.

    Attributes:
        records: Serialised tf.Examples, in the order of their numbers.
        numbers: Their places in the split, from 0.
        num_rows: Rows of the whole split.
    """

    records: Sequence[bytes]
    numbers: Sequence[int]
    num_rows: int


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A training row that is near an example.

    Attributes:
        row: Its place in the train split, from 0.
        label: Its label, 0 or 1.
        distance: 0 for the same transformed columns; about 1 for two rows drawn at random.
        names: Values of the columns that the model does not read, such as an id.
    """

    row: int
    label: int
    distance: float
    names: Mapping[str, str]


def sample_rows(files: Sequence[str], num_rows: int, *, seed: int = 0) -> TrainingRows:
    """Returns at most `num_rows` rows of a split; the same files and seed give the same rows.

    Args:
        files: Gzip TFRecords of tf.Examples, in order.
        num_rows: Most rows to keep in memory.
        seed: Seed of the draw.
    """
    rng = np.random.default_rng(seed)
    kept: list[tuple[float, int, bytes]] = []
    count = 0
    for batch in read_serialised(*files):
        for record, key in zip(batch, rng.random(len(batch)), strict=True):
            # The rows with the smallest random keys; the heap has the greatest of them in front.
            entry = (-float(key), count, record)
            if len(kept) < num_rows:
                heapq.heappush(kept, entry)
            elif entry > kept[0]:
                heapq.heapreplace(kept, entry)
            count += 1
    drawn = sorted((number, record) for _, number, record in kept)
    return TrainingRows(
        records=[record for _, record in drawn],
        numbers=[number for number, _ in drawn],
        num_rows=count,
    )


def nearest_rows(
    columns: Mapping[str, NDArray[Any]],
    rows: TrainingRows,
    graph_folder: Path,
    spec: ModelSpec,
    *,
    num_nearest: int = 5,
) -> list[Neighbour]:
    """Returns the rows that are nearest to an example in the transformed space, the nearest first.

    Every column counts alike: its squared difference (0 or 1 for a category or bucket) is divided
    by the one that two random rows have on average. The distance is the root of the mean over the
    columns. Columns that are constant in `rows` do not count.

    Args:
        columns: The example as clients send it, `[1]` or `[1, samples]` each.
        rows: The rows to look through.
        graph_folder: The TransformGraph artifact of the model.
        spec: The model's specification.
        num_nearest: How many rows to return.
    """
    graph = TransformGraph(graph_folder, spec)
    names = [encoded_name(name) for name in raw_feature_names(spec.features)]
    tensors = {
        name: tf.constant(values.tolist() if values.dtype == object else values)
        for name, values in columns.items()
    }
    example = _arrays(graph(raw_from_serving(tensors, graph.raw_spec)), names)
    differences = {name: _Difference(example[name]) for name in names}
    for batch in _batches(rows.records):
        parsed = tf.io.parse_example(batch, dict(graph.raw_spec))
        transformed = _arrays(graph(parsed), names)
        for name, difference in differences.items():
            difference.add(transformed[name])
    shares = [share for one in differences.values() if (share := one.relative()) is not None]
    if not shares:
        return []
    distances = np.sqrt(np.mean(shares, axis=0))
    order = np.argsort(distances, kind="stable")[:num_nearest]
    return [_neighbour(rows, int(place), float(distances[place]), spec) for place in order]


class _Difference:
    """One column's squared differences from the example, and what is usual between rows."""

    def __init__(self, example: NDArray[Any]) -> None:
        self._example = example
        self._squares: list[NDArray[np.float64]] = []
        self._is_index = example.dtype.kind in "iu"
        self._counts: Counter[int] = Counter()
        self._sums = np.zeros((2, *example.shape[1:]))

    def add(self, values: NDArray[Any]) -> None:
        """Adds a batch of transformed values, `[rows, …]`."""
        if self._is_index:
            self._squares.append((values[:, 0] != self._example[:, 0]).astype(float))
            self._counts.update(values[:, 0].tolist())
            return
        wide = values.astype(np.float64)
        squared = np.square(wide - self._example)
        self._squares.append(squared.reshape(len(wide), -1).mean(axis=1))
        self._sums += np.stack([wide.sum(axis=0), np.square(wide).sum(axis=0)])

    def relative(self) -> NDArray[np.float64] | None:
        """The differences in units of the usual one; None where all rows are equal."""
        squares = np.concatenate(self._squares)
        usual = self._usual(len(squares))
        return squares / usual if usual > 1e-12 else None

    def _usual(self, num_rows: int) -> float:
        """The mean squared difference of two rows drawn at random with replacement."""
        if self._is_index:
            return 1.0 - sum((count / num_rows) ** 2 for count in self._counts.values())
        mean, square = self._sums / num_rows
        return float(2 * (square - mean**2).mean())


def _arrays(transformed: Mapping[str, tf.Tensor], names: Iterable[str]) -> dict[str, NDArray[Any]]:
    return {name: transformed[name].numpy() for name in names}


def _batches(records: Sequence[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(records), _BATCH_ROWS):
        yield list(records[start : start + _BATCH_ROWS])


def _neighbour(rows: TrainingRows, place: int, distance: float, spec: ModelSpec) -> Neighbour:
    features = tf.train.Example.FromString(rows.records[place]).features.feature
    unseen = sorted(set(features) - {*spec.features, spec.label})
    texts = {name: feature_text(features[name]) for name in unseen}
    return Neighbour(
        row=rows.numbers[place],
        label=int(features[spec.label].int64_list.value[0]),
        distance=distance,
        names={name: text for name, text in texts.items() if text},
    )


def dated(neighbours: Sequence[Neighbour], times: Collection[str]) -> list[Neighbour]:
    """Returns the rows with dates in place of seconds since 1970.

    Args:
        neighbours: The rows.
        times: Names of the columns that hold such seconds.
    """
    return [
        replace(
            one,
            names={
                name: date_text(float(text)) if name in times else text
                for name, text in one.names.items()
            },
        )
        for one in neighbours
    ]


def feature_text(feature: Any) -> str:
    """Returns the one value of a tf.Example's feature as text; empty where it has none or more."""
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    if len(values) != 1:
        return ""
    value = values[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
