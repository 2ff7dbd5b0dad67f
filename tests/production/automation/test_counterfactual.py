"""The counterfactual log: the course of a rollout under each level, through kills."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.production_options.automation import AutomationOptions, Limits
from production.automation.automation import Automation
from production.automation.counterfactual import CounterfactualLog, courses_of, read_log
from production.rollout.state import Phase
from tests.production.automation.situations import (
    BLUE_GREEN,
    CANARY,
    LAST_STEP,
    NOON,
    SWITCHED,
    facts,
    verdict,
)

LIMITS = Limits()
FOR, AGAINST = verdict("promote"), verdict("roll_back", reasons=("slow",))


def decisions(folder):
    return [(line.level, line.action, line.num_pairs) for line in read_log(folder)]


def test_levels_go_their_own_ways_on_the_same_evidence(tmp_path):
    log = CounterfactualLog(tmp_path, LIMITS, CANARY)
    # The real rollout stays at its first step all the time, as at level 0.
    log.look(facts(CANARY, num_pairs=99, after_s=100), verdict())
    log.look(facts(CANARY, num_pairs=100, after_s=100), verdict())
    # 99 pairs and 59 s in the second step of level 3.
    log.look(facts(CANARY, num_pairs=199, after_s=200), FOR)
    log.look(facts(CANARY, num_pairs=200, after_s=159), FOR)
    log.look(facts(CANARY, num_pairs=200, after_s=160), FOR)
    log.look(facts(CANARY, num_pairs=900, after_s=900), FOR)
    assert decisions(tmp_path) == [(2, "ask", 100), (3, "advance", 100), (3, "advance", 200)]
    lines = list(read_log(tmp_path))
    assert [line.time - NOON for line in lines] == [
        timedelta(seconds=100),
        timedelta(seconds=100),
        timedelta(seconds=160),
    ]
    phases = [course.phase for course in courses_of(lines, CANARY)]
    assert phases == [Phase.RUNNING, Phase.RUNNING, Phase.WAITING, Phase.PROMOTED]


def test_a_level_that_asked_goes_on_when_a_person_let_the_rollout_go_on(tmp_path):
    log = CounterfactualLog(tmp_path, LIMITS, CANARY)
    log.look(facts(CANARY), verdict())
    log.look(facts(replace(LAST_STEP, step_started=NOON)), verdict(num_pairs=600))
    assert decisions(tmp_path)[-1] == (2, "approve", 500)
    [_, _, course, _] = courses_of(read_log(tmp_path), CANARY)
    assert (course.step, course.phase) == (1, Phase.RUNNING)


def test_evidence_against_the_candidate_rolls_back_under_the_higher_levels(tmp_path):
    log = CounterfactualLog(tmp_path, LIMITS, CANARY)
    log.look(facts(CANARY, num_pairs=20, after_s=1), AGAINST)
    log.look(facts(CANARY, num_pairs=30, after_s=2), AGAINST)
    assert decisions(tmp_path) == [(2, "roll_back", 20), (3, "roll_back", 20)]


def test_a_level_that_held_goes_on_once_a_person_accepted_the_ends_of_the_server(tmp_path):
    log = CounterfactualLog(tmp_path, LIMITS, CANARY)
    for num_ends in (2, 3, 4, 0, 0):
        log.look(facts(CANARY, num_pairs=20, after_s=1, num_ends=num_ends), verdict())
    assert decisions(tmp_path) == [(2, "hold", 20), (3, "roll_back", 20), (2, "approve", 20)]
    phases = [course.phase for course in courses_of(read_log(tmp_path), CANARY)]
    assert phases == [Phase.RUNNING, Phase.RUNNING, Phase.RUNNING, Phase.ROLLED_BACK]


def test_an_approved_model_is_promoted_under_full_automation(tmp_path):
    unapproved = replace(CANARY, stages=CANARY.stages[:1], approved=False)
    log = CounterfactualLog(tmp_path, LIMITS, unapproved)
    log.look(facts(unapproved), FOR)
    assert decisions(tmp_path) == [(2, "ask", 500), (3, "ask", 500)]


def test_a_switch_under_full_automation_is_final_after_its_time(tmp_path):
    log = CounterfactualLog(tmp_path, LIMITS, BLUE_GREEN)
    log.look(facts(BLUE_GREEN, after_s=60), FOR)
    log.look(facts(BLUE_GREEN, after_s=60 + 3_599), FOR)
    log.look(facts(BLUE_GREEN, after_s=60 + 3_600), FOR)
    courses = courses_of(read_log(tmp_path), SWITCHED)
    assert courses[3].phase is Phase.PROMOTED
    assert courses[3].ended == NOON + timedelta(seconds=3_660)


@pytest.mark.parametrize("torn", [b"", b'{"rollout":"r1@2026', b'{"rollout"'])
def test_a_kill_between_looks_changes_nothing(tmp_path, torn):
    steady, killed = tmp_path / "steady", tmp_path / "killed"
    log = CounterfactualLog(steady, LIMITS, CANARY)
    looks = [(100, 100, verdict()), (150, 140, FOR), (200, 160, FOR), (300, 300, AGAINST)]
    for num_pairs, after_s, evidence in looks:
        log.look(facts(CANARY, num_pairs=num_pairs, after_s=after_s), evidence)
        again = CounterfactualLog(killed, LIMITS, CANARY)
        again.look(facts(CANARY, num_pairs=num_pairs, after_s=after_s), evidence)
        with (killed / "counterfactual.jsonl").open("ab") as file:
            file.write(torn)
    assert list(read_log(killed)) == list(read_log(steady))
    assert len(decisions(steady)) == 4


@pytest.mark.parametrize(
    "changed", ["{}", "[]", "x", '{"rollout":"r1"', b"\xff", ("level", 4), ("action", "wait")]
)
def test_a_changed_log_is_named_and_keeps_no_candidate_in_service(tmp_path, changed):
    folder = OutputFolder(tmp_path)
    place = folder.rollouts("pump")
    CounterfactualLog(place, LIMITS, CANARY).look(facts(CANARY), AGAINST)
    path = place / "counterfactual.jsonl"
    if isinstance(changed, tuple):
        changed = json.dumps(json.loads(path.read_bytes().splitlines()[0]) | dict([changed]))
    with path.open("ab") as file:
        file.write((changed if isinstance(changed, bytes) else changed.encode()) + b"\n")
    with pytest.raises(InputError, match="line 3 cannot be read"):
        list(read_log(place))
    automation = Automation(AutomationOptions(level=3), folder)
    assert automation(facts(CANARY), AGAINST).action == "roll_back"


def test_each_rollout_has_its_own_course(tmp_path):
    CounterfactualLog(tmp_path, LIMITS, CANARY).look(facts(CANARY), AGAINST)
    later = replace(CANARY, id="r2", started=NOON + timedelta(days=1))
    assert all(course.is_active for course in courses_of(read_log(tmp_path), later))


def test_the_automation_acts_as_its_level_says_and_logs_all(tmp_path):
    folder = OutputFolder(tmp_path)
    automation = Automation(AutomationOptions(level="shadow_mode"), folder)
    assert automation(facts(CANARY), AGAINST) is None
    assert decisions(folder.rollouts("pump")) == [(2, "roll_back", 500), (3, "roll_back", 500)]


def test_a_log_that_cannot_be_written_keeps_no_candidate_in_service(tmp_path):
    folder = OutputFolder(tmp_path)
    (folder.rollouts("pump") / "counterfactual.jsonl").mkdir(parents=True)
    automation = Automation(AutomationOptions(level=3), folder)
    assert automation(facts(CANARY), AGAINST).action == "roll_back"
