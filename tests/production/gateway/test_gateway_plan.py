"""The order of the gateway's changes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from production.gateway.plan import AwaitArm, PinArm, Position, SetRoutes, make_plan, pin_of
from production.gateway.traffic import Arm, Pin, Traffic

A, B, C = Pin(base="m", version=1), Pin(base="m", version=2), Pin(base="m_shadow", version=3)


def steps(position, wanted):
    """The operations in words, `---` before those in the background."""
    if isinstance(position, Traffic):
        position = Position.at(position)
    plan = make_plan(position, wanted)
    background = ["---", *map(describe, plan.background)] if plan.background else []
    return [*map(describe, plan.operations), *background]


def describe(operation):
    match operation:
        case PinArm():
            return f"pin {operation.arm} {operation.pin.version}"
        case AwaitArm():
            return f"await {operation.arm}"
        case SetRoutes(traffic=traffic):
            candidate = "-" if traffic.candidate is None else traffic.candidate.version
            shares = f"{traffic.candidate_percent}/{traffic.mirrored_percent}"
            return f"route {traffic.stable.version},{candidate} {shares}"


def test_a_canary_gets_requests_once_its_version_serves():
    wanted = Traffic(stable=A, candidate=B, candidate_percent=10, mirrored_percent=100, salt="r1")
    assert steps(Traffic(stable=A), wanted) == [
        "await stable",
        "route 1,2 0/0",  # the candidate no longer stands in for the stable server
        "pin candidate 2",
        "await candidate",
        "route 1,2 10/100",
    ]


def test_a_step_is_one_change_of_routes():
    old = Traffic(stable=A, candidate=B, candidate_percent=10, mirrored_percent=100, salt="r1")
    assert steps(old, replace(old, candidate_percent=25)) == ["route 1,2 25/100"]
    assert steps(old, old) == []


@pytest.mark.parametrize("percent", [10, 100])
def test_a_rollback_is_one_change_of_routes_and_the_rest_is_for_later(percent):
    old = Traffic(stable=A, candidate=B, candidate_percent=percent, mirrored_percent=50, salt="r1")
    assert steps(old, Traffic(stable=A)) == [
        "route 1,2 0/0",
        "---",
        "pin candidate 1",
        "await candidate",
        "route 1,- 0/0",  # only now may the candidate stand in for the stable server
    ]


def test_a_promotion_pins_the_stable_server_while_the_candidate_answers_everything():
    old = Traffic(stable=A, candidate=B, candidate_percent=50, mirrored_percent=100, salt="r1")
    assert steps(old, Traffic(stable=B, salt="r1")) == [
        "await candidate",
        "route 1,2 100/0",
        "pin stable 2",
        "await stable",
        "route 2,2 0/0",
        "route 2,- 0/0",
    ]


def test_another_stable_version_serves_as_candidate_first():
    assert steps(Traffic(stable=A), Traffic(stable=B)) == [
        "route 1,2 0/0",
        "pin candidate 2",
        "await candidate",
        "route 1,2 100/0",
        "pin stable 2",
        "await stable",
        "route 2,2 0/0",
        "route 2,- 0/0",
    ]


def test_a_candidate_that_did_not_load_is_pinned_again():
    failed = Position(
        pins={Arm.STABLE: A, Arm.CANDIDATE: B},
        routes=Traffic(stable=A, candidate=B),
        unsettled=frozenset({Arm.CANDIDATE}),
    )
    assert steps(failed, Traffic(stable=A, candidate=B, candidate_percent=10)) == [
        "pin candidate 2",
        "await candidate",
        "route 1,2 10/0",
    ]


def test_a_stable_version_that_did_not_load_is_replaced_by_way_of_the_candidate():
    failed = Position(
        pins={Arm.STABLE: B, Arm.CANDIDATE: B},
        routes=Traffic(stable=A, candidate=B, candidate_percent=100),
        unsettled=frozenset({Arm.STABLE}),
    )
    assert steps(failed, Traffic(stable=A)) == [
        "route 2,1 0/0",  # the stable server still serves what it served before
        "pin candidate 1",
        "await candidate",
        "route 2,1 100/0",
        "pin stable 1",
        "await stable",
        "route 1,1 0/0",
        "route 1,- 0/0",
    ]


def test_routes_that_envoy_did_not_acknowledge_are_written_again():
    position = replace(Position.at(Traffic(stable=A)), routes=None)
    assert steps(position, Traffic(stable=A)) == ["route 1,- 0/0"]


def test_a_rollout_that_starts_before_the_candidate_is_warm_again_goes_on_from_there():
    position = Position(
        pins={Arm.STABLE: A, Arm.CANDIDATE: A},
        routes=Traffic(stable=A, candidate=B),
        unsettled=frozenset({Arm.CANDIDATE}),
    )
    assert steps(position, Traffic(stable=A)) == [
        "---",
        "pin candidate 1",
        "await candidate",
        "route 1,- 0/0",
    ]
    assert steps(position, Traffic(stable=A, candidate=B, mirrored_percent=100)) == [
        "pin candidate 2",
        "await candidate",
        "route 1,2 0/100",
    ]


def test_the_same_number_of_another_folder_is_refused():
    same = Pin(base="m_shadow", version=1)
    with pytest.raises(ValueError, match="m/1 and m_shadow/1 have the same number"):
        make_plan(Position.at(Traffic(stable=A)), Traffic(stable=A, candidate=same))


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


@st.composite
def positions(draw):
    """A position after some of the operations of some plan."""
    position = Position.at(draw(traffics))
    plan = make_plan(position, draw(traffics))
    operations = [*plan.operations, *plan.background]
    for operation in operations[: draw(st.integers(0, len(operations)))]:
        position = position.after(operation)
    return position


def arms_with_requests(traffic):
    if traffic.mirrored_percent:
        return set(Arm)
    return {
        *([Arm.CANDIDATE] if traffic.candidate_percent > 0 else []),
        *([Arm.STABLE] if traffic.candidate_percent < 100 else []),
    }


def stands_in(traffic):
    """Whether the candidate's server answers for the stable one while that is down."""
    return traffic.candidate in {None, traffic.stable}


@given(positions(), traffics)
def test_a_version_is_changed_without_requests_and_gets_requests_once_it_serves(position, wanted):
    plan = make_plan(position, wanted)
    for operation in [*plan.operations, *plan.background]:
        if isinstance(operation, PinArm):
            assert operation.arm not in arms_with_requests(position.routes)
        if isinstance(operation, PinArm) and operation.arm is Arm.CANDIDATE:
            assert not stands_in(position.routes) or position.pins[Arm.CANDIDATE] == operation.pin
        position = position.after(operation)
        if isinstance(operation, SetRoutes):
            routes = operation.traffic
            gets_requests = arms_with_requests(routes) - {Arm.STABLE}
            assert position.unsettled.isdisjoint(gets_requests)
            serves_same = position.pins[Arm.STABLE] == position.pins[Arm.CANDIDATE]
            assert not stands_in(routes) or serves_same
    assert position == Position.at(wanted)


@given(positions(), traffics)
def test_the_background_changes_no_answer(position, wanted):
    plan = make_plan(position, wanted)
    for operation in plan.operations:
        position = position.after(operation)
    assert arms_with_requests(position.routes) == arms_with_requests(wanted)
    assert position.pins[Arm.STABLE] == wanted.stable
    for operation in plan.background:
        if isinstance(operation, SetRoutes):
            assert arms_with_requests(operation.traffic) == {Arm.STABLE}
        if isinstance(operation, PinArm):
            assert operation.arm is Arm.CANDIDATE


@given(rollouts, percents, percents)
def test_other_shares_are_one_change_of_routes_at_most(old, percent, mirrored):
    new = replace(old, candidate_percent=percent, mirrored_percent=mirrored)
    operations = [] if old == new else [SetRoutes(traffic=new)]
    assert make_plan(Position.at(old), new).operations == operations


def test_the_pin_of_the_candidate_is_the_stable_one_without_a_rollout():
    assert pin_of(Traffic(stable=A), Arm.CANDIDATE) == A
    assert pin_of(Traffic(stable=A, candidate=B), Arm.CANDIDATE) == B
