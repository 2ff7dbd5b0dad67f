"""Strategies: the steps of a rollout, and the traffic of a state."""

from pipeline.production_options.rollout import CanaryStep, RolloutOptions, ShadowStep, StrategyName
from production.gateway.traffic import Traffic
from production.rollout.candidates import Candidate
from production.rollout.state import Plan, Stage, State


def plan_stages(options: RolloutOptions, strategy: StrategyName) -> tuple[Stage, ...]:
    """Returns the steps of a rollout.

    `shadow` has one step, in which the candidate gets copies. `canary` has the configured steps.
    `blue_green` starts as `shadow`, and then answers all requests until it is final.

    Args:
        options: The config's `rollout`.
        strategy: The strategy, which may differ from the config's.
    """
    mirrored = options.mirror_percent
    if strategy == "canary":
        return tuple(_stage(step, step.percent, mirrored) for step in options.steps)
    shadow = _stage(options.shadow, 0, mirrored)
    if strategy == "shadow":
        return (shadow,)
    return (shadow, Stage(percent=100, mirrored_percent=mirrored, min_time_s=options.bake_s))


def _stage(step: CanaryStep | ShadowStep, percent: int, mirrored_percent: int) -> Stage:
    return Stage(
        percent=percent,
        mirrored_percent=mirrored_percent,
        min_requests=step.min_requests,
        min_time_s=step.min_time_s,
    )


def make_plan(candidate: Candidate, options: RolloutOptions, strategy: StrategyName) -> Plan:
    """Returns the plan of a candidate's rollout.

    Args:
        candidate: The candidate; one that the gate could not judge starts in shadow mode.
        options: The config's `rollout`.
        strategy: The wanted strategy.
    """
    chosen = strategy if candidate.is_judged else "shadow"
    return Plan(
        candidate=candidate.pin,
        strategy=chosen,
        stages=plan_stages(options, chosen),
        approved=candidate.is_judged,
    )


def traffic_of(state: State) -> Traffic:
    """Returns what the gateway does in a state.

    A rollout that is held or waits keeps the traffic of its step. Without one, all requests go to
    the stable version, under the last rollout's id.
    """
    salt = state.rollout.id if state.rollout else "none"
    rollout = state.active
    if rollout is None:
        return Traffic(stable=state.stable, candidate=None, salt=salt)
    return Traffic(
        stable=rollout.stable,
        candidate=rollout.candidate,
        candidate_percent=rollout.stage.percent,
        mirrored_percent=rollout.stage.mirrored_percent,
        salt=salt,
    )
