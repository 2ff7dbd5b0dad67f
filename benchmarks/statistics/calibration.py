"""Calibration on few faults: what it adds to the log loss, to the slope and to the cost."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from benchmarks.statistics.known_truth import Floats, Population, Truth
from benchmarks.statistics.tables import Table, mean_cell, range_cell
from models.probabilities.calibration import (
    NO_CALIBRATION,
    PlattScaling,
    fit_platt,
    fit_temperature,
)
from models.probabilities.cost import Cost
from models.probabilities.firth import sigmoid

# A missed fault costs as much as 20 false alarms.
COST = Cost(missed_fault=20, false_alarm=1)
Fit = Callable[[Floats, Floats], PlattScaling]
Rows = Iterator[Sequence[str]]


def smoothed_platt(logits: Floats, labels: Floats) -> PlattScaling:
    """Platt's two numbers by likelihood, with his targets (n+ + 1)/(n+ + 2) and 1/(n- + 2)."""
    slope, intercept = _fit(logits, _smoothed(labels), lambda _: (0.0, np.zeros(2)))
    return PlattScaling(slope=slope, intercept=intercept)


def smoothed_temperature(logits: Floats, labels: Floats) -> PlattScaling:
    """One number by likelihood, with Platt's targets."""
    targets = _smoothed(labels)

    def loss(slope: Floats) -> tuple[float, Floats]:
        errors = sigmoid(slope * logits) - targets
        return _log_loss(slope * logits, targets), np.array([errors @ logits])

    fit = minimize(loss, np.ones(1), jac=True, method="BFGS")
    return PlattScaling(slope=float(fit.x[0]), intercept=0.0)


def prior_platt(logits: Floats, labels: Floats) -> PlattScaling:
    """Platt's two numbers with the priors N(1, 0.5) on the slope and N(0, 1) on the intercept."""

    def penalty(line: Floats) -> tuple[float, Floats]:
        distance, variance = line - np.array([1.0, 0.0]), np.array([0.25, 1.0])
        return float(np.sum(distance**2 / variance) / 2), distance / variance

    slope, intercept = _fit(logits, labels, penalty)
    return PlattScaling(slope=slope, intercept=intercept)


def _smoothed(labels: Floats) -> Floats:
    num_faults = float(labels.sum())
    high, low = (num_faults + 1) / (num_faults + 2), 1 / (labels.size - num_faults + 2)
    return np.where(labels > 0.5, high, low)


def _fit(
    logits: Floats, targets: Floats, penalty: Callable[[Floats], tuple[float, Floats]]
) -> tuple[float, float]:
    def loss(line: Floats) -> tuple[float, Floats]:
        answers = line[0] * logits + line[1]
        errors = sigmoid(answers) - targets
        extra, gradient = penalty(line)
        gradient = gradient + np.array([errors @ logits, errors.sum()])
        return _log_loss(answers, targets) + extra, gradient

    fit = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS")
    return float(fit.x[0]), float(fit.x[1])


def _log_loss(logits: Floats, targets: Floats) -> float:
    return float(np.sum(np.logaddexp(0, logits) - targets * logits))


METHODS: Mapping[str, Fit] = {
    "none": lambda _logits, _labels: NO_CALIBRATION,
    "Platt before": smoothed_platt,
    "Platt": fit_platt,
    "temperature before": smoothed_temperature,
    "temperature": fit_temperature,
    "Platt, prior": prior_platt,
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network and a size of eval.

    Attributes:
        name: What sets it apart.
        truth: The network and the truth.
        num_faults: Faults in eval.
    """

    name: str
    truth: Truth
    num_faults: int = 17


CASES = (
    Case(name="d 3", truth=Truth(distance=3)),
    Case(name="d 4.5", truth=Truth(distance=4.5)),
    Case(name="d 3, network slope 0.4", truth=Truth(distance=3, slope=0.4)),
    Case(name="d 4.5, network slope 0.4", truth=Truth(distance=4.5, slope=0.4)),
    Case(name="d 3.8", truth=Truth(distance=3.8)),
    Case(name="d 2", truth=Truth(distance=2)),
    Case(name="d 3, 2 faults", truth=Truth(distance=3), num_faults=2),
    Case(name="d 3, 5 faults", truth=Truth(distance=3), num_faults=5),
    Case(name="d 3, 50 faults", truth=Truth(distance=3), num_faults=50),
    Case(name="d 3, 200 faults", truth=Truth(distance=3), num_faults=200),
    Case(name="d 3, prevalence 0.5 %", truth=Truth(distance=3, prevalence=0.005)),
    Case(name="d 3, network slope 0.7", truth=Truth(distance=3, slope=0.7)),
    Case(name="d 3, intercept off by -1", truth=Truth(distance=3, shift=-1)),
    Case(name="d 5, 15 % of faults invisible", truth=Truth(distance=5, invisible=0.15)),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Figures:
    """What calibrations of simulated sets are worth, each `[sets]`.

    Attributes:
        excess: Log loss above that of the truth, per example.
        slope: Cox's slope of the calibrated logits: above 1, they are under-confident.
        cost: Cost of 1,000 examples at the threshold of `COST`, in false alarms.
    """

    excess: Floats
    slope: Floats
    cost: Floats


def measure(case: Case, fit: Fit, *, num_sets: int) -> Figures:
    """Returns the figures of a calibration, fitted on each of `num_sets` simulated eval splits.

    References:
        Cox (1958), Two further applications of a model for binary regression.
    """
    rng = np.random.default_rng(case.num_faults)
    population = case.truth.population
    least, best_slope = population.least_loss, population.best_slope
    excess, slope, cost = np.empty((3, num_sets))
    for index in range(num_sets):
        line = fit(*case.truth.draw(rng, case.num_faults))
        answers = line.slope * population.logits + line.intercept
        excess[index] = population.log_loss(answers) - least
        slope[index] = best_slope / line.slope
        cost[index] = _cost(population, answers)
    return Figures(excess=excess, slope=slope, cost=cost)


def _cost(population: Population, logits: Floats) -> float:
    alarms = logits >= np.log(COST.threshold / (1 - COST.threshold))
    missed, false = population.faulty[~alarms].sum(), population.healthy[alarms].sum()
    return float(1_000 * (missed * COST.regret_of_miss + false * COST.regret_of_alarm))


def tables(num_sets: int) -> Iterator[Table]:
    """Yields excess log loss, Cox's slope and cost by case and method."""
    measured = {
        (case.name, name): measure(case, fit, num_sets=num_sets)
        for case in CASES
        for name, fit in METHODS.items()
    }

    def rows(cell: Callable[[Figures], str], best: Callable[[Population], str]) -> Rows:
        for case in CASES:
            cells = [cell(measured[case.name, name]) for name in METHODS]
            yield [case.name, best(case.truth.population), *cells]

    case = "17 faults, prevalence 3.5 %"
    yield Table(
        title="Log loss above that of the truth, 1e-4 per example: mean ± two standard errors.",
        head=(case, "log loss of the truth", *METHODS),
        rows=rows(
            lambda figures: mean_cell(1e4 * figures.excess),
            lambda population: f"{1e4 * population.least_loss:.0f}",
        ),
    )
    yield Table(
        title="Cox's slope, 1 is right: median [5 %, 95 %].",
        head=(case, "truth", *METHODS),
        rows=rows(lambda figures: range_cell(figures.slope), lambda _: "1"),
    )
    yield Table(
        title="Cost per 1,000 examples where a miss costs 20 false alarms: mean ± two standard "
        "errors.",
        head=(case, "truth", *METHODS),
        rows=rows(
            lambda figures: mean_cell(figures.cost),
            lambda population: f"{_cost(population, population.true_logits):.1f}",
        ),
    )
