"""Decisions of each level, as a table of situations."""

import json
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from pipeline.production_options.automation import LEVELS, AutomationOptions, Limits
from production.automation.deciding import decide
from production.rollout.state import Phase
from tests.production.automation.situations import (
    BLUE_GREEN,
    CANARY,
    LAST_STEP,
    SWITCHED,
    facts,
    verdict,
)

LIMITS = Limits()
UNDECIDED, FOR = verdict(), verdict("promote")
AGAINST = verdict("roll_back", reasons=("more_alarms",))
SHADOW = replace(CANARY, strategy="shadow", stages=(replace(CANARY.stages[0], percent=0),))


def actions(rollout, evidence, *, limits=LIMITS, **options):
    """The action of each level, from 0 to 3."""
    proposals = [
        decide(level, limits, facts(rollout, **options), evidence) for level in range(len(LEVELS))
    ]
    return [proposal and proposal.action for proposal in proposals]


@pytest.mark.parametrize(
    ("rollout", "evidence", "expected"),
    [
        (CANARY, UNDECIDED, [None, None, "ask", "advance"]),
        (CANARY, FOR, [None, None, "ask", "advance"]),
        (LAST_STEP, UNDECIDED, [None, None, None, None]),
        (LAST_STEP, FOR, [None, None, "ask", "advance"]),
        (SHADOW, UNDECIDED, [None, None, None, None]),
        (SHADOW, FOR, [None, None, "ask", "advance"]),
        (BLUE_GREEN, UNDECIDED, [None, None, None, None]),
        (BLUE_GREEN, FOR, [None, None, "ask", "advance"]),
        # Somebody decided the switch; after its time it is final at every level.
        (SWITCHED, UNDECIDED, ["advance"] * 4),
        (replace(SWITCHED, approved=False), UNDECIDED, [None] * 4),
        # An inconclusive model needs a person, whatever the evidence.
        (replace(LAST_STEP, approved=False), FOR, [None, None, "ask", "ask"]),
        (replace(CANARY, approved=False), FOR, [None, None, "ask", "advance"]),
        (replace(CANARY, phase=Phase.HELD), FOR, [None] * 4),
        (replace(CANARY, phase=Phase.WAITING), FOR, [None] * 4),
    ],
)
def test_each_level_takes_its_own_action(rollout, evidence, expected):
    assert actions(rollout, evidence) == expected


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.HELD, Phase.WAITING, Phase.SWITCHED])
def test_evidence_against_a_candidate_rolls_back_in_every_phase(phase):
    rollout = replace(BLUE_GREEN, phase=phase)
    assert actions(rollout, AGAINST, num_pairs=1, after_s=1) == [None, None, *["roll_back"] * 2]


def test_a_step_needs_its_requests_and_its_time():
    assert actions(CANARY, FOR, num_pairs=99) == [None] * 4
    assert actions(CANARY, FOR, after_s=59) == [None] * 4
    assert actions(CANARY, FOR, num_pairs=100, after_s=60)[3] == "advance"


def test_beyond_the_largest_share_full_automation_asks():
    assert actions(CANARY, FOR, limits=Limits(max_percent=50))[3] == "advance"
    assert actions(CANARY, FOR, limits=Limits(max_percent=49))[3] == "ask"
    assert actions(LAST_STEP, FOR, limits=Limits(max_percent=99))[3] == "ask"


def test_evidence_that_stays_undecided_is_put_before_a_person():
    long = verdict(num_pairs=1_000)
    assert actions(LAST_STEP, long, limits=Limits(max_pairs=1_001)) == [None] * 4
    assert actions(LAST_STEP, long, limits=Limits(max_pairs=1_000)) == [None, None, "ask", "ask"]


def test_the_reasons_have_their_figures():
    rolled_back = decide(3, LIMITS, facts(CANARY), AGAINST)
    assert rolled_back.why == (
        "more alarms, compared with the served model, after 500 requests (evidence 50 to 1)"
    )
    asked = decide(2, LIMITS, facts(CANARY), FOR)
    assert asked.why == "500 requests in 2.0 h; the next step is 50 % of the keys"


@pytest.mark.parametrize(("level", "number"), [("shadow_mode", 1), (3, 3), ("human_inspection", 0)])
def test_a_level_has_a_name_and_a_number(level, number):
    assert AutomationOptions(level=level).number == number


@pytest.mark.parametrize("level", [4, -1, "autopilot", True])
def test_other_levels_are_refused(level):
    text = json.dumps({"level": level})
    with pytest.raises(ValueError, match="level"):  # strict, as the YAML is checked
        TypeAdapter(AutomationOptions).validate_json(text, strict=True)


def test_costs_become_those_of_the_evidence():
    margins = Limits(alpha=0.1, differing=0.02).margins(miss=20, false_alarm=2)
    assert (margins.alpha, margins.differing, margins.miss) == (0.1, 0.02, 20)
    # 2 / alpha
    assert margins.threshold == 20


@pytest.mark.parametrize(
    ("phase", "num_ends", "expected"),
    [
        (Phase.RUNNING, 2, [None, None, "ask", "advance"]),
        (Phase.RUNNING, 3, [None, None, "hold", "roll_back"]),
        (Phase.WAITING, 3, [None, None, "hold", "roll_back"]),
        (Phase.HELD, 3, [None, None, None, "roll_back"]),
    ],
)
def test_a_server_that_ends_again_and_again_stops_the_rollout(phase, num_ends, expected):
    assert actions(replace(CANARY, phase=phase), FOR, num_ends=num_ends) == expected


def test_the_ends_of_the_server_are_the_reason():
    proposal = decide(3, LIMITS, facts(CANARY, num_ends=3), FOR)
    assert proposal.why == (
        "the candidate's server ended by itself 3 times, the last time with exit code 1"
    )
