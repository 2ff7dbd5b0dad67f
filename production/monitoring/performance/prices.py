"""Prices of decisions, per row and in units of the dearest one."""

from dataclasses import dataclass

from measuring.intervals import proportion_interval, sum_interval
from models.probabilities.cost import Cost
from pipeline.config import Config
from production.monitoring.reference.reference import HeldOut, Judged
from production.monitoring.report import CONFIDENCE, UNKNOWN, Figure

# Without prices, a miss and a false alarm are one error each.
_ERRORS = Cost(missed_fault=1.0, false_alarm=1.0)


@dataclass(frozen=True, kw_only=True)
class Prices:
    """The prices of decisions, and what they are called.

    Attributes:
        cost: The prices; by default an error of either kind costs 1.
        unit: Unit for people, such as `EUR` or `errors`.
        is_given: Whether the config has prices.
    """

    cost: Cost
    unit: str
    is_given: bool

    @property
    def dearest(self) -> float:
        """The largest cost of a row."""
        return max(self.cost.missed_fault, self.cost.regret_of_alarm)


def prices_of(config: Config) -> Prices:
    """Returns the prices of a use case."""
    unit = config.monitoring.loss_unit
    if config.cost is None:
        return Prices(cost=_ERRORS, unit=unit or "errors", is_given=False)
    return Prices(cost=config.cost, unit=unit or config.cost.unit or "cost", is_given=True)


def promised_figures(judged: Judged, prices: Prices) -> dict[str, Figure]:
    """Returns what the gate measured of a version: `recall`, `precision`, `pr_auc`, `cost` per row.

    Without prices, the gate measured no cost; it is then that of the answers to the test split.

    Args:
        judged: What the gate measured, such as the reference of the version.
        prices: The prices of decisions.
    """
    figures = {
        name: judged.measured.get(name, UNKNOWN) for name in ("recall", "precision", "pr_auc")
    }
    per_thousand = judged.measured.get("expected_cost")
    if prices.is_given and per_thousand is not None:
        value, lower, upper = (None if x is None else x / 1_000 for x in per_thousand)
        return figures | {"cost": (value, lower, upper)}
    return figures | {"cost": _cost_of(judged.held_out, prices.cost)}


def _cost_of(held_out: HeldOut, cost: Cost) -> Figure:
    """Cost per row with its 95 % interval, from the shares of misses and of alarms."""
    fault, alarm = held_out.labels == 1, held_out.decisions == 1
    num_rows = len(fault)
    if not num_rows:
        return UNKNOWN
    outcomes = [
        (cost.missed_fault, fault & ~alarm),
        (cost.regret_of_alarm, alarm & ~fault),
        (cost.inspection, alarm & fault),
    ]
    parts = [
        (price, float(rows.mean()), proportion_interval(float(rows.sum()), num_rows, CONFIDENCE))
        for price, rows in outcomes
    ]
    value = sum(price * share for price, share, _ in parts)
    lower, upper = sum_interval(value, parts)
    return value, max(lower, 0.0), upper
