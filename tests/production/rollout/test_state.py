"""Transitions of a rollout: their effects, their refusals, and what no sequence of them reaches."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.production_options.rollout import CanaryStep, RolloutOptions, ShadowStep
from production.gateway.traffic import Pin, Traffic
from production.rollout.state import (
    Phase,
    Plan,
    State,
    TransitionRefusedError,
    abort,
    advance,
    approve,
    ask,
    hold,
    repin,
    roll_back,
    start,
)
from production.rollout.strategies import plan_stages, traffic_of

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
OLD, NEW, THIRD = (Pin(base="wells", version=version) for version in (1, 2, 3))
OPTIONS = RolloutOptions(
    steps=(CanaryStep(percent=5), CanaryStep(percent=50)),
    shadow=ShadowStep(min_requests=7, min_time_s=8),
    mirror_percent=60,
    bake_s=90,
)
SERVED = State(model="wells", stable=OLD)


def _plan(strategy="canary", *, candidate=NEW, approved=True) -> Plan:
    stages = plan_stages(OPTIONS, strategy)
    return Plan(candidate=candidate, strategy=strategy, stages=stages, approved=approved)


def _started(strategy="canary", *, approved=True) -> State:
    return start(SERVED, _plan(strategy, approved=approved), NOW)


def test_a_canary_takes_its_steps_and_is_then_promoted():
    state = _started()
    percents = []
    while state.active:
        percents.append(traffic_of(state).candidate_percent)
        state = advance(state, NOW)
    assert percents == [5, 50]
    assert (state.rollout.phase, state.stable) == (Phase.PROMOTED, NEW)
    assert traffic_of(state) == Traffic(stable=NEW, salt="r1")


def test_a_shadow_gives_the_candidate_copies_only():
    traffic = traffic_of(_started("shadow"))
    assert (traffic.candidate_percent, traffic.mirrored_percent) == (0, 60)
    assert (traffic.stable, traffic.candidate, traffic.salt) == (OLD, NEW, "r1")


def test_blue_green_switches_all_requests_and_is_final_after_its_time():
    switched = advance(_started("blue_green"), NOW)
    assert switched.rollout.phase is Phase.SWITCHED
    assert traffic_of(switched).candidate_percent == 100
    assert (switched.stable, switched.rollout.stage.min_time_s) == (OLD, 90)
    assert advance(switched, NOW).stable == NEW


def test_a_held_blue_green_goes_on_switched():
    held = hold(advance(_started("blue_green"), NOW))
    assert traffic_of(held).candidate_percent == 100
    assert approve(held, NOW).rollout.phase is Phase.SWITCHED


def test_an_approval_takes_the_step_that_was_asked_for():
    waiting = ask(_started())
    assert waiting.rollout.next_words == "50 % of the keys"
    later = NOW + timedelta(minutes=5)
    moved = approve(waiting, later)
    assert (moved.rollout.step, moved.rollout.step_started) == (1, later)


def test_ending_a_hold_does_not_approve_an_inconclusive_model():
    state = approve(hold(_started("shadow", approved=False)), NOW)
    assert (state.rollout.phase, state.rollout.approved) == (Phase.RUNNING, False)
    with pytest.raises(TransitionRefusedError, match="INCONCLUSIVE"):
        advance(state, NOW)
    assert advance(approve(state, NOW), NOW).stable == NEW


def test_an_approval_ends_a_hold_at_the_same_step():
    resumed = approve(hold(_started()), NOW)
    assert (resumed.rollout.step, resumed.rollout.phase) == (0, Phase.RUNNING)


def test_an_inconclusive_model_is_promoted_after_a_persons_approval_only():
    state = _started("shadow", approved=False)
    with pytest.raises(TransitionRefusedError, match=r"INCONCLUSIVE.*faultline rollout approve"):
        advance(state, NOW)
    approved = approve(state, NOW)
    assert approved.rollout.phase is Phase.RUNNING
    assert advance(approved, NOW).stable == NEW


def test_a_rollback_returns_to_the_old_version_before_and_after_promotion():
    midway = roll_back(_started(), NOW)
    assert (midway.rollout.phase, midway.stable) == (Phase.ROLLED_BACK, OLD)
    promoted = advance(advance(_started(), NOW), NOW)
    returned = roll_back(promoted, NOW)
    assert (returned.rollout.phase, returned.stable) == (Phase.ROLLED_BACK, OLD)


def test_each_rollout_has_an_id_of_its_own():
    again = start(abort(_started(), NOW), _plan(candidate=THIRD), NOW)
    assert (again.rollout.id, again.num_rollouts) == ("r2", 2)


def test_another_served_version_ends_the_rollout():
    aborted = repin(_started(), THIRD, NOW)
    assert (aborted.rollout.phase, aborted.stable) == (Phase.ABORTED, THIRD)
    promoted = advance(_started("shadow"), NOW)
    assert repin(promoted, OLD, NOW).rollout.phase is Phase.ROLLED_BACK


@pytest.mark.parametrize(
    ("state", "action", "message"),
    [
        (_started(), lambda s: start(s, _plan(candidate=THIRD), NOW), "r1 of wells to wells/2 is"),
        (SERVED, lambda s: start(s, _plan(candidate=OLD), NOW), "wells/1 is the version that is"),
        (SERVED, lambda s: advance(s, NOW), "No rollout of wells is in progress. Start one"),
        (abort(_started(), NOW), hold, "The last one, r1, is aborted"),
        (hold(_started()), hold, "held already"),
        (hold(_started()), ask, "is held"),
        (_started(), lambda s: approve(s, NOW), "waits for nobody"),
        (roll_back(_started(), NOW), lambda s: roll_back(s, NOW), "r1, is rolled back"),
        (SERVED, lambda s: repin(s, OLD, NOW), "wells/1 is the version that is served"),
    ],
)
def test_a_refusal_says_what_the_state_is(state, action, message):
    with pytest.raises(TransitionRefusedError, match=message):
        action(state)


def test_a_state_travels_as_json():
    state = hold(_started("blue_green"))
    assert State.from_json(state.to_json()) == state


ACTIONS = {
    "start": start,
    "advance": lambda state, _, now: advance(state, now),
    "hold": lambda state, *_: hold(state),
    "ask": lambda state, *_: ask(state),
    "approve": lambda state, _, now: approve(state, now),
    "abort": lambda state, _, now: abort(state, now),
    "roll_back": lambda state, _, now: roll_back(state, now),
    "repin": lambda state, plan, now: repin(state, plan.candidate, now),
}
PLANS = st.builds(
    lambda strategy, version, approved: _plan(
        strategy, candidate=Pin(base="wells", version=version), approved=approved
    ),
    st.sampled_from(["shadow", "canary", "blue_green"]),
    st.integers(1, 4),
    st.booleans(),
)


@given(st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), PLANS), max_size=30))
def test_no_sequence_of_actions_reaches_an_impossible_state(actions):
    state, person_approved = SERVED, set()
    for number, (action, plan) in enumerate(actions):
        try:
            after = ACTIONS[action](state, plan, NOW + timedelta(seconds=number))
        except TransitionRefusedError:
            continue
        if action == "approve":
            person_approved.add(after.rollout.id)
        _check_state(after)
        _check_step(state, after, person_approved)
        state = after


def _check_state(state):
    traffic, rollout = traffic_of(state), state.rollout
    assert traffic.stable == state.stable  # what is served is what the gateway serves
    assert (traffic.candidate is None) == (state.active is None)
    if state.active:
        assert rollout.stable == state.stable != rollout.candidate
        assert rollout.ended is None
        assert 0 <= rollout.step < len(rollout.stages)
    elif rollout:
        assert rollout.ended is not None
        assert (rollout.phase is Phase.PROMOTED) <= (state.stable == rollout.candidate)
    if rollout and rollout.phase is Phase.SWITCHED:
        assert (rollout.strategy, rollout.step) == ("blue_green", 1)
    assert State.from_json(state.to_json()) == state


def _check_step(before, after, person_approved):
    same = before.active and after.active and before.rollout.id == after.rollout.id
    if same:
        assert traffic_of(after).candidate_percent >= traffic_of(before).candidate_percent
        assert after.rollout.step - before.rollout.step in {0, 1}
    if before.rollout and not before.active and after.active:
        assert after.rollout.id != before.rollout.id
    if after.rollout and after.rollout.phase is Phase.PROMOTED and not after.active:
        was_judged = before.rollout.approved
        assert was_judged or after.rollout.id in person_approved


def test_the_steps_of_a_canary_must_rise():
    with pytest.raises(ValueError, match="must rise from step to step, got 5, 5 percent"):
        RolloutOptions(steps=(CanaryStep(percent=5), CanaryStep(percent=5)))


def test_the_property_test_sees_a_candidate_that_is_served_before_its_promotion():
    with pytest.raises(AssertionError):
        _check_state(replace(_started(), stable=NEW))
