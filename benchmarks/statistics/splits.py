"""Splits: prevalence of test and shares of rows where whole groups are dealt, and cuts of times."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.statistics.tables import Table, range_cell, share_cell
from pipeline.components.arrow_example_gen.splitting.groups import plan_groups
from pipeline.components.arrow_example_gen.splitting.shares import describe_imbalance, why_too_small
from pipeline.components.arrow_example_gen.splitting.splits import KeyCounts
from pipeline.components.arrow_example_gen.splitting.time_units import best_cuts

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
# Takes negative and positive rows `[groups, 2]`; returns the rows of each split `[3, 2]`.
Deal = Callable[[Ints], Ints]
_SHARES = (0.75, 0.15, 0.10)
_PREVALENCE = 0.035


@dataclass(frozen=True, kw_only=True)
class Design:
    """Groups of rows whose faults crowd in some groups: beta-binomial, 3.5 % on average.

    Attributes:
        num_groups: Number of groups.
        tail: Exponent of the Pareto distribution of sizes; None for equal sizes.
        num_rows: Rows of all groups, approximately.
    """

    num_groups: int
    tail: float | None = None
    num_rows: int = 3_000

    def draw(self, rng: np.random.Generator) -> Ints:
        """Returns negative and positive rows `[groups, 2]`, in the order of random hashes."""
        num = self.num_groups
        weights = np.ones(num) if self.tail is None else rng.pareto(self.tail, num) + 1
        sizes = np.maximum(1, np.round(weights / weights.sum() * self.num_rows)).astype(np.int64)
        risk = rng.beta(0.5, 0.5 * (1 - _PREVALENCE) / _PREVALENCE, num)
        faults = rng.binomial(sizes, risk)
        return np.stack([sizes - faults, faults], axis=1).astype(np.int64)


def deal_by_hash(groups: Ints) -> Ints:
    """Cuts in the order of the hash: groups with a fault by their faults, the others by rows."""
    splits = np.zeros(len(groups), np.int8)
    for stratum, weights in ((groups[:, 1] > 0, groups[:, 1]), (groups[:, 1] == 0, groups[:, 0])):
        units = np.flatnonzero(stratum)
        before = np.cumsum(weights[units]) / max(1, weights[units].sum())
        splits[units] = np.searchsorted(np.cumsum(_SHARES)[:2], before - 1e-9, side="left")
    return np.stack([groups[splits == split].sum(axis=0) for split in range(3)])


def deal_now(groups: Ints) -> Ints:
    """Deals as the pipeline does; no rows where it refuses."""
    plan = plan_groups(
        KeyCounts(keys=np.arange(len(groups), dtype=np.uint64), counts=groups), _SHARES
    )
    return np.zeros((3, 2), np.int64) if plan is None else plan.rows


def measure(design: Design, deal: Deal, num_sets: int) -> Ints:
    """Returns the rows of each split in each simulated data set, `[sets, 3, 2]`."""
    rng = np.random.default_rng(design.num_groups)
    return np.stack([deal(design.draw(rng)) for _ in range(num_sets)])


def prevalence_ratio(rows: Ints) -> Floats:
    """Returns the prevalence of test over that of all rows, `[sets]`."""
    totals = rows.sum(axis=1)
    test = rows[:, 2, 1] / np.maximum(1, rows[:, 2].sum(axis=1))
    return np.asarray(test / (totals[:, 1] / totals.sum(axis=1)))


def _group_rows(num_sets: int) -> Iterator[Sequence[str]]:
    for name, design in (
        ("60 of equal size", Design(num_groups=60)),
        ("60 of Pareto sizes (1.1)", Design(num_groups=60, tail=1.1)),
        ("200 of Pareto sizes (1.1)", Design(num_groups=200, tail=1.1)),
    ):
        for when, deal in (("before", deal_by_hash), ("now", deal_now)):
            rows = measure(design, deal, num_sets)
            dealt = rows[rows.sum(axis=(1, 2)) > 0]
            refused = np.array([why_too_small(one, _SHARES) is not None for one in rows])
            warned = np.array([any(describe_imbalance(one, _SHARES)) for one in rows[~refused]])
            yield [
                name,
                when,
                range_cell(prevalence_ratio(dealt)),
                range_cell(100 * dealt[:, 1].sum(axis=1) / dealt.sum(axis=(1, 2)), digits=1),
                share_cell(refused) if when == "now" else "",
                share_cell(warned) if when == "now" else "",
            ]


def cut_before(weights: Ints) -> tuple[int, int]:
    """The cuts nearest to the cumulative shares."""
    before = np.concatenate([[0], np.cumsum(weights)])
    goals = np.cumsum(_SHARES[:2]) * before[-1]
    first, second = (int(np.abs(before - goal).argmin()) for goal in goals)
    return first, second


def _time_rows(_num_sets: int) -> Iterator[Sequence[str]]:
    """5,000 rows, of which 2,500 have one time, after a number of single ones."""
    for num_earlier in (500, 1_250, 1_281, 2_000):
        weights = np.array([1] * num_earlier + [2_500] + [1] * (2_500 - num_earlier))
        for when, cut in (("before", cut_before), ("now", lambda w: best_cuts(w, [w], _SHARES))):
            parts = [int(part.sum()) for part in np.split(weights, cut(weights))]
            rows = np.array([[part * (1 - _PREVALENCE), part * _PREVALENCE] for part in parts])
            why = why_too_small(rows, _SHARES) or "; ".join(describe_imbalance(rows, _SHARES))
            verdict = (why or "no remark") if when == "now" else ""
            yield [f"{num_earlier:,}", when, " / ".join(f"{part:,}" for part in parts), verdict]


def tables(num_sets: int) -> Iterator[Table]:
    """Yields the splits of whole groups, and those of crowded times."""
    yield Table(
        title="Groups, 3,000 rows, prevalence 3.5 %: median [5 %, 95 %] of simulated data sets.",
        head=(
            "groups",
            "method",
            "prevalence of test / of all",
            "rows in eval, %",
            "refused",
            "reported",
        ),
        rows=_group_rows(num_sets),
    )
    yield Table(
        title="Times, 5,000 rows, half of them at one time.",
        head=("rows before it", "method", "train / eval / test", "what the run says"),
        rows=_time_rows(num_sets),
    )
