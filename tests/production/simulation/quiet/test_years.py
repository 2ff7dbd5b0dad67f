import pytest

from production.simulation.quiet import years as quiet_years
from production.simulation.quiet.years import (
    CHUNKS_PER_YEAR,
    Effort,
    QuietYear,
    QuietYears,
    count_alarms,
    fly_quiet_years,
    rate_interval,
)
from production.simulation.workspace import Workspace
from tests.production.monitoring.pump_months import pump_config


def test_a_detector_starts_again_after_each_alarm():
    # An e-value of 1 / (1e-9 ln(1e-9)^2) = 2.3 million passes half of any threshold at once.
    extreme, usual = {"flow": 1e-9, "level": 0.5}, {"flow": 0.5, "level": 0.5}
    assert count_alarms([usual, extreme, usual, usual, extreme, usual], 365) == 2


def test_usual_chunks_of_a_year_raise_no_alarm():
    assert count_alarms([{"flow": 0.5}] * CHUNKS_PER_YEAR, 365) == 0


def years_of(*counts, order="independent rows"):
    return [
        QuietYear(order=order, number=number, alarms={"drift": drift, "estimated_loss": loss})
        for number, (drift, loss) in enumerate(counts)
    ]


def test_alarms_of_all_kinds_count_together_and_each_order_of_rows_by_itself():
    calm = years_of((0, 0), (1, 1), (0, 1), (0, 0))
    years = QuietYears(
        rows=300,
        chunks=365,
        budget=2.0,
        years=(*calm, *years_of((0, 0), order="a wandering temperature")),
    )
    assert years.per_year == pytest.approx(3 / 5)
    # 3 events of Poisson's: [0.62, 8.77], over 4 years [0.15, 2.19]; 0 events: at most 3.69.
    assert years.words() == (
        "4 quiet years of 365 chunks of 300 rows, independent rows: 0.75 [0.15, 2.19] false alarms "
        "a year, the budget is 2; 2 years without any, at most 2 in a year. "
        "1 quiet years of 365 chunks of 300 rows, a wandering temperature: 0.00 [0.00, 3.69] false "
        "alarms a year, the budget is 2; 1 years without any, at most 0 in a year."
    )
    assert QuietYears.from_json(years.to_json()) == years


def test_the_interval_of_no_event_begins_at_zero():
    # P(0 | 3.689) = 2.5 %.
    assert rate_interval(0, 10) == (0.0, pytest.approx(0.3689, abs=1e-4))


class StoppedFlight:
    """A flight that is killed after some years."""

    def __init__(self, years) -> None:
        self.flown, self._years = [], years

    def prepared(self, *_):
        return self

    def fly(self, order, number):
        if len(self.flown) == self._years:
            raise KeyboardInterrupt
        self.flown.append((order.name, number))
        return QuietYear(order=order.value, number=number, alarms={"drift": number})


class TrainedWorkspace(Workspace):
    """A workspace whose model needs no training."""

    def reset(self):
        return pump_config(self.root)

    def trained_key(self):
        return "a model"


def test_a_flight_that_was_killed_goes_on_with_the_next_year(tmp_path, monkeypatch):
    workspace = TrainedWorkspace(root=tmp_path)
    flight = StoppedFlight(3)
    monkeypatch.setattr(quiet_years, "_Flight", flight)
    with pytest.raises(KeyboardInterrupt):
        fly_quiet_years(workspace, Effort(years=2), lambda _: None)
    flight = StoppedFlight(10)
    monkeypatch.setattr(quiet_years, "_Flight", flight)
    years = fly_quiet_years(workspace, Effort(years=2), lambda _: None)
    assert flight.flown == [("WANDERING", 1)]
    assert [year.number for year in years.years] == [0, 0, 1, 1]
    # Years of fewer recordings are other years.
    fly_quiet_years(workspace, Effort(years=1, recordings=9_000), lambda _: None)
    assert len(flight.flown) == 3
