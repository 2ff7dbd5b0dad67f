"""Flights are kept by scenario and seed, and their page says what was flown and what is red."""

import pytest

from benchmarks.flight_report import keep, report, write_report
from production.simulation.quiet.years import QuietYear, QuietYears
from production.simulation.results.scorecard import DayFacts, Outcome
from production.simulation.scenarios import SCENARIOS, Action, Guard


def flown(name, *, delay=None, actions=(), num_wrong=1):
    """A flight that a guard of data noticed after some chunks, with the actions since."""
    scenario = SCENARIOS[name]
    noticed = scenario.num_days if delay is None else scenario.since + delay - 1
    days = tuple(
        DayFacts(
            number=number,
            num_rows=10,
            num_wrong=num_wrong,
            num_failures=0,
            cost=50.0 * num_wrong,
            guards=frozenset({Guard.TROUBLES} if number >= noticed else ()),
            actions=frozenset(actions if number >= noticed else ()),
        )
        for number in range(scenario.num_days)
    )
    return Outcome(scenario=scenario, days=days, unit="EUR")


def kept_of(*flights):
    kept = {}
    for seed, outcome in flights:
        kept = keep(kept, outcome, seed=seed, commit=f"c{seed}")
    return kept


def page(kept):
    return "\n".join(report(kept))


def test_a_flight_replaces_only_that_of_its_scenario_and_seed():
    kept = kept_of((0, flown("warmer")), (1, flown("warmer")), (0, flown("celsius")))
    again = keep(kept, flown("warmer", num_wrong=5), seed=1, commit="new")
    assert {seed: list(flights) for seed, flights in again["seeds"].items()} == {
        "0": ["warmer", "celsius"],
        "1": ["warmer"],
    }
    assert again["seeds"]["1"]["warmer"]["commit"] == "new"
    assert again["seeds"]["0"] == kept["seeds"]["0"]
    assert kept["seeds"]["1"]["warmer"]["commit"] == "c1"


def test_each_seed_has_its_delay_and_the_harm_is_a_mean():
    retrained = {"actions": [Action.RETRAIN]}
    kept = kept_of((1, flown("warmer", delay=3, num_wrong=5)), (0, flown("warmer", delay=1)))
    text = page(kept)
    # Seed 0: one chunk with one wrong answer; seed 1: three chunks with five each.
    assert "| troubles | 1, 3 | retrain | **no** | 8 | 0 | 400 EUR |" in text
    text = page(kept_of((0, flown("warmer", delay=1)), (2, flown("warmer", delay=2, **retrained))))
    assert "| troubles | 1, 2 | retrain | **no**, yes |" in text


def test_what_nobody_noticed_or_noticed_late_is_bold():
    text = page(kept_of((0, flown("subtle_candidate", delay=4)), (1, flown("fault_mix", delay=4))))
    assert "| fault_mix | arcs instead of shorted strips: other kinds of faults prevail" in text
    assert "| troubles | **4** | retrain |" in text
    assert "| **nobody** | **-** | roll back |" in text  # troubles are no guard of candidates


@pytest.mark.parametrize(
    ("actions", "now", "before"),
    [([Action.QUARANTINE], "1 of 1 flown", "0 of 1"), ([Action.RETRAIN], "0 of 1 flown", "1 of 1")],
)
def test_a_seed_counts_also_by_the_action_that_was_right_before(actions, now, before):
    text = page(kept_of((0, flown("new_firmware", delay=1, actions=actions))))
    assert f"| {now} | {before} |" in text


def test_scenarios_that_a_seed_has_not_flown_are_named_and_those_with_their_commit():
    text = page(kept_of((2, flown("quiet"))))
    assert "Not flown with seed 2: season, equal_candidate," in text
    assert "* Flown at commit c2: seed 2: quiet." in text


def test_a_seed_has_a_share_only_once_all_of_its_scenarios_are_flown():
    rest = [flown(name) for name in SCENARIOS]
    assert "| 0 of 26, 0% | 0 of 26 |" in page(kept_of(*((5, one) for one in rest)))
    assert "| 0 of 25 flown |" in page(kept_of(*((5, one) for one in rest[:-1])))


def test_the_page_says_how_many_quiet_years_there_are():
    year = QuietYear(order="independent rows", number=0, alarms={"drift": 1})
    years = QuietYears(rows=300, chunks=365, budget=2.0, years=(year,)).to_json()
    text = page({"quiet_years": years | {"commit": "c"}})
    assert "1 quiet years of 365 chunks of 300 rows, independent rows: 1.00 [0.03, 5.57]" in text
    assert "100 years are asked for; the others have not been flown yet." in text


def test_each_seed_has_a_chart(tmp_path):
    write_report(kept_of((0, flown("quiet")), (3, flown("celsius", delay=1))), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "flight.md",
        "flight_0.svg",
        "flight_3.svg",
    }
    assert "celsius" in (tmp_path / "flight_3.svg").read_text()
    assert "](flight_3.svg)" in (tmp_path / "flight.md").read_text()
