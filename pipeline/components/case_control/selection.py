"""Selection of the examples to keep, by their content alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from common.errors import InputError
from common.example_files import COMPRESSION, read_examples
from models.probabilities.sampling import Kept
from pipeline.reading import hashing

_BATCH_ROWS = 4_096
_GZIP_LEVEL = 1
Rates = Mapping[str | None, float]


@dataclass(kw_only=True)
class Tally:
    """Counts of some files.

    Attributes:
        positives: Positives; all of them are kept.
        kept: Negatives that were kept, by stratum; None is every value without a rate of its own.
        total: Negatives in all, by stratum.
    """

    positives: int = 0
    kept: dict[str | None, int] = field(default_factory=dict)
    total: dict[str | None, int] = field(default_factory=dict)

    def merge(self, other: "Tally") -> None:
        """Adds the counts of other files."""
        self.positives += other.positives
        for mine, theirs in ((self.kept, other.kept), (self.total, other.total)):
            for stratum, num in theirs.items():
                mine[stratum] = mine.get(stratum, 0) + num

    def strata(self, rates: Rates) -> dict[str | None, Kept]:
        """Returns the record of each stratum.

        Raises:
            InputError: A stratum has negatives but kept none.
        """
        records = {
            stratum: Kept(
                nominal=rate, kept=self.kept.get(stratum, 0), total=self.total.get(stratum, 0)
            )
            for stratum, rate in rates.items()
        }
        for stratum, kept in records.items():
            if kept.total and not kept.kept:
                of = "" if stratum is None else f" of `{stratum}`"
                raise InputError(
                    f"sampling keeps none of the {kept.total:,} negatives{of} in train at a rate "
                    f"of {kept.nominal:g}. Raise it: the model needs examples of everything that "
                    "it must tell from faults."
                )
        return records


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The settings that decide whether an example is kept.

    Attributes:
        label: The label column, int64, 1 is positive.
        seed: Changes which negatives are kept.
        by: The column of the strata, or None.
        rates: Rate of each stratum.
    """

    label: str
    seed: int
    by: str | None
    rates: Rates

    def choose(self, batch: pa.RecordBatch) -> tuple[npt.NDArray[np.bool_], Tally]:
        """Returns bool [rows], the rows to keep, and the counts of a batch.

        A negative is kept if the hash of its content is below the rate, so the result depends
        neither on the order of examples nor on their files; equal examples share their fate. The
        hash differs from the one that assigns rows to splits, because train contains only a range
        of that hash.

        Args:
            batch: Decoded tf.Examples, each column a list a row.
        """
        positive = np.asarray(_first_values(batch, self.label)) == 1
        hashes = hashing.mix(
            hashing.hash_rows(_normalised(batch), self.seed) ^ hashing.salt("case-control")
        )
        tally = Tally(positives=int(positive.sum()))
        keep = positive.copy()
        for stratum, rows in self._strata(batch):
            negatives = rows & ~positive
            # The upper 53 bits as a number in [0, 1), exactly.
            chosen = negatives & ((hashes >> np.uint64(11)) * 2.0**-53 < self.rates[stratum])
            keep |= chosen
            tally.kept[stratum], tally.total[stratum] = int(chosen.sum()), int(negatives.sum())
        return keep, tally

    def _strata(self, batch: pa.RecordBatch) -> Iterator[tuple[str | None, npt.NDArray[np.bool_]]]:
        rest = np.ones(batch.num_rows, bool)
        if self.by is not None:
            values = _texts(_first_values(batch, self.by), self.by)
            for value in self.rates:
                if value is not None:
                    equal = pc.equal(values, pa.scalar(value.encode(), pa.large_binary()))
                    rows = np.asarray(equal.fill_null(False))
                    rest &= ~rows
                    yield value, rows
        yield None, rest


def _first_values(batch: pa.RecordBatch, name: str) -> pa.Array:
    """The only value of each row, null where it is missing."""
    column = batch.column(name)
    if pa.types.is_null(column.type):
        return column
    lengths = np.asarray(pc.list_value_length(column).fill_null(0), np.int64)
    places = np.where(lengths > 0, np.cumsum(lengths) - lengths, 0)
    return column.flatten().take(pa.array(places, mask=lengths == 0))


def _texts(values: pa.Array, name: str) -> pa.Array:
    if pa.types.is_floating(values.type):
        raise InputError(
            f"sampling.by names `{name}`, a column of fractional numbers. Strata are the values of "
            "a column of texts or whole numbers; name such a one."
        )
    texts = values.cast(pa.large_string()) if pa.types.is_integer(values.type) else values
    return texts.cast(pa.large_binary())


def _normalised(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The form that `hashing` knows: texts in lists of `binary`."""
    columns = [
        column.cast(pa.large_list(pa.binary()))
        if pa.types.is_large_list(column.type) and pa.types.is_large_binary(column.type.value_type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def sample_file(path: str, folder: str, selection: Selection) -> Tally:
    """Writes the kept examples of a file to a file of the same name, and returns the counts.

    Args:
        path: A gzip TFRecord of tf.Examples.
        folder: The split's folder in the new artifact.
        selection: The settings of the selection.
    """
    import tensorflow as tf

    name = PurePosixPath(path).name
    draft = f"{folder}/.{name}.draft"  # hidden from readers until it is complete
    options = tf.io.TFRecordOptions(compression_type=COMPRESSION, compression_level=_GZIP_LEVEL)
    tally = Tally()
    with tf.io.TFRecordWriter(draft, options) as writer:
        for serialised, batch in read_examples(path):
            keep, counted = selection.choose(batch)
            tally.merge(counted)
            for example in serialised[keep]:
                writer.write(example)
    tf.io.gfile.rename(draft, f"{folder}/{name}", overwrite=True)
    return tally
