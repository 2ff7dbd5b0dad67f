"""The order of the gateway's changes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from production.gateway.plan import Arm, AwaitArm, PinArm, SetRoutes, pin_of, plan_operations
from production.gateway.traffic import Pin, Traffic

A, B, C = Pin(base="m", version=1), Pin(base="m", version=2), Pin(base="m_shadow", version=3)


def steps(old, new, **options):
    return [describe(operation) for operation in plan_operations(old, new, **options)]


def describe(operation):
    match operation:
        case PinArm():
            return f"pin {operation.arm} {operation.pin.version}"
        case AwaitArm():
            return f"await {operation.arm}"
        case SetRoutes(traffic=traffic):
            candidate = "none" if traffic.candidate is None else traffic.candidate.version
            shares = f"{traffic.candidate_percent}/{traffic.mirrored_percent}"
            return f"route {shares} {traffic.salt} candidate {candidate}"


def test_a_canary_gets_requests_once_its_version_serves():
    old = Traffic(stable=A)
    new = Traffic(stable=A, candidate=B, candidate_percent=10, mirrored_percent=100, salt="r1")
    assert steps(old, new) == [
        "pin candidate 2",
        "await candidate",
        "route 0/0 r1 candidate 2",  # keys are dealt anew before the candidate has any
        "route 10/100 r1 candidate 2",
    ]


def test_a_step_is_one_change_of_routes():
    old = Traffic(stable=A, candidate=B, candidate_percent=10, mirrored_percent=100, salt="r1")
    assert steps(old, replace(old, candidate_percent=25)) == ["route 25/100 r1 candidate 2"]


@pytest.mark.parametrize("percent", [10, 100])
def test_a_rollback_begins_with_the_routes_and_loads_nothing_that_is_needed(percent):
    old = Traffic(stable=A, candidate=B, candidate_percent=percent, mirrored_percent=50, salt="r1")
    new = Traffic(stable=A, salt="r1")
    assert steps(old, new) == [
        "route 0/0 r1 candidate 2",
        "pin candidate 1",
        "route 0/0 r1 candidate none",
    ]


def test_a_promotion_pins_the_stable_server_while_the_candidate_answers_everything():
    old = Traffic(stable=A, candidate=B, candidate_percent=50, mirrored_percent=100, salt="r1")
    assert steps(old, Traffic(stable=B, salt="r1")) == [
        "await candidate",
        "route 100/0 r1 candidate 2",
        "pin stable 2",
        "await stable",
        "route 0/0 r1 candidate 2",
        "route 0/0 r1 candidate none",
    ]


def test_another_stable_version_serves_as_candidate_first():
    assert steps(Traffic(stable=A), Traffic(stable=B)) == [
        "pin candidate 2",
        "await candidate",
        "route 100/0 none candidate 2",
        "pin stable 2",
        "await stable",
        "route 0/0 none candidate 2",
        "route 0/0 none candidate none",
    ]


def test_a_candidate_that_did_not_load_is_pinned_again():
    old = Traffic(stable=A, candidate=B, salt="r1")
    new = replace(old, candidate_percent=10)
    assert steps(old, new, unsettled={Arm.CANDIDATE}) == [
        "pin candidate 2",
        "await candidate",
        "route 10/0 r1 candidate 2",
    ]


def test_a_stable_version_that_did_not_load_is_replaced_by_way_of_the_candidate():
    failed = Traffic(stable=B, candidate=B, candidate_percent=100, salt="r1")
    assert steps(failed, Traffic(stable=A, salt="r1"), unsettled={Arm.STABLE}) == [
        "route 0/0 r1 candidate 2",  # the stable server still serves what it served before
        "pin candidate 1",
        "await candidate",
        "route 100/0 r1 candidate 1",
        "pin stable 1",
        "await stable",
        "route 0/0 r1 candidate 1",
        "route 0/0 r1 candidate none",
    ]


def test_the_same_number_of_another_folder_is_refused():
    same = Pin(base="m_shadow", version=1)
    with pytest.raises(ValueError, match="m/1 and m_shadow/1 have the same number"):
        plan_operations(Traffic(stable=A), Traffic(stable=A, candidate=same))


pins = st.sampled_from([A, B, C])
percents = st.integers(0, 100)
salts = st.sampled_from(["r1", "r2"])
rollouts = st.builds(
    Traffic,
    stable=pins,
    candidate=pins,
    candidate_percent=percents,
    mirrored_percent=percents,
    salt=salts,
)
traffics = st.builds(Traffic, stable=pins, salt=salts) | rollouts


def arms_with_requests(traffic):
    if traffic.mirrored_percent:
        return set(Arm)
    return {
        *([Arm.CANDIDATE] if traffic.candidate_percent > 0 else []),
        *([Arm.STABLE] if traffic.candidate_percent < 100 else []),
    }


@given(traffics, traffics, st.sets(st.sampled_from([Arm.CANDIDATE])))
def test_an_arm_changes_its_version_only_while_it_gets_no_requests(old, new, unsettled):
    if old.candidate_percent or old.mirrored_percent:
        unsettled = set()
    routes, pins, loading = old, {arm: pin_of(old, arm) for arm in Arm}, set(unsettled)
    for operation in plan_operations(old, new, unsettled=unsettled):
        match operation:
            case PinArm(arm=arm, pin=pin, traffic=traffic):
                assert arm not in arms_with_requests(routes)
                pins[arm] = pin
                loading.add(arm)
                assert {arm: pin_of(traffic, arm) for arm in Arm} == pins
            case AwaitArm(arm=arm):
                loading.discard(arm)
            case SetRoutes(traffic=traffic):
                assert loading.isdisjoint(arms_with_requests(traffic))
                # Keys change arms by another salt only while the candidate has none.
                both = (routes.candidate_percent, traffic.candidate_percent)
                assert traffic.salt == routes.salt or 0 in both
                routes = traffic
    assert shares(routes) == shares(new)
    assert pins == {arm: pin_of(new, arm) for arm in Arm}
    assert loading <= ({Arm.CANDIDATE} if new.candidate is None else set())


def shares(traffic):
    percents = (traffic.candidate_percent, traffic.mirrored_percent)
    return (*percents, traffic.salt, traffic.candidate is None)


@given(rollouts, percents, percents)
def test_other_shares_are_one_change_of_routes_at_most(old, percent, mirrored):
    new = replace(old, candidate_percent=percent, mirrored_percent=mirrored)
    assert plan_operations(old, new) == ([] if old == new else [SetRoutes(traffic=new)])
