"""Remarks of `init` on single columns: how they were read, and why they were not."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.counting import count
from pipeline.onboarding.findings.groups import Group
from pipeline.onboarding.findings.hidden_groups import HiddenGroup
from pipeline.onboarding.profile.doubts import LIST_LIKE
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import percent, quoted, words_of
from pipeline.onboarding.signals.rates import Rate
from pipeline.reading.names.zones import ambiguous_zone


def numbered_rows_note(hidden: HiddenGroup) -> str:
    """Returns a question about identifiers that number the rows of something."""
    name = quoted(hidden.column.name)
    return (
        f"{name} seems to number the rows of {count(hidden.column.num_distinct, 'thing')}: "
        f"{hidden.example}. Rows of one thing are not alike, so they may be in different splits. "
        "If the model will judge new things, run `init` with "
        f"`--group {hidden.column.name}` and set `part: '{hidden.pattern}'` under "
        f"data.columns.{hidden.column.name}."
    )


def category_note(column: Column) -> str:
    """Returns a remark on texts that look like numbers or times and are categories."""
    return (
        f"{quoted(column.name)} is taken for a category, but values such as "
        f"{quoted(column.written.resembles)} look like numbers or times that no format reads. "
        "Their order is not used, neither by the model nor by the split."
    )


def parts_of_time(columns: Mapping[str, Column]) -> list[str]:
    """Returns the columns that hold the year, the month and the day of a row, if there are such."""
    by_word = {"_".join(words_of(name)): name for name, c in columns.items() if c.is_number}
    parts = [by_word[word] for word in ("year", "month", "day") if word in by_word]
    return parts if {"year", "month"} <= set(by_word) else []


def parts_note(parts: Sequence[str]) -> str:
    """Returns what to do where the time of a row is in several columns."""
    shown = " and ".join(map(quoted, parts))
    return (
        f"{shown} may together be the time of a row, but only one column can order the rows. To "
        "test on later rows than those of train, add a column such as 2024-05-31 to the data."
    )


def unread_note(column: Column) -> str:
    """Returns a remark on texts that look like numbers or times, else nothing."""
    if not column.written.resembles:
        return ""
    if LIST_LIKE.match(column.written.resembles):
        return (
            f"{quoted(column.name)} is text and is left out, but its values are lists of numbers, "
            "such as the samples of a signal. Write them as lists in Parquet, or as numbered "
            "columns."
        )
    zone = ambiguous_zone(column.written.resembles)
    if zone:
        return (
            f"{quoted(column.name)} is text and is left out: in values such as "
            f"{quoted(column.written.resembles)}, the zone {quoted(zone)} has more than one "
            "meaning. Write offsets such as -05:00, or times of UTC."
        )
    return (
        f"{quoted(column.name)} is text and is left out, but values such as "
        f"{quoted(column.written.resembles)} look like numbers or times. No number or time format "
        "fits all of them, so that neither the model nor the split uses the column. Write it in "
        "one format."
    )


def marks_note(column: Column) -> str:
    """Returns a remark on missing marks that may be values, such as `<0.05`, else nothing."""
    marks = [mark for mark in column.written.marks if _may_be_value(mark)]
    if not column.is_number or not marks:
        return ""
    shown = " and ".join(quoted(mark) for mark in marks[:3])
    return (
        f"{quoted(column.name)}: {shown} {'is' if len(marks) == 1 else 'are'} read as missing. If "
        "this says something about the value, such as a limit of detection, write a number instead."
    )


def _may_be_value(mark: str) -> bool:
    try:
        float(mark)
    except ValueError:
        return any(character.isdigit() for character in mark) or mark[:1] in "<>"
    return False


def case_note(column: Column) -> str:
    """Returns a remark on texts that differ only in case, else nothing."""
    if column.kind != "text":
        return ""
    spellings: dict[str, str] = {}
    for text in np.unique([text for text in column.sample if text is not None]).tolist():
        other = spellings.setdefault(text.casefold(), text)
        if other != text:
            return (
                f"{quoted(column.name)} has values that differ only in case, such as "
                f"{quoted(other)} and {quoted(text)}. They count as different. If they are one, "
                "write them alike in the data."
            )
    return ""


def other_fault_note(name: str, number: int, *, is_exact: bool) -> str:
    """Returns a remark on a flag that is set in rows that count as healthy.

    Args:
        name: The flag's column.
        number: How many such rows there are.
        is_exact: Whether all rows were counted, or a sample.
    """
    rows = count(number, "row") if is_exact else f"About {count(number, 'row')}"
    return (
        f"{rows} with {quoted(name)} set count as healthy. If they have another fault, the model "
        "learns that fault as healthy: remove them from the data, or count them in the label."
    )


def kept_group_note(group: Group) -> str:
    """Returns a remark on a group that the person keeps as a feature."""
    return (
        f"{quoted(group.name)} marks rows that belong together ({group.reason}), and you keep it "
        "as a feature: rows of the same value are in train and in test. If the model must hold "
        f"for new ones, add `--group {group.name}`."
    )


def other_kind_note(name: str, kind: str) -> str:
    """Returns a remark on times of which the person makes a feature of another kind."""
    return (
        f"{quoted(name)} holds times, and you make it a {kind} feature: the split does not use it, "
        f"as it could without `--kind {name}={kind}`."
    )


def rates_note(rate: Rate) -> str:
    """Returns a remark on recordings at several sampling rates."""
    return (
        f"In {percent(rate.wrong_share)} of the rows, {quoted(rate.column)} differs from its "
        f"median, {rate.median_hz:g}. The model compares recordings sample by sample: resample "
        "them to one rate, or leave these rows out."
    )


def other_times_note(used: str, others: Sequence[str]) -> str:
    """Returns a remark on further columns of times, by one of which rows could be split."""
    shown = " and ".join(quoted(name) for name in others)
    return (
        f"{shown} {'holds' if len(others) == 1 else 'hold'} times too; the split uses "
        f"{quoted(used)}. If another column says when a row was measured, name it with --time."
    )


def earlier_test_note(group: str, time: str) -> str:
    """Returns a remark on a split by group, whose test is not later than train."""
    return (
        f"{quoted(time)} may say when a row was measured. The split is by {quoted(group)}, so "
        "`test` has other groups, but not later rows than train. If the model will judge later "
        f"rows of groups that it knows, run `init` with `--split time --time {time}`."
    )


def several_axes_note(rates_hz: Mapping[str, float]) -> str:
    """Returns a remark on times of samples that give different sampling rates.

    Args:
        rates_hz: The rate that each column of times gives.
    """
    listed = " and ".join(f"{quoted(name)} gives {hz:g} Hz" for name, hz in rates_hz.items())
    return (
        f"The times of the samples give several sampling rates ({listed}), and nothing says which "
        "signal has which. Enter the rate in Hz as sampling_rate_hz of each signal."
    )
