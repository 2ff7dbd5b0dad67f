"""Streaming counts of a column's values over all rows."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.reading import hashing, values
from pipeline.reading.columns import Kind, kind_of
from pipeline.reading.hashing import Hashes

MAX_TEXTS = 5_000  # distinct texts counted individually; with more, a column is free text
_HASHED_SAMPLES = 64  # per list; enough to distinguish two recordings


@dataclass(kw_only=True)
class ColumnTally:
    """Counts of one column over the rows read so far.

    Attributes:
        kinds: Kinds of its values, by Arrow type or CSV.
        num_present: Values that are not missing.
        num_infinite: Numbers that are infinite.
        texts: Counts of the texts that are not numbers.
        texts_complete: Whether `texts` contains all of them.
        num_gapped: Lists that contain a missing or non-finite number.
        list_lengths: Number of lists of each length, for a column of lists.
        steps: Smallest and largest difference of neighbours in lists of numbers; NaN with a gap.
    """

    kinds: set[Kind] = field(default_factory=set)
    num_present: int = 0
    num_infinite: int = 0
    texts: Counter[str] = field(default_factory=Counter)
    texts_complete: bool = True
    num_gapped: int = 0
    list_lengths: Counter[int] = field(default_factory=Counter)
    steps: tuple[float, float] | None = None

    def add(self, column: pa.Array) -> Hashes:
        """Counts the values of one batch, read by their format; returns uint64 [rows], hashes."""
        kind = kind_of(column.type)
        self.kinds.add(kind)
        self.num_present += len(column) - column.null_count
        if kind in ("text", "bytes"):
            return self._add_texts(column)
        if kind.endswith("list"):
            return self._add_lists(column)
        if kind in ("int", "time"):
            return hashing.hash_column(column.cast(pa.int64()))
        if kind == "float":
            self.num_infinite += int(pc.sum(pc.is_inf(column)).as_py() or 0)
            return hashing.hash_column(column)
        return np.zeros(len(column), np.uint64)

    def _add_texts(self, column: pa.Array) -> Hashes:
        """Looks at each distinct text once."""
        encoded = column.cast(pa.binary()).dictionary_encode()
        distinct = encoded.dictionary
        places = np.asarray(encoded.indices.fill_null(len(distinct)), np.int64)
        counts = np.bincount(places, minlength=len(distinct) + 1)[:-1]
        self._count_texts(distinct, counts)
        return np.append(hashing.hash_column(distinct), np.uint64(0))[places]

    def _count_texts(self, texts: pa.Array, counts: npt.NDArray[np.int64]) -> None:
        if len(texts) > MAX_TEXTS:
            self.texts_complete = False
            texts, counts = texts[:MAX_TEXTS], counts[:MAX_TEXTS]
        if not self.texts_complete and len(self.texts) > MAX_TEXTS:
            return
        for text, count in zip(texts.to_pylist(), counts.tolist(), strict=True):
            self.texts[text.decode()] += count
        if len(self.texts) > MAX_TEXTS:
            self.texts_complete = False

    def _add_lists(self, column: pa.Array) -> Hashes:
        lengths = pc.list_value_length(column).drop_null()
        self.list_lengths.update(np.asarray(lengths).tolist())
        if "bytes list" in self.kinds:
            return np.zeros(len(column), np.uint64)
        self.num_gapped += _count_gapped(column)
        self._add_steps(column)
        head = pc.list_slice(column, 0, _HASHED_SAMPLES)
        return hashing.hash_column(values.to_lists(head, values.samples))

    def _add_steps(self, column: pa.Array) -> None:
        """Widens the limits of the differences, until one is not positive: then it is no time."""
        if self.steps is not None and not self.steps[0] > 0:
            return
        lists = column.drop_null()
        samples = np.asarray(lists.flatten().cast(pa.float64(), safe=False).fill_null(np.nan))
        lengths = np.asarray(pc.list_value_length(lists), np.int64)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        with np.errstate(invalid="ignore"):  # infinite samples
            steps = np.diff(samples)[rows[1:] == rows[:-1]]
        if len(steps):
            old = self.steps or (np.inf, -np.inf)
            self.steps = float(np.minimum(old[0], steps.min())), float(max(old[1], steps.max()))


def _count_gapped(column: pa.Array) -> int:
    samples = np.asarray(values.samples(column.flatten()))
    lengths = np.asarray(pc.list_value_length(column).fill_null(0), np.int64)
    if pa.types.is_fixed_size_list(column.type):  # `flatten` omits null lists
        lengths = np.where(np.asarray(column.is_null()), 0, lengths)
    rows = np.repeat(np.arange(len(column)), lengths)
    return len(np.unique(rows[~np.isfinite(samples)]))
