"""The page of flights says which code was flown, and what is still red."""

from benchmarks.flight import _report
from production.simulation.quiet.years import QuietYear, QuietYears
from production.simulation.results.scorecard import Outcome, Scorecard
from production.simulation.scenarios import SCENARIOS


def outcome(name):
    return Outcome(scenario=SCENARIOS[name], days=(), unit="EUR", seconds=1.0, problem="")


def test_each_scenario_stands_with_the_commit_that_was_flown():
    scorecard = Scorecard(outcomes=[outcome("quiet"), outcome("fault_mix"), outcome("season")])
    commits = {"quiet": "commit abc", "season": "commit abc"}
    page = "\n".join(_report(scorecard, None, commits))
    assert "Flown at commit abc: quiet, season." in page
    assert "Flown at an earlier commit, of 2026-11-27: fault_mix." in page
    assert "| fault_mix | arcs instead" in page
    assert "`fault_mix` costs nothing" in page


def test_the_page_tells_how_many_quiet_years_there_are():
    year = QuietYear(order="independent rows", number=0, alarms={"drift": 1})
    years = QuietYears(rows=300, chunks=365, budget=2.0, years=(year,))
    page = "\n".join(_report(Scorecard(outcomes=[outcome("quiet")]), years, {}))
    assert "1 quiet years of 365 chunks of 300 rows, independent rows: 1.00 [0.03, 5.57]" in page
    assert "100 years are asked for; the others have not been flown yet." in page
