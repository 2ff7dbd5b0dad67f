"""Choice of the strictest split strategy that the data allow."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.components.arrow_example_gen.splitting import groups as grouping
from pipeline.components.arrow_example_gen.splitting import shares as rules
from pipeline.components.arrow_example_gen.splitting import splits, time_units
from pipeline.config import SPLITS, Split
from pipeline.counting import count
from pipeline.onboarding.findings.identifiers import Group
from pipeline.onboarding.findings.row_order import MIN_STEADY_BLOCKS, RowOrder
from pipeline.onboarding.findings.times import TimeColumn
from pipeline.onboarding.profile.words import percent, quoted
from pipeline.reading import hashing

_MIN_TIMES = 10

Bools = npt.NDArray[np.bool_]
Shares = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class SplitChoice:
    """How examples are assigned to splits.

    Attributes:
        split: The strategy.
        reason: Why.
        not_possible: Stricter strategies that the data do not allow, with the reason.
        warning: Caveat about metrics under this strategy, or an empty text.
    """

    split: Split
    reason: str
    not_possible: tuple[str, ...] = ()
    warning: str = ""


def propose_split(
    positive: Bools,
    groups: Sequence[tuple[Group, npt.NDArray[np.int64]]],
    times: Mapping[str, TimeColumn],
    *,
    scale: float,
    order: RowOrder,
) -> SplitChoice:
    """Returns the strictest strategy whose splits each get enough rows and positives.

    Args:
        positive: bool [sampled rows], whether the label is positive.
        groups: Group columns and their codes by sampled row, in order of preference.
        times: Time columns.
        scale: Rows of the data per sampled row.
        order: The labels of all rows in the order of the data.
    """
    refused: list[str] = []
    shares = choose_shares(int(order.positive.sum()))
    for why_not, split, reason in _stricter(
        positive, groups, times, _Judge(shares=shares, scale=scale)
    ):
        if why_not is None:
            return SplitChoice(split=split, reason=reason, not_possible=tuple(refused))
        refused.append(f"{split.strategy} by {quoted(split.column or '')}: {why_not}")
    if order.is_ordered:
        return _by_blocks(order, shares, tuple(refused))
    return _at_random(shares, tuple(refused))


def choose_shares(num_positives: int) -> Shares:
    """Returns the usual shares, or larger ones of eval and test that hold enough positives.

    >>> choose_shares(30)  # 0.17 of 30 are 5
    (0.66, 0.17, 0.17)

    Args:
        num_positives: Positive rows of the data, >= 15.
    """
    least = math.ceil(100 * rules.MIN_POSITIVES / num_positives) / 100
    num_eval, num_test = max(Split().eval, least), max(Split().test, least)
    return round(1 - num_eval - num_test, 2), num_eval, num_test


def _make_split(shares: Shares, **options: Any) -> Split:
    return Split(**options, train=shares[0], eval=shares[1], test=shares[2])


def _at_random(shares: Shares, refused: tuple[str, ...], warning: str = "") -> SplitChoice:
    return SplitChoice(
        split=_make_split(shares),
        reason="each split gets the same share of positives, to the row",
        not_possible=refused,
        warning=warning,
    )


def _by_blocks(order: RowOrder, shares: Shares, refused: tuple[str, ...]) -> SplitChoice:
    """Splits by the longest blocks that are numerous enough, else by rows with a warning."""
    judge = _Judge(shares=shares, scale=1.0)
    best: tuple[int, int, int] | None = None
    attempt = ""
    for block_rows in order.block_lengths():
        keys = order.block_keys(block_rows, seed=0)
        num_positive, num_blocks = order.num_positive_blocks(keys)
        why_not = judge.why_no_keys(keys, order.positive)
        attempt = (
            f"of {count(num_blocks, 'block')} of {count(block_rows, 'row')}, {num_positive:,} with "
            f"a positive, {why_not}"
        )
        if why_not is None and (best is None or num_positive > best[0]):
            best = num_positive, num_blocks, block_rows
        if best is not None and best[0] >= MIN_STEADY_BLOCKS:
            break
    if best is None:
        return _at_random(shares, refused, warning=_block_warning(order, attempt))
    num_positive, num_blocks, block_rows = best
    few = (
        f"only {count(num_positive, 'block')} contain a positive, so the test metrics rest on one "
        "or two of them and may vary considerably with `seed`."
    )
    return SplitChoice(
        split=_make_split(shares, strategy="blocks", block_rows=block_rows),
        reason=f"{order.finding}: neighbours are similar, and a random split would put near-copies "
        f"in train and in test. So {count(num_blocks, 'block')} of neighbouring rows are assigned "
        f"as units, {num_positive:,} of them with a positive; a run is cut only every "
        f"{block_rows} rows",
        not_possible=refused,
        warning=few if num_positive < MIN_STEADY_BLOCKS / 2 else "",
    )


def _block_warning(order: RowOrder, attempt: str) -> str:
    return (
        f"{order.finding}. If neighbouring rows come from one recording or condition, a random "
        "split puts near-copies on both sides and the test metrics are too good. `strategy: "
        f"blocks` is not possible: {attempt}. Add a column that numbers the recordings and set "
        "`strategy: group`, or one with the time and set `strategy: time`."
    )


def _stricter(
    positive: Bools,
    groups: Sequence[tuple[Group, npt.NDArray[np.int64]]],
    times: Mapping[str, TimeColumn],
    judge: "_Judge",
) -> Iterator[tuple[str | None, Split, str]]:
    """Yields the strategies stricter than `stratified`: objection or None, split, reason."""
    for group, codes in groups:
        yield (
            judge.why_no_groups(codes, positive),
            _make_split(judge.shares, strategy="group", column=group.name),
            f"{quoted(group.name)} marks rows that belong together: {group.reason}. A random "
            "split would put some of them in train and some in test",
        )
    for name, time in times.items():
        yield (
            judge.why_no_times(time, positive),
            _make_split(judge.shares, strategy="time", column=name),
            f"{quoted(name)} is {time.how}: the oldest rows train, the newest test, as in "
            "production",
        )


@dataclass(frozen=True, kw_only=True)
class _Judge:
    """Tells why a strategy is not possible, or None.

    Attributes:
        shares: Shares of the splits.
        scale: Rows of the data per row that is judged.
    """

    shares: Shares
    scale: float

    def why_no_groups(self, codes: npt.NDArray[np.int64], positive: Bools) -> str | None:
        valid = codes >= 0
        keys = hashing.mix(codes[valid].astype(np.uint64) + np.uint64(1))
        return self.why_no_keys(keys, positive[valid])

    def why_no_keys(self, keys: hashing.Hashes, positive: Bools) -> str | None:
        counts = _count_keys(keys, positive)
        if not counts.counts.sum(axis=0).all():
            return "one class only"
        return self._why_not(grouping.plan_groups(counts, self.shares))

    def why_no_times(self, time: TimeColumn, positive: Bools) -> str | None:
        valid = ~np.isnan(time.seconds)
        if valid.mean() < 0.99:
            return f"{percent(1 - float(valid.mean()))} of the rows have no time"
        seconds = time.seconds[valid]
        if len(np.unique(seconds)) < _MIN_TIMES:
            return f"only {count(len(np.unique(seconds)), 'distinct value')}"
        keys = (seconds - seconds.min()).astype(np.uint64)
        labels = positive[valid]

        def count_in(ranges: Sequence[time_units.KeyRange]) -> splits.KeyCounts:
            inside = time_units.in_ranges(keys, ranges)
            return _count_keys(keys[inside], labels[inside])

        units = time_units.refine_units(_count_keys(keys, labels), self.shares, count_in)
        return self._why_not(time_units.plan_time(units, self.shares))

    def _why_not(self, plan: splits.TablePlan | None) -> str | None:
        if plan is None:
            return "no cut gives every split examples of both classes"
        why = rules.why_too_small((plan.rows * self.scale).astype(np.float64), self.shares)
        if why is not None:
            return why
        parts = plan.rows.sum(axis=1) / plan.rows.sum()
        for name, part, share in zip(SPLITS, parts, self.shares, strict=True):
            if part > share / rules.MIN_SHARE_KEPT:
                return f"{name} would get {percent(float(part))} of the rows, not {share:.0%}"
        return None


def _count_keys(keys: hashing.Hashes, positive: Bools) -> splits.KeyCounts:
    counts = splits.KeyCounts()
    counts.add(keys, positive)
    return counts
