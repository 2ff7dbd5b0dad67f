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
        num_texts: Values of a text column that are not numbers.
        all_int: Every number is a whole number.
        num_infinite: Numbers that are infinite.
        num_not_utf8: Texts that are not UTF-8; ingestion sets their rows aside.
        texts: Counts of the texts that are not numbers.
        texts_complete: Whether `texts` contains all of them.
        num_gapped: Lists that contain a missing or non-finite number.
        list_lengths: Minimum and maximum length, for a column of lists.
    """

    kinds: set[Kind] = field(default_factory=set)
    num_present: int = 0
    num_texts: int = 0
    all_int: bool = True
    num_infinite: int = 0
    num_not_utf8: int = 0
    texts: Counter[str] = field(default_factory=Counter)
    texts_complete: bool = True
    num_gapped: int = 0
    list_lengths: tuple[int, int] | None = None

    def add(self, column: pa.Array, *, csv: bool) -> Hashes:
        """Counts the values of one batch and returns uint64 [rows], a hash of each."""
        kind = kind_of(column.type, csv=csv)
        self.kinds.add(kind)
        self.num_present += len(column) - column.null_count
        if kind in ("text", "bytes"):
            return self._add_texts(column, numbers=csv)
        if kind.endswith("list"):
            return self._add_lists(column)
        if kind in ("int", "time"):
            return hashing.hash_column(values.to_int(column)[0])
        self.all_int = False
        if kind == "float":
            return self._add_floats(column)
        return np.zeros(len(column), np.uint64)

    def _add_floats(self, column: pa.Array) -> Hashes:
        floats, _ = values.to_float(column)
        self.num_present += column.null_count - floats.null_count  # NaN is missing
        self.num_infinite += int(pc.sum(pc.is_inf(floats)).as_py() or 0)
        return hashing.hash_column(floats)

    def _add_texts(self, column: pa.Array, *, numbers: bool) -> Hashes:
        """Processes each distinct text once; `numbers` tells whether texts may be numbers."""
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        encoded = column.cast(pa.binary()).dictionary_encode()
        distinct = encoded.dictionary
        places = np.asarray(encoded.indices.fill_null(len(distinct)), np.int64)
        counts = np.bincount(places, minlength=len(distinct) + 1)[:-1]
        hashes, is_text = self._hash_distinct(distinct, counts, numbers=numbers)
        self.num_texts += int(counts[is_text].sum())
        self._count_texts(distinct.filter(pa.array(is_text)), counts[is_text])
        return np.append(hashes, np.uint64(0))[places]

    def _hash_distinct(
        self, distinct: pa.Array, counts: npt.NDArray[np.int64], *, numbers: bool
    ) -> tuple[Hashes, npt.NDArray[np.bool_]]:
        none = np.zeros(len(distinct), bool)
        if not numbers or not len(distinct):
            return hashing.hash_column(distinct), ~none
        if self.all_int and values.all_int(distinct):
            whole, _ = values.to_int(distinct)
            self._note_blanks(whole, none, counts)
            return hashing.hash_column(whole), none
        floats, is_text = values.to_float(distinct)
        self._note_blanks(floats, is_text, counts)
        if not is_text.all():
            self.all_int &= values.all_int(values.only_numbers(distinct))
        infinite = np.asarray(pc.is_inf(floats).fill_null(False))
        self.num_infinite += int(counts[infinite].sum())
        hashes = np.where(is_text, hashing.hash_column(distinct), hashing.hash_column(floats))
        return hashes, is_text

    def _note_blanks(
        self, parsed: pa.Array, is_text: npt.NDArray[np.bool_], counts: npt.NDArray[np.int64]
    ) -> None:
        """Counts blank texts and texts for NaN as missing values."""
        self.num_present -= int(counts[np.asarray(parsed.is_null()) & ~is_text].sum())

    def _count_texts(self, texts: pa.Array, counts: npt.NDArray[np.int64]) -> None:
        not_utf8 = values.to_text(texts)[1]
        self.num_not_utf8 += int(counts[not_utf8].sum())
        texts, counts = texts.filter(pa.array(~not_utf8)), counts[~not_utf8]
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
        self.all_int = False
        lengths = pc.list_value_length(column).drop_null()
        if len(lengths):
            low, high = pc.min(lengths).as_py(), pc.max(lengths).as_py()
            old = self.list_lengths or (low, high)
            self.list_lengths = (min(low, old[0]), max(high, old[1]))
        if "bytes list" in self.kinds:
            return np.zeros(len(column), np.uint64)
        self.num_gapped += _count_gapped(column)
        head = pc.list_slice(column, 0, _HASHED_SAMPLES)
        return hashing.hash_column(values.to_lists(head, values.samples))


def _count_gapped(column: pa.Array) -> int:
    samples = np.asarray(values.samples(column.flatten()))
    lengths = np.asarray(pc.list_value_length(column).fill_null(0), np.int64)
    if pa.types.is_fixed_size_list(column.type):  # `flatten` omits null lists
        lengths = np.where(np.asarray(column.is_null()), 0, lengths)
    rows = np.repeat(np.arange(len(column)), lengths)
    return len(np.unique(rows[~np.isfinite(samples)]))
