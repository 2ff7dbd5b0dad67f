"""Losses, suspected labels and common factors of errors, over arrays and Arrow tables."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import stats

from pipeline.slicing import SlicePart, Trouble

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SMALLEST = 1e-7
_MAX_VALUES = 50
_WORST_SHARE = 0.05
_MIN_WORST = 10
SIGNIFICANCE = 0.05
_MAX_MOVED = 0.01
_NUM_DRAWS = 20


def cross_entropy(labels: NDArray[np.int64], probability: Floats) -> Floats:
    """Returns each example's loss, -ln of the probability given to its own label, in nats.

    Args:
        labels: `[n]` of 0 and 1.
        probability: `[n]` of the positive class; counted as at least 1e-7 away from 0 and 1.
    """
    own = np.where(labels == 1, probability, 1 - probability)
    return np.asarray(-np.log(np.clip(own, SMALLEST, 1.0)))


def suspect_labels(labels: NDArray[np.int64], probability: Floats) -> Flags:
    """Returns which labels confident learning suspects to be wrong (Northcutt et al. 2021).

    Args:
        labels: `[n]` of 0 and 1.
        probability: `[n]` of the positive class, of a model that was not trained on these rows.
    """
    from cleanlab.filter import find_label_issues

    if len(np.unique(labels)) < 2:
        return np.zeros(len(labels), bool)
    pred_probs = np.stack([1 - probability, probability], axis=1)
    return np.asarray(
        find_label_issues(labels, pred_probs, filter_by="confident_learning", n_jobs=1), bool
    )


def expected_suspects(probability: Floats) -> float:
    """Returns how many labels confident learning suspects if all labels are right.

    That is the mean over labels that are drawn from the model's own probabilities.

    Args:
        probability: `[n]` of the positive class.
    """
    random = np.random.default_rng(0)
    drawn = random.random((_NUM_DRAWS, len(probability))) < probability
    return float(
        np.mean([suspect_labels(one.astype(np.int64), probability).sum() for one in drawn])
    )


def worst(losses: Floats, wrong: Flags) -> Flags:
    """Returns which examples count as errors: wrong decisions and the highest losses.

    Args:
        losses: `[n]`.
        wrong: `[n]`, whether the decision is not the label.

    Returns:
        `[n]`; at least 5 % of the examples and at least 10, if there are that many.
    """
    size = min(len(losses), max(_MIN_WORST, int(np.ceil(_WORST_SHARE * len(losses)))))
    chosen = wrong.copy()
    chosen[np.argsort(-losses, kind="stable")[:size]] = True
    return chosen


@dataclass(frozen=True)
class CommonFactor:
    """A group of examples with another number of errors, or of faults, than expected.

    Attributes:
        part: What the examples have in common, as a slice of the Evaluator and the gate.
        observed: Number of errors or faults in the group.
        size: Number of examples in the group.
        expected: Errors expected by chance, or faults that the recalibrated model expects.
        p_value: Exact, multiplied by the number of factors tested (Bonferroni), at most 1;
            one-sided for errors, two-sided for faults.
        members: `[n]`, which examples belong to the group.
    """

    part: SlicePart
    observed: int
    size: int
    expected: float
    p_value: float
    members: Flags = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """The common factor as text."""
        return self.part.words


def find_clusters(
    table: pa.Table, troubles: Mapping[str, Flags], errors: Flags, *, skip: Sequence[str]
) -> list[CommonFactor]:
    """Returns the common factors of errors beyond chance, the least likely first.

    The number of errors among the examples with a value is hypergeometric if the value has nothing
    to do with errors (Fisher's exact test, one-sided). These factors show where the task is hard:
    the highest losses are those of the examples at risk, for the best of models too. Where the
    model is wrong, `causes.find_causes` shows.

    Args:
        table: The examples' scalar columns.
        troubles: Recording troubles: name to `[n]`.
        errors: `[n]`, which examples are errors.
        skip: Columns to leave out, such as the label.
    """
    candidates = list(candidate_groups(table, troubles, skip))
    num, num_errors = len(errors), int(errors.sum())
    clusters = []
    for part, members in candidates:
        hits, size = int((members & errors).sum()), int(members.sum())
        p_value = float(stats.hypergeom.sf(hits - 1, num, num_errors, size)) * len(candidates)
        if p_value < SIGNIFICANCE:
            expected = num_errors * size / num
            clusters.append(CommonFactor(part, hits, size, expected, p_value, members))
    return sorted(clusters, key=lambda cluster: cluster.p_value)


def candidate_groups(
    table: pa.Table, troubles: Mapping[str, Flags], skip: Sequence[str]
) -> Iterator[tuple[SlicePart, Flags]]:
    """Yields the factors that are tried, each with its examples: troubles, values, quarters.

    Args:
        table: The examples' scalar columns.
        troubles: Recording troubles: name to `[n]`.
        skip: Columns to leave out, such as the label.
    """
    for trouble in get_args(Trouble):
        members = troubles.get(trouble, np.zeros(0, bool))
        if 0 < members.sum() < len(members):
            yield SlicePart(trouble=trouble), members
    for name in table.column_names:
        if name not in skip:
            yield from _groups(name, table.column(name).combine_chunks())


def _groups(name: str, column: pa.Array) -> Iterator[tuple[SlicePart, Flags]]:
    """A column's values, or its quartiles if it has many numbers; and its missing values."""
    if column.null_count:
        missing = SlicePart(column=name, missing=True)
        yield missing, column.is_null().to_numpy(zero_copy_only=False)
    values = pc.unique(column.drop_null())
    if 1 < len(values) <= _MAX_VALUES:
        for value in values:
            members = pc.fill_null(pc.equal(column, value), False)
            part = SlicePart(column=name, value=_shortest(value))
            yield part, members.to_numpy(zero_copy_only=False)
    elif len(values) > _MAX_VALUES and _is_number(column.type):
        # Not safe: whole numbers beyond 2**53, such as long ids, are rounded.
        numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        for low, high in itertools.pairwise([None, *_quarter_edges(numbers), None]):
            part = SlicePart(column=name, at_least=low, below=high)
            yield part, part.in_range(numbers)


def _quarter_edges(numbers: Floats) -> list[float]:
    """Edges of the quartiles, rounded as far as that moves at most 1 % of the numbers."""
    exact = np.nanquantile(numbers, [0.25, 0.5, 0.75])
    for digits in range(2, 17):
        rounded = [float(f"{edge:.{digits}g}") for edge in exact]
        places = [np.searchsorted(edges, numbers, side="right") for edges in (exact, rounded)]
        if (places[0] != places[1]).mean() <= _MAX_MOVED:
            return sorted(set(rounded))
    return sorted(set(exact.tolist()))


def _shortest(value: pa.Scalar) -> str | int | float:
    """The shortest decimal that means the value: 0.1 for a float32, not 0.100000001490116."""
    plain: str | int | float = value.as_py()
    return float(str(np.float32(plain))) if pa.types.is_float32(value.type) else plain


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def scalar_columns(table: pa.Table) -> pa.Table:
    """Returns the columns with at most one value a row, as plain columns; texts as strings.

    Args:
        table: Columns of lists, as `ExamplesToRecordBatchDecoder` gives them.
    """
    columns = {}
    for name in table.column_names:
        lists = table.column(name).combine_chunks()
        if pa.types.is_null(lists.type) or pc.max(pc.list_value_length(lists)).as_py() in {None, 0}:
            continue
        if pc.max(pc.list_value_length(lists)).as_py() > 1:
            continue
        # An empty list is a missing value.
        present = pc.fill_null(pc.greater(pc.list_value_length(lists), 0), False)
        rows = np.flatnonzero(present.to_numpy(zero_copy_only=False))
        places = np.full(len(lists), -1)
        places[rows] = np.arange(len(rows))
        values = lists.flatten().take(pa.array(places, mask=places < 0))
        if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
            values = pa.array([None if v is None else _text(v) for v in values.to_pylist()])
        columns[name] = values
    return pa.table(columns)
