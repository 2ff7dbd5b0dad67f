"""Checks that the data can be split, with advice if they cannot."""

import math
from collections.abc import Mapping, Sequence

from common.errors import InputError
from pipeline.components.arrow_example_gen.splitting import shares
from pipeline.components.arrow_example_gen.splitting.splits import (
    NUM_SPLITS,
    Ints,
    KeyCounts,
    TablePlan,
)
from pipeline.counting import count
from pipeline.reading.ingest_spec import IngestSpec, canonical_label


def check_rows(
    num_rows: int, files: Sequence[str], *, num_bad: int, label: str, num_unlabelled: int
) -> None:
    """Checks that there is at least one row.

    Args:
        num_rows: Rows that can be read and have a label.
        files: The data files.
        num_bad: Rows that cannot be read.
        label: The label column.
        num_unlabelled: Rows without a label.

    Raises:
        InputError: There is no row.
    """
    if num_rows:
        return
    where = files[0] if len(files) == 1 else f"{files[0]} and {count(len(files) - 1, 'more file')}"
    if num_unlabelled:
        raise InputError(
            f"No row of {where} has a value in the label column `{label}`: "
            f"{count(num_unlabelled, 'row')} without a label. Give data with labels."
        )
    if num_bad:
        raise InputError(f"No row of {where} can be read; it has {count(num_bad, 'row')}.")
    raise InputError(f"{where}: a header, but no rows. Give a file with data.")


def check_classes(counts: KeyCounts, labels: Mapping[str, int], spec: IngestSpec) -> None:
    """Checks that every split can get a positive and a negative row.

    Args:
        counts: Rows by key and class.
        labels: Some values of the label column and their counts.
        spec: The ingestion settings.

    Raises:
        InputError: States how many rows (or groups) of each class exist and how many are needed.
    """
    negative, positive = (int(number) for number in counts.counts.sum(axis=0))
    if spec.in_window and spec.strategy == "stratified" and negative >= NUM_SPLITS:
        return  # a span may be without a fault: the splits hold the rows of all spans
    found = f"{positive:,} positive and {count(negative, 'negative row')}"
    if not positive or not negative:
        raise InputError(
            f"The label column `{spec.label}` has one class only: {found}. Its values are "
            f"{_values(labels)}; positive is {spec.positive_words}. Set "
            f"label.{'negative' if spec.negative else 'positive'} to one of them, or give data "
            "with both classes."
        )
    if min(positive, negative) < NUM_SPLITS:
        raise InputError(
            f"Too few rows for the splits: {found} found, at least {NUM_SPLITS} of each class "
            "needed, one for each of train, eval and test. Give more data."
        )
    groups = int((counts.counts[:, 1] > 0).sum())
    if spec.eval_within_groups and groups < NUM_SPLITS - 1:
        raise InputError(
            f"Too few groups for the splits: {groups} of the {len(counts.keys)} values of "
            f"`{spec.split_column}` have a positive row, at least 2 needed, one for test. Split by "
            "another column, or by `stratified`."
        )
    if spec.strategy == "blocks" and groups < NUM_SPLITS:
        raise InputError(
            f"Too few blocks for the splits: {groups} of the {len(counts.keys)} blocks of "
            f"{spec.block_rows} rows have a positive row, at least {NUM_SPLITS} needed, one for "
            "each of train, eval and test. Lower split.block_rows, or give data with more runs of "
            "positive rows."
        )
    if spec.strategy == "group" and not spec.eval_within_groups and groups < NUM_SPLITS:
        raise InputError(
            f"Too few groups for the splits: {groups} of the {len(counts.keys)} values of "
            f"`{spec.split_column}` have a positive row, at least {NUM_SPLITS} needed, one for "
            "each of train, eval and test. Split by another column or by `stratified`, or set "
            "split.eval_within_groups, which keeps only the groups of test apart."
        )


def _values(labels: Mapping[str, int]) -> str:
    distinct: dict[str, int] = {}
    for text, number in labels.items():
        canonical = canonical_label(text)
        distinct[canonical] = distinct.get(canonical, 0) + number
    most = sorted(distinct.items(), key=lambda item: -item[1])[:5]
    return ", ".join(f"`{text}` ({count(number, 'row')})" for text, number in most)


def check_plan(plan: TablePlan | None, spec: IngestSpec) -> TablePlan:
    """Returns the plan if there is one.

    Raises:
        InputError: No way to deal the rows gives each split both classes.
    """
    if plan is not None:
        return plan
    if spec.strategy == "blocks":
        raise InputError(
            f"split.strategy `blocks` cannot give each of train, eval and test a positive and a "
            f"negative row while each block of {spec.block_rows} rows stays on one side. Lower "
            "split.block_rows, or change the shares."
        )
    kept = "equal times" if spec.strategy == "time" else "each group"
    raise InputError(
        f"split.strategy `{spec.strategy}` by `{spec.split_column}` cannot give each of train, "
        f"eval and test a positive and a negative row while {kept} stay on one side. Change the "
        "shares, split by another column, or by `stratified`."
    )


def describe_within_groups(num_test: int, num_groups: int, spec: IngestSpec) -> str:
    """Returns a sentence on what the splits of `eval_within_groups` measure."""
    return (
        f"test has {num_test} of the {num_groups} values of `{spec.split_column}`; eval has "
        "examples of the values in train, so eval does not measure new ones, and intervals on "
        f"test describe {'that value' if num_test == 1 else 'those values'} alone"
    )


def check_shares(rows: Ints, spec: IngestSpec) -> tuple[str, ...]:
    """Returns sentences on splits that miss the prevalence or their share by a factor beyond 1.25.

    A span of a window is not checked: `eval` and `test` hold the rows of all spans.

    Args:
        rows: int64 [splits, classes], negative and positive rows of each split.
        spec: The ingestion settings.

    Raises:
        InputError: `eval` or `test` would be too small.
    """
    if spec.in_window:
        return ()
    why = shares.why_too_small(rows, spec.shares)
    if why is None:
        return tuple(shares.describe_imbalance(rows, spec.shares))
    by = f" by `{spec.split_column}`" if spec.split_column else ""
    raise InputError(f"split.strategy `{spec.strategy}`{by}: {why}. {_remedy(rows, spec)}")


def _remedy(rows: Ints, spec: IngestSpec) -> str:
    positives = int(rows[:, 1].sum())
    if positives < NUM_SPLITS * shares.MIN_POSITIVES:
        return (
            f"Give more data: at least {NUM_SPLITS * shares.MIN_POSITIVES} positives, "
            f"{shares.MIN_POSITIVES} for each split."
        )
    if spec.strategy == "stratified":
        least = math.ceil(100 * shares.MIN_POSITIVES / positives) / 100
        return f"Set split.eval and split.test to at least {least:.2f}, or give more data."
    if spec.strategy == "blocks":
        return "Lower split.block_rows, change the shares, or give more data."
    return "Change the shares, split by another column, or by `stratified`."
