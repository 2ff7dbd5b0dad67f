"""Costs of decisions."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS, JsonValue


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Cost(JsonValue):
    """Costs of the decisions; docs/gate.md has the formulas.

    >>> Cost(missed_fault=5000, false_alarm=200, inspection=50).threshold  # 250 / 5200
    0.04807692307692308

    Attributes:
        missed_fault: Cost of a fault without an alarm, more than `inspection`.
        false_alarm: Cost of an alarm on a healthy example beside its inspection, >= 0.
        inspection: Cost of inspecting an alarm, right or wrong, >= 0.
        unit: Unit of the costs, such as `EUR`; for display only.
    """

    missed_fault: Annotated[float, Field(gt=0)]
    false_alarm: Annotated[float, Field(ge=0)]
    inspection: Annotated[float, Field(ge=0)] = 0.0
    unit: str = ""

    @model_validator(mode="after")
    def _worth_an_alarm(self) -> "Cost":
        if self.missed_fault <= self.inspection:
            raise ValueError(
                f"`missed_fault` ({self.missed_fault:g}) must be more than `inspection` "
                f"({self.inspection:g}); otherwise no alarm is worth its inspection"
            )
        if not self.false_alarm + self.inspection:
            raise ValueError(
                "`false_alarm` and `inspection` are both 0; then an alarm for everything is best, "
                "and no model is needed"
            )
        return self

    @property
    def regret_of_alarm(self) -> float:
        """Extra cost of an alarm on a healthy example, against no alarm: Elkan's c_FP."""
        return self.false_alarm + self.inspection

    @property
    def regret_of_miss(self) -> float:
        """Extra cost of a missed fault, against an alarm on it: Elkan's c_FN."""
        return self.missed_fault - self.inspection

    @property
    def threshold(self) -> float:
        """The probability above which an alarm costs less than no alarm.

        References:
            Elkan (2001), The foundations of cost-sensitive learning, IJCAI: c_FP / (c_FP + c_FN)
            = (false_alarm + inspection) / (false_alarm + missed_fault).
        """
        return self.regret_of_alarm / (self.regret_of_alarm + self.regret_of_miss)


def trivial_costs(prevalence: float, cost: Cost) -> tuple[float, float]:
    """Returns the cost per 1,000 examples of no alarm at all and of an alarm for every example."""
    never = 1_000 * prevalence * cost.missed_fault
    return never, 1_000 * (cost.inspection + (1 - prevalence) * cost.false_alarm)


def decision_costs(
    labels: NDArray[Any], decisions: NDArray[Any], cost: Cost
) -> NDArray[np.float64]:
    """Returns the cost of each decision, in the shape of `decisions`.

    Args:
        labels: 0 and 1, of the same shape or broadcast to it.
        decisions: 0 and 1; 1 is an alarm.
        cost: The prices.
    """
    alarm = decisions == 1
    return np.where(
        labels == 1,
        np.where(alarm, cost.inspection, cost.missed_fault),
        np.where(alarm, cost.inspection + cost.false_alarm, 0.0),
    ).astype(np.float64)


def expected_cost(
    probabilities: NDArray[np.float64], labels: NDArray[Any], *, threshold: float, cost: Cost
) -> float:
    """Returns the cost of 1,000 examples.

    >>> cost = Cost(missed_fault=50, false_alarm=3, inspection=1)
    >>> probabilities, labels = np.array([0.9, 0.6, 0.2, 0.1]), np.array([1, 0, 1, 0])
    >>> expected_cost(probabilities, labels, threshold=0.5, cost=cost)  # (1 + 4 + 50 + 0) / 4
    13750.0

    Args:
        probabilities: float64 `[n]`, calibrated.
        labels: `[n]` of 0 and 1.
        threshold: The lowest probability that raises an alarm.
        cost: The prices.
    """
    decisions = (probabilities >= threshold).astype(np.int64)
    return 1_000 * float(decision_costs(labels, decisions, cost).mean())
