"""Choice of the strictest split strategy that the data allow."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from pipeline.components.arrow_example_gen.splitting import groups as grouping
from pipeline.components.arrow_example_gen.splitting import shares as rules
from pipeline.components.arrow_example_gen.splitting import splits, time_units
from pipeline.config import SPLITS, Split
from pipeline.counting import count
from pipeline.onboarding.decisions import Strategy
from pipeline.onboarding.findings.groups import Group
from pipeline.onboarding.findings.row_order import MIN_STEADY_BLOCKS, RowOrder
from pipeline.onboarding.findings.times import TimeColumn
from pipeline.onboarding.profile.words import percent, quoted
from pipeline.reading import hashing

_MIN_TIMES = 10
_MIN_TEST_GROUPS = 3
_LARGER_SHARES = (0.3, 0.35)  # of eval and test, where groups are large
_MAX_SHARE = 0.2  # of eval and of test, for windows
_MAX_SHARE_WITHIN = 0.3  # of eval, where it is drawn from the groups of train

Bools = npt.NDArray[np.bool_]
Shares = tuple[float, float, float]
Groups = Sequence[tuple[Group, npt.NDArray[np.int64]]]


@dataclass(frozen=True, kw_only=True)
class SplitChoice:
    """How examples are assigned to splits.

    Attributes:
        split: The strategy.
        reason: Why.
        num_test_positives: Positive rows that `test` will have, about.
        not_possible: Stricter strategies that the data do not allow, with the reason.
        warning: Caveat about metrics under this strategy, or an empty text.
    """

    split: Split
    reason: str
    num_test_positives: int
    not_possible: tuple[str, ...] = ()
    warning: str = ""


@dataclass(frozen=True, kw_only=True)
class SplitRule:
    """What a split must be.

    Attributes:
        wanted: The person's strategy; the strictest by default.
        within_groups: Whether `eval` may be drawn from the groups of train, where there are too
            few groups for three splits.
        are_windows: Whether rows are windows: then eval and test need enough recordings with a
            positive, not only enough positives.
    """

    wanted: Strategy | None = None
    within_groups: bool = False
    are_windows: bool = False


def propose_split(
    positive: Bools,
    groups: Groups,
    times: Mapping[str, TimeColumn],
    *,
    scale: float,
    order: RowOrder,
    rule: SplitRule,
) -> SplitChoice:
    """Returns the strictest strategy whose splits each get enough rows and positives.

    Args:
        positive: bool [sampled rows], whether the label is positive.
        groups: Group columns and their codes by sampled row, in order of preference.
        times: Time columns.
        scale: Rows of the data per sampled row.
        order: The labels of all rows in the order of the data.
        rule: What the split must be.

    Raises:
        InputError: The data do not allow the wanted strategy.
    """
    wanted = rule.wanted
    refused: list[str] = []
    shares = choose_shares(int(order.positive.sum()))
    if rule.are_windows and groups:
        shares = _shares_of_windows(len(np.unique(groups[0][1][positive])))
    judge = _Judge(shares=shares, scale=scale, within_groups=rule.within_groups)
    for trial, split, reason in _stricter(positive, groups, times, judge):
        if wanted not in (None, split.strategy):
            continue
        strategy = f"{split.strategy} by {quoted(split.column or '')}: "
        if trial.why_not is None:
            # The reason says why equal shares, or whole groups, are not possible.
            refused = [reason for reason in refused if not reason.startswith(strategy)]
            return SplitChoice(
                split=split,
                reason=reason,
                num_test_positives=trial.num_test_positives,
                not_possible=tuple(refused),
                warning=_few_groups_warning(split, [group for group, _ in groups]),
            )
        if f"{strategy}{trial.why_not}" not in refused:
            refused.append(f"{strategy}{trial.why_not}")
    if wanted in ("group", "time"):
        _refuse(wanted, refused)
    return _without_groups(groups, order, rule, shares, tuple(refused))


def _without_groups(
    groups: Groups, order: RowOrder, rule: SplitRule, shares: Shares, refused: tuple[str, ...]
) -> SplitChoice:
    """Splits by blocks of rows if these are in the order of recording, else at random."""
    wanted = rule.wanted
    if wanted == "blocks" or (wanted is None and order.is_ordered):
        choice = _by_blocks(order, shares, refused)
        if wanted == "blocks" and choice.split.strategy != "blocks":
            _refuse(wanted, [choice.warning])
        return choice
    choice = _at_random(order, shares, refused)
    if order.is_sorted:
        choice = replace(choice, reason=f"{choice.reason}; {_why_sorted(order)}")
    if wanted is not None:
        return replace(choice, reason=f"you decided; {choice.reason}")
    return replace(choice, warning=_divided_groups_warning(groups, rule))


def _few_groups_warning(split: Split, groups: Sequence[Group]) -> str:
    """Returns what a `test` of one or two groups means for the verdict, or an empty text."""
    sizes = [group.num_groups for group in groups if group.name == split.column]
    num_test = max(1, round(split.test * sizes[0])) if split.strategy == "group" else 0
    if not 0 < num_test < _MIN_TEST_GROUPS:
        return ""
    name = quoted(split.column or "")
    return (
        f"`test` will have about {num_test} of the {sizes[0]} groups of {name}, which do not show "
        "how the metrics differ between groups: the intervals are wide, and the verdict "
        "will seldom be BLESSED. If the model will judge later rows of these same groups, "
        "run `init` with `--split time`, or with `--split stratified` if no column has the time."
    )


def _divided_groups_warning(groups: Groups, rule: SplitRule) -> str:
    """Returns what it means that recordings of a group are in several splits, or an empty text."""
    if not (groups and rule.within_groups):
        return ""
    name = quoted(groups[0][0].name)
    return (
        f"the recordings of one {name} are in train and in test, so the metrics do not hold for a "
        f"new {name} and may be too good: there are too few for a split by group. Recordings of "
        "more of them would make it possible."
    )


def _refuse(wanted: Strategy, reasons: Sequence[str]) -> NoReturn:
    why = "; ".join(reasons) or (
        f"no column was found by which to split. Name one with --{wanted} COLUMN"
    )
    raise InputError(f"--split {wanted} is not possible: {why.rstrip('.')}.")


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


def _shares_of_windows(num_groups: int) -> Shares:
    """Returns shares with five recordings with a positive in eval and test, at most a fifth each.

    >>> _shares_of_windows(31)
    (0.66, 0.17, 0.17)
    """
    least = math.ceil(100 * rules.MIN_POSITIVES / max(1, num_groups)) / 100
    num_eval, num_test = (
        min(_MAX_SHARE, max(share, least)) for share in (Split().eval, Split().test)
    )
    return round(1 - num_eval - num_test, 2), num_eval, num_test


def _shares_within_groups(shares: Shares) -> Shares:
    """Returns shares with more for eval, since test takes up to half of the positives.

    >>> _shares_within_groups((0.72, 0.15, 0.13))
    (0.57, 0.3, 0.13)
    """
    num_eval = round(min(2 * shares[1], _MAX_SHARE_WITHIN), 2)
    return round(1 - num_eval - shares[2], 2), num_eval, shares[2]


def _larger_shares(shares: Shares) -> Iterator[Shares]:
    """Yields shares with larger eval and test, for groups that do not divide as finely as rows.

    >>> list(_larger_shares((0.5, 0.25, 0.25)))
    [(0.4, 0.3, 0.3), (0.3, 0.35, 0.35)]

    Args:
        shares: The usual shares.
    """
    for share in _LARGER_SHARES:
        if share > max(shares[1:]):
            yield round(1 - 2 * share, 2), share, share


def _make_split(shares: Shares, **options: Any) -> Split:
    return Split(**options, train=shares[0], eval=shares[1], test=shares[2])


def _at_random(
    order: RowOrder, shares: Shares, refused: tuple[str, ...], warning: str = ""
) -> SplitChoice:
    return SplitChoice(
        split=_make_split(shares),
        num_test_positives=round(shares[2] * int(order.positive.sum())),
        reason="each split gets the same share of positives, to the row",
        not_possible=refused,
        warning=warning,
    )


def _by_blocks(order: RowOrder, shares: Shares, refused: tuple[str, ...]) -> SplitChoice:
    """Splits by the longest blocks that are numerous enough, else by rows with a warning."""
    judge = _Judge(shares=shares, scale=1.0)
    best: tuple[int, int, int] | None = None
    num_test_positives = 0
    attempt = ""
    for block_rows in order.block_lengths():
        keys = order.block_keys(block_rows, seed=0)
        num_positive, num_blocks = order.num_positive_blocks(keys)
        trial = judge.try_keys(keys, order.positive)
        attempt = (
            f"of {count(num_blocks, 'block')} of {count(block_rows, 'row')}, {num_positive:,} with "
            f"a positive, {trial.why_not}"
        )
        if trial.why_not is None and (best is None or num_positive > best[0]):
            best = num_positive, num_blocks, block_rows
            num_test_positives = trial.num_test_positives
        if best is not None and best[0] >= MIN_STEADY_BLOCKS:
            break
    if best is None:
        return _at_random(order, shares, refused, warning=_block_warning(order, attempt))
    num_positive, num_blocks, block_rows = best
    few = (
        f"only {count(num_positive, 'block')} contain a positive, so the test metrics rest on one "
        "or two of them and may vary considerably with `seed`."
    )
    return SplitChoice(
        split=_make_split(shares, strategy="blocks", block_rows=block_rows),
        num_test_positives=num_test_positives,
        reason=f"{_why_blocks(order)}. So {count(num_blocks, 'block')} of neighbouring rows are "
        f"assigned as units, {num_positive:,} of them with a positive; a run is cut only every "
        f"{block_rows} rows",
        not_possible=refused,
        warning=few if num_positive < MIN_STEADY_BLOCKS / 2 else "",
    )


def _why_blocks(order: RowOrder) -> str:
    if not order.is_ordered:
        return f"you decided; {order.finding}"
    return (
        f"{order.finding}: neighbours are similar, and a random split would put near-copies in "
        "train and in test"
    )


def _why_sorted(order: RowOrder) -> str:
    return (
        f"{order.finding}, but neighbours of one label are no more alike than distant rows: the "
        "file was sorted by the label, so no blocks of neighbouring rows are kept together"
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
    groups: Groups,
    times: Mapping[str, TimeColumn],
    judge: "_Judge",
) -> Iterator[tuple["_Trial", Split, str]]:
    """Yields the strategies stricter than `stratified`: trial, split, reason."""
    for group, codes in groups:
        yield (
            judge.try_groups(codes, positive),
            _make_split(judge.shares, strategy="group", column=group.name),
            f"{quoted(group.name)} marks rows that belong together: {group.reason}. A random "
            "split would put some of them in train and some in test",
        )
        for shares in _larger_shares(judge.shares) if judge.within_groups else ():
            wider = replace(judge, shares=shares)
            yield (
                wider.try_groups(codes, positive),
                _make_split(shares, strategy="group", column=group.name),
                f"{quoted(group.name)} marks rows that belong together: {group.reason}. A random "
                "split would put some of them in train and some in test. Eval and test are larger "
                "than usual, since whole groups must give each enough positives",
            )
        if judge.within_groups:
            within = replace(judge, shares=_shares_within_groups(judge.shares))
            yield (
                within.try_within_groups(codes, positive),
                _make_split(
                    within.shares, strategy="group", column=group.name, eval_within_groups=True
                ),
                f"{quoted(group.name)} marks rows that belong together: {group.reason}. These are "
                "too few for three splits, so only test has groups of its own; eval has rows of "
                "the groups in train and does not measure new ones",
            )
    for name, time in times.items():
        yield (
            judge.try_times(time, positive),
            _make_split(judge.shares, strategy="time", column=name),
            f"{quoted(name)} is {time.how}: the oldest rows train, the newest test, as in "
            "production",
        )


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """What a strategy would give.

    Attributes:
        why_not: Why it is not possible, or None.
        num_test_positives: Positive rows that `test` would get, about.
    """

    why_not: str | None
    num_test_positives: int = 0


@dataclass(frozen=True, kw_only=True)
class _Judge:
    """Tries strategies.

    Attributes:
        shares: Shares of the splits.
        scale: Rows of the data per row that is judged.
        within_groups: Whether eval may be drawn from the groups of train.
    """

    shares: Shares
    scale: float
    within_groups: bool = False

    def try_groups(self, codes: npt.NDArray[np.int64], positive: Bools) -> _Trial:
        valid = codes >= 0
        keys = hashing.mix(codes[valid].astype(np.uint64) + np.uint64(1))
        return self.try_keys(keys, positive[valid])

    def try_within_groups(self, codes: npt.NDArray[np.int64], positive: Bools) -> _Trial:
        valid = codes >= 0
        keys = hashing.mix(codes[valid].astype(np.uint64) + np.uint64(1))
        counts = _count_keys(keys, positive[valid])
        plan = grouping.plan_test_groups(counts, self.shares)
        if plan is None:
            return _Trial(why_not="one group only has examples of both classes")
        within = np.outer(grouping.shares_within(self.shares), plan.rows[0])
        rows = np.vstack([within, plan.rows[1:]]) * self.scale
        return _Trial(
            why_not=rules.why_too_small(rows, self.shares), num_test_positives=round(rows[2, 1])
        )

    def try_keys(self, keys: hashing.Hashes, positive: Bools) -> _Trial:
        counts = _count_keys(keys, positive)
        if not counts.counts.sum(axis=0).all():
            return _Trial(why_not="one class only")
        return self._try(grouping.plan_groups(counts, self.shares))

    def try_times(self, time: TimeColumn, positive: Bools) -> _Trial:
        valid = ~np.isnan(time.seconds)
        if valid.mean() < 0.99:
            missing = percent(1 - float(valid.mean()))
            return _Trial(why_not=f"{missing} of the rows have no time")
        seconds = time.seconds[valid]
        if len(np.unique(seconds)) < _MIN_TIMES:
            num_times = count(len(np.unique(seconds)), "distinct value")
            return _Trial(why_not=f"only {num_times}")
        keys = (seconds - seconds.min()).astype(np.uint64)
        labels = positive[valid]

        def count_in(ranges: Sequence[time_units.KeyRange]) -> splits.KeyCounts:
            inside = time_units.in_ranges(keys, ranges)
            return _count_keys(keys[inside], labels[inside])

        units = time_units.refine_units(_count_keys(keys, labels), self.shares, count_in)
        return self._try(time_units.plan_time(units, self.shares))

    def _try(self, plan: splits.TablePlan | None) -> _Trial:
        if plan is None:
            return _Trial(why_not="no cut gives every split examples of both classes")
        num_positives = round(float(plan.rows[SPLITS.index("test"), 1]) * self.scale)
        return _Trial(why_not=self._why_not(plan), num_test_positives=num_positives)

    def _why_not(self, plan: splits.TablePlan) -> str | None:
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
