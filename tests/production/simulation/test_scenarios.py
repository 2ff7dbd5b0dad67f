from production.simulation.flight import scenario_days
from production.simulation.scenarios import SCENARIOS, Action
from tests.production.simulation.days import same_rows


def test_there_are_twenty_scenarios_and_three_quiet_ones():
    quiet = [name for name, scenario in SCENARIOS.items() if not scenario.is_harmful]
    assert quiet == ["quiet", "season", "equal_candidate"]
    assert len(SCENARIOS) - len(quiet) >= 20


def test_each_scenario_changes_something_within_its_days_and_names_an_action():
    for scenario in SCENARIOS.values():
        assert 0 < scenario.since < scenario.num_days, scenario.name
        changes = (scenario.after, scenario.change, scenario.candidate, scenario.event)
        if scenario.is_harmful:
            assert any(changes), scenario.name
            assert scenario.action is not Action.NOTHING, scenario.name


def test_days_before_the_change_are_those_of_a_quiet_plant():
    quiet, stuck = (
        list(scenario_days(SCENARIOS[name], num_rows=12, seed=3))
        for name in ("label_outage", "stuck_sensor")
    )
    since = SCENARIOS["stuck_sensor"].since
    same = [same_rows(one.rows, other.rows) for one, other in zip(quiet, stuck, strict=True)]
    assert same[:since] == [True] * since
    assert not any(same[since:])


def test_another_plant_begins_on_the_day_of_the_change():
    days = list(scenario_days(SCENARIOS["warmer"], num_rows=40, seed=3))
    since = SCENARIOS["warmer"].since
    assert [day.number for day in days] == list(range(SCENARIOS["warmer"].num_days))
    coldest = [day.numbers("temperature_k").min() for day in days]
    assert max(coldest[:since]) < 3
    assert min(coldest[since:]) > 25
