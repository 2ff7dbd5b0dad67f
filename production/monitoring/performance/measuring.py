"""Performance of a chunk whose labels have arrived."""

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import stats

from measuring.answers import in_order, make_answers, num_units
from measuring.bootstrap import PR_AUC, percentile_interval, resample
from measuring.monitoring.estimated import METRICS
from measuring.scores import average_precision
from models.probabilities.cost import Cost, decision_costs
from production.collection.labels import KEYS
from production.monitoring.performance.answers import Answers, Floats, decided
from production.monitoring.performance.estimating import finite, share_figure
from production.monitoring.report import CONFIDENCE, UNKNOWN, Figure

# Labels favour alarms, or the other rows, if chance explains the difference with less than this.
_MAX_CHANCE = 0.01
# More rows than this make the interval of PR-AUC slower, hardly narrower.
_MAX_ROWS = 20_000
_SEED = 20_261_130
# Fewer expected labels than this may all be missing by chance.
_LEAST_EXPECTED = 20
# Labels of a measured chunk to one that is new, at most, for a chunk that is measured again.
_MOST_PER_NEW = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """Labels of the rows of a chunk.

    Attributes:
        values: float64 `[n]`: 1 for a fault, 0 for none, NaN without a label.
    """

    values: Floats

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which rows have a label."""
        return ~np.isnan(self.values)

    @property
    def num_known(self) -> int:
        """Number of rows with a label."""
        return int(self.known.sum())

    def correct(self, before: "Labels") -> bool:
        """Returns whether a considerable number of earlier labels was wrong.

        Args:
            before: The earlier labels of the same rows.
        """
        both = self.known & before.known
        num_wrong = int((self.values[both] != before.values[both]).sum())
        return is_considerable(num_wrong, before.num_known)

    def are_late(self, usual: float) -> bool:
        """Returns whether there is none, or far less than usual.

        Args:
            usual: Share of the rows of earlier chunks that have one; 0 without such chunks.
        """
        expected = usual * len(self.values)
        is_short = expected >= _LEAST_EXPECTED and self.num_known < expected / 2
        return is_short or not self.num_known


def is_considerable(part: int, whole: int) -> bool:
    """Returns whether new or corrected labels are so many that a chunk is measured again.

    Args:
        part: Number of new or corrected labels.
        whole: Labels that the chunk was measured with.
    """
    return part > 0 and whole <= _MOST_PER_NEW * part


def find_labels(records: pa.Table, labels: pa.Table, positive: NDArray[np.bool_]) -> Labels:
    """Returns the labels of the rows that `read_answers` returns, in the same order.

    Args:
        records: Records in order of time.
        labels: The latest label of each row, as of `production.collection.labels`.
        positive: bool `[labels]`, which of them are faults.
    """
    keys = records.filter(decided(records)).select(list(KEYS))
    keys = keys.append_column("place", pa.array(np.arange(keys.num_rows)))
    known = labels.select(list(KEYS)).append_column("fault", pa.array(positive.astype(np.float64)))
    joined = keys.join(known, keys=list(KEYS), join_type="inner")
    values = np.full(keys.num_rows, math.nan)
    values[joined["place"].to_numpy()] = joined["fault"].to_numpy()
    return Labels(values=values)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the labels of a chunk say.

    Attributes:
        figures: Metric to value and 95 % interval; `cost` is per row.
        num_labelled: Rows with a label.
        is_fair: Whether alarms and other rows have labels equally often, as far as chance allows.
    """

    figures: dict[str, Figure]
    num_labelled: int
    is_fair: bool


def measure(answers: Answers, labels: Labels, cost: Cost) -> Measured:
    """Measures recall, precision, PR-AUC, cost and prevalence of the labelled rows.

    PR-AUC is that of the rows with a probability; the others need the decisions alone.
    If alarms have labels more often than other rows, or less often, only the precision is known:
    the labelled rows are not a sample of all.

    Args:
        answers: The answers.
        labels: Their labels.
        cost: The prices.
    """
    known = labels.known
    alarm = answers.decisions == 1
    is_fair = are_fair(known, alarm)
    figures: dict[str, Figure] = dict.fromkeys(METRICS, UNKNOWN)
    if not known.any():
        return Measured(figures=figures, num_labelled=0, is_fair=is_fair)
    fault, alarm = labels.values[known] == 1, alarm[known]
    clusters = _clusters(answers)[known]
    figures["precision"] = _share(fault, alarm, clusters)
    if is_fair:
        figures["recall"] = _share(alarm, fault, clusters)
        figures["prevalence"] = _share(fault, np.ones_like(fault), clusters)
        figures["cost"] = _cost(fault, alarm, clusters, cost)
        scores = answers.probabilities[known]
        scored = ~np.isnan(scores)
        figures["pr_auc"] = _pr_auc(scores[scored], alarm[scored], fault[scored], clusters[scored])
    return Measured(figures=figures, num_labelled=labels.num_known, is_fair=is_fair)


def are_fair(known: NDArray[np.bool_], alarm: NDArray[np.bool_]) -> bool:
    """Returns whether alarms and other rows have labels equally often, as far as chance allows.

    Args:
        known: bool `[n]`, rows with a label.
        alarm: bool `[n]`, rows with an alarm.
    """
    table = [[int((known & side).sum()), int((~known & side).sum())] for side in (alarm, ~alarm)]
    if not alarm.any() or alarm.all():
        return True
    return bool(stats.fisher_exact(table)[1] >= _MAX_CHANCE)


def _clusters(answers: Answers) -> NDArray[np.int64]:
    """int64 `[n]`: keys, or blocks of rows in order."""
    if answers.keys is not None:
        return answers.keys
    return np.arange(answers.num_rows) // answers.block_length


def _share(hit: NDArray[np.bool_], among: NDArray[np.bool_], clusters: NDArray[np.int64]) -> Figure:
    """The share of hits among some rows, with its interval for dependent rows of a cluster."""
    _, places = np.unique(clusters[among], return_inverse=True)
    trials = np.bincount(places).astype(np.float64)
    return share_figure(np.bincount(places, hit[among]).astype(np.float64), trials)


def _cost(
    fault: NDArray[np.bool_],
    alarm: NDArray[np.bool_],
    clusters: NDArray[np.int64],
    cost: Cost,
) -> Figure:
    """Cost per row: a ratio of sums over clusters, with its t interval."""
    costs = decision_costs(fault.astype(np.int64), alarm.astype(np.int64), cost)
    mean, num_rows = float(costs.mean()), len(costs)
    _, places = np.unique(clusters, return_inverse=True)
    sums = np.bincount(places, costs - mean)
    if len(sums) < 2:
        return mean, None, None
    error = math.sqrt(float(sums @ sums) * len(sums) / (len(sums) - 1)) / num_rows
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(sums) - 1)) * error
    return mean, max(0.0, mean - reach), mean + reach


def _pr_auc(
    probabilities: Floats,
    alarm: NDArray[np.bool_],
    fault: NDArray[np.bool_],
    clusters: NDArray[np.int64],
) -> Figure:
    if not fault.any() or fault.all():
        return UNKNOWN
    value = average_precision(fault.astype(np.int64), probabilities)
    chosen = np.arange(len(fault))
    if len(chosen) > _MAX_ROWS:
        chosen = np.sort(np.random.default_rng(_SEED).permutation(chosen)[:_MAX_ROWS])
    answers = in_order(
        make_answers(
            fault[chosen].astype(np.int8),
            {"model": (probabilities[chosen], alarm[chosen])},
            clusters[chosen].astype(np.uint64),
        )
    )
    drawn = resample(answers)["model"][PR_AUC]
    return finite(value, percentile_interval(drawn, num_units(answers)[0], CONFIDENCE))
