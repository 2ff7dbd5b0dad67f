import pytest

from production.simulation.quiet_years import CHUNKS_PER_YEAR, QuietYears, count_alarms


def test_a_detector_starts_again_after_each_alarm():
    # An e-value of 1 / (1e-9 ln(1e-9)^2) = 2.3 million passes half of any threshold at once.
    extreme, usual = {"flow": 1e-9, "level": 0.5}, {"flow": 0.5, "level": 0.5}
    assert count_alarms([usual, extreme, usual, usual, extreme, usual], 365) == 2


def test_usual_chunks_of_a_year_raise_no_alarm():
    assert count_alarms([{"flow": 0.5}] * CHUNKS_PER_YEAR, 365) == 0


def test_alarms_of_all_kinds_count_together():
    years = QuietYears(
        num_references=2,
        num_chunks=10,
        rows=300,
        budget=2.0,
        alarms={"drift": [0, 1, 0, 0], "estimated_loss": [0, 1, 1, 0]},
    )
    assert (years.num_years, years.per_year) == (4, pytest.approx(0.75))
    assert "4 quiet years of 365 chunks: 0.75 false alarms a year, the budget is 2; 2 years" in (
        years.words()
    )
