"""Identifiers that begin with the name of what a row belongs to, such as `S05_3`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from measuring.association import agreement, likeness
from pipeline.counting import count
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import quoted

_MIN_GROUPS, _MIN_REPEATED = 20, 40
_MIN_ROWS_A_GROUP = 1.3
_MATCHING = 0.99  # of the texts
_MAX_PARTS = 3  # at the end, that number the rows of a group
_RELATED = 0.5  # intraclass correlation; ids prove more than any column whose rows are alike
_SAME = 0.95  # agreement of labels, corrected for chance
_SEPARATORS = "_./: -"  # the hyphen last, in a class of characters
_TAILS = (r"^(.*\d)[A-Za-z]+\d*$", r"^(.*[A-Za-z])\d{1,2}$")  # S05c3, S05L; `subjecta1`

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class HiddenGroup:
    """What the first part of an identifier names.

    Attributes:
        column: The column of that part.
        pattern: Regular expression whose group is the part.
        reason: Why its rows belong together; empty if only the texts look so.
        example: An identifier and its part, in words.
    """

    column: Column
    pattern: str
    reason: str
    example: str


def find_hidden_group(
    column: Column, others: Sequence[Column], positive: Bools
) -> HiddenGroup | None:
    """Returns the coarsest first part of identifiers whose rows are alike, or None.

    Where no rows are alike, it is the one whose groups are numbered from one: `P12-1`, `P12-2`.

    Args:
        column: Texts, nearly all of which are unique.
        others: Measurements and categories.
        positive: bool [sampled rows], whether the label is positive.
    """
    texts = pd.Series(column.sample, dtype="object")
    found = []
    for pattern in _patterns(texts):
        parts = texts.str.extract(pattern, expand=False)
        if parts.isna().mean() > 1 - _MATCHING + float((column.codes < 0).mean()):
            continue
        codes = np.asarray(pd.factorize(parts)[0], np.int64)
        num_groups, num_rows = int(codes.max(initial=-1)) + 1, int((codes >= 0).sum())
        if num_groups < _MIN_GROUPS or num_rows - num_groups < _MIN_REPEATED:
            continue
        if num_rows < _MIN_ROWS_A_GROUP * num_groups:
            continue
        sizes = f"{count(num_groups, 'value')}, {num_rows / num_groups:.1f} rows each on average"
        alike = _why_alike(codes, others, positive)
        if alike or _numbers_its_rows(texts, parts):
            part = Column(
                name=column.name,
                kind="text",
                num_rows=column.num_rows,
                tally=column.tally,
                written=column.written,
                sample=parts.where(parts.notna(), None).to_numpy(object),
            )
            example = f"{quoted(str(texts[0]))} belongs to {quoted(str(parts[0]))}"
            reason = f"{sizes}; {alike}" if alike else ""
            found.append(HiddenGroup(column=part, pattern=pattern, reason=reason, example=example))
    return min(found, key=lambda one: (not one.reason, one.column.num_distinct), default=None)


def _patterns(texts: pd.Series) -> Iterator[str]:
    """Yields expressions for all but the last parts of the texts."""
    last = texts.dropna().str.extract(rf"([{_SEPARATORS}])([^{_SEPARATORS}]+)$")
    # After a blank only a number identifies: `Los Angeles Airport` is a name of several words.
    is_part = (last[0] != " ") | last[1].str.contains(r"\d", na=False)
    if (last[0].notna() & is_part).mean() >= _MATCHING:
        mark = str(last[0].mode()[0])
        escaped = re.escape(mark) if mark != " " else " "
        for num_parts in range(1, _MAX_PARTS + 1):
            yield rf"^(.+){f'{escaped}[^{escaped}]+' * num_parts}$"
    yield from _TAILS


def _why_alike(codes: Ints, others: Sequence[Column], positive: Bools) -> str:
    if agreement(codes, positive.astype(np.int64)) >= _SAME:
        return "rows with the same value have the same label"
    measured = [one for one in others if one.is_number and one.num_distinct > 2]
    correlations = [likeness(codes, one.sample) for one in measured]
    if not correlations or sum(r >= _RELATED for r in correlations) < 0.5 * len(correlations):
        return ""
    median = float(np.median(correlations))
    return f"rows with the same value are similar (intraclass correlation {median:.2f})"


def _numbers_its_rows(texts: pd.Series, parts: pd.Series) -> bool:
    """Whether the rest of each identifier numbers the rows of its part: 1, 2, 3 in most of them."""
    rests = [
        re.sub(r"\D", "", text[len(part) :])
        for text, part in zip(texts, parts, strict=True)
        if isinstance(text, str) and isinstance(part, str)
    ]
    numbers = pd.to_numeric(pd.Series(rests, dtype="object"), errors="coerce")
    if numbers.isna().any():
        return False
    highest = numbers.groupby(np.asarray(parts.dropna())).agg(["min", "max", "size"])
    return bool(((highest["min"] <= 1) & (highest["max"] <= highest["size"])).mean() > 0.9)
