import io
import json

import pytest
from rich.console import Console

from production.simulation.results.chart import draw
from production.simulation.results.scorecard import DayFacts, Outcome, Scorecard
from production.simulation.scenarios import Action, Guard, Scenario

BROKEN = Scenario(
    name="stuck",
    words="a sensor is stuck",
    guards=(Guard.TROUBLES,),
    action=Action.QUARANTINE,
    since=2,
    num_days=6,
)
QUIET = Scenario(name="quiet", words="nothing", num_days=6)


def outcome(scenario, *, noticed=None, done=None, alarms=(), **values):
    """Six days of ten requests and one wrong answer, which costs 5."""
    days = [
        DayFacts(
            number=number,
            num_rows=10,
            num_wrong=1,
            num_failures=0,
            cost=5.0,
            guards=frozenset({Guard.TROUBLES} if noticed is not None and number >= noticed else ()),
            actions=frozenset({scenario.action} if done is not None and number >= done else ()),
            alarms=tuple(f"a{number}" for _ in range(number in alarms)),
        )
        for number in range(6)
    ]
    return Outcome(scenario=scenario, days=tuple(days), unit="EUR", **values)


def shown(scorecard):
    text = io.StringIO()
    Console(file=text, width=200, force_terminal=True).print(scorecard.table())
    return text.getvalue()


def test_wrong_answers_count_from_the_change_to_its_discovery():
    caught = outcome(BROKEN, noticed=3, done=3)
    # Days 2 and 3: two wrong answers for 10 EUR, noticed in the second chunk.
    assert (caught.delay, caught.sum_of("num_wrong"), caught.sum_of("cost")) == (2, 2, 10)
    assert caught.is_passed


@pytest.mark.parametrize(
    ("values", "is_passed"),
    [
        ({"noticed": 4, "done": 4}, True),  # in the third chunk
        ({"noticed": 5, "done": 5}, False),
        ({"noticed": 3}, False),  # nobody did what is right
        ({"noticed": None, "done": 3}, False),
        ({"noticed": 3, "done": 3, "problem": "The gateway does not start"}, False),
    ],
)
def test_a_harmful_scenario_is_passed_if_it_is_caught_within_three_chunks_and_handled(
    values, is_passed
):
    assert outcome(BROKEN, **values).is_passed is is_passed


def test_what_nobody_noticed_is_exposed_to_the_end():
    missed = outcome(BROKEN)
    assert (missed.caught, missed.delay, missed.sum_of("num_wrong")) == (None, None, 4)


def test_a_guard_that_spoke_only_before_the_change_has_not_caught_it():
    days = outcome(BROKEN, noticed=0).days
    only_before = Outcome(scenario=BROKEN, days=(*days[:2], *outcome(BROKEN).days[2:]))
    assert only_before.caught is None


def test_alarms_are_false_before_a_change_and_wherever_nothing_is_wrong():
    assert outcome(BROKEN, noticed=2, done=2, alarms={1, 2, 3}).num_false_alarms == 1
    quiet = outcome(QUIET, alarms={1, 3})
    assert (quiet.num_false_alarms, quiet.is_passed) == (2, False)
    assert outcome(QUIET).is_passed


def test_nine_of_ten_harmful_scenarios_are_enough_and_one_false_alarm_is_too_much():
    good, bad = outcome(BROKEN, noticed=2, done=2), outcome(BROKEN)
    assert Scorecard(outcomes=[good] * 9 + [bad]).is_passed
    assert not Scorecard(outcomes=[good] * 8 + [bad]).is_passed
    assert not Scorecard(outcomes=[good, outcome(QUIET, alarms={4})]).is_passed


def test_the_usual_cost_is_that_of_the_days_without_a_change():
    # The first two days of six, at 5 EUR.
    assert Scorecard(outcomes=[outcome(BROKEN)]).usual_cost == 5


def test_the_table_tells_in_red_what_nobody_noticed():
    text = shown(Scorecard(outcomes=[outcome(BROKEN), outcome(QUIET)]))
    assert "\x1b[1;31mNOBODY" in text
    assert "\x1b[1;31mquarantine: NOT DONE" in text
    assert "0 of 1 harmful scenarios caught within 3 chunks" in text


def test_the_json_has_every_day():
    values = json.loads(json.dumps(Scorecard(outcomes=[outcome(BROKEN, noticed=3)]).to_json()))
    [scenario] = values["scenarios"]
    assert scenario["caught_by"] == ["troubles"]
    assert scenario["chunks_until_caught"] == 2
    assert len(scenario["days"]) == 6


def test_the_chart_has_a_square_for_each_chunk_and_escapes_words():
    problem = "a < b\nsecond line"
    svg = draw(Scorecard(outcomes=[outcome(BROKEN, noticed=3), outcome(QUIET, problem=problem)]))
    assert svg.count('rx="3" fill="#f9ab00"><title>') == 1  # day 2: wrong, unnoticed
    assert svg.count("<title>day ") == 12
    assert "a &lt; b" in svg
    assert "second line" not in svg


def test_an_outcome_survives_json():
    flown = outcome(BROKEN, noticed=3, done=4, alarms={1}, seconds=2.5)
    assert Outcome.from_json(BROKEN, json.loads(json.dumps(flown.to_json()))) == flown
