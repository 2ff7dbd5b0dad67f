"""The order in which the gateway goes from one traffic to another, so that no request fails."""

from dataclasses import dataclass, replace
from enum import StrEnum

from production.gateway.traffic import Pin, Traffic


class Arm(StrEnum):
    """One of the two servers behind the gateway."""

    STABLE = "stable"
    CANDIDATE = "candidate"


@dataclass(frozen=True, kw_only=True)
class PinArm:
    """Tell an arm's server to load a version in place of the one that it serves.

    Attributes:
        arm: The arm.
        pin: The version.
        traffic: The traffic from then on.
    """

    arm: Arm
    pin: Pin
    traffic: Traffic


@dataclass(frozen=True, kw_only=True)
class AwaitArm:
    """Wait until an arm's server serves the version that it is pinned to, and no other.

    Attributes:
        arm: The arm.
    """

    arm: Arm


@dataclass(frozen=True, kw_only=True)
class SetRoutes:
    """Change the shares of the arms.

    Attributes:
        traffic: The traffic from then on.
    """

    traffic: Traffic


Operation = PinArm | AwaitArm | SetRoutes


def pin_of(traffic: Traffic, arm: Arm) -> Pin:
    """Returns the version that an arm's server is pinned to."""
    if arm is Arm.STABLE or traffic.candidate is None:
        return traffic.stable
    return traffic.candidate


def plan_operations(old: Traffic, new: Traffic) -> list[Operation]:
    """Returns the operations that lead from one traffic to another, in order.

    An arm gets another version only while it gets no requests, and gets requests only after its
    version serves. So a new stable version is first served by the candidate's server, then by both,
    and what one operation cannot do leaves the gateway serving as before. A rollback begins with
    its change of routes. The last change of pin is not waited for if the arm gets no requests: the
    candidate's server gets warm in the background.

    Args:
        old: The traffic now, which may be that between two operations of an earlier plan.
        new: The traffic that is wanted.

    Raises:
        ValueError: An arm would go from a version of one folder to the same number of another,
            which a server cannot tell apart.
    """
    steps = _Steps(old)
    if old.stable != new.stable:
        steps.pin(Arm.CANDIDATE, new.stable)
        steps.wait(Arm.CANDIDATE)
        steps.route(candidate_percent=100)
        steps.pin(Arm.STABLE, new.stable)
        steps.wait(Arm.STABLE)
        steps.route(candidate_percent=0)
    steps.pin(Arm.CANDIDATE, pin_of(new, Arm.CANDIDATE))
    if new.candidate is not None and (new.stable, new.candidate) != (old.stable, old.candidate):
        steps.wait(Arm.CANDIDATE)
    if steps.traffic.salt != new.salt:
        # Keys are dealt anew while the candidate has none.
        steps.route(candidate_percent=0, salt=new.salt)
    steps.finish(new)
    return steps.operations


class _Steps:
    """The operations so far, and the traffic after them."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        self.operations: list[Operation] = []

    def pin(self, arm: Arm, pin: Pin) -> None:
        """Pins an arm, after its requests went to the other one."""
        before = pin_of(self.traffic, arm)
        if before == pin:
            return
        if before.version == pin.version:
            raise ValueError(
                f"{before.base}/{before.version} and {pin.base}/{pin.version} have the same "
                "number: a server cannot go from one to the other. Push the model again."
            )
        self.route(candidate_percent=100 if arm is Arm.STABLE else 0)
        stable = pin if arm is Arm.STABLE else self.traffic.stable
        candidate = pin_of(self.traffic, Arm.CANDIDATE) if arm is Arm.STABLE else pin
        self.traffic = replace(self.traffic, stable=stable, candidate=candidate)
        self.operations.append(PinArm(arm=arm, pin=pin, traffic=self.traffic))

    def wait(self, arm: Arm) -> None:
        self.operations.append(AwaitArm(arm=arm))

    def route(self, *, candidate_percent: int, salt: str | None = None) -> None:
        """Sends requests to the arms without copies to the other one."""
        self._set_routes(
            replace(
                self.traffic,
                candidate=pin_of(self.traffic, Arm.CANDIDATE),
                candidate_percent=candidate_percent,
                mirrored_percent=0,
                salt=self.traffic.salt if salt is None else salt,
            )
        )

    def finish(self, traffic: Traffic) -> None:
        self._set_routes(traffic)

    def _set_routes(self, traffic: Traffic) -> None:
        shares = (traffic.candidate_percent, traffic.mirrored_percent, traffic.salt)
        before = self.traffic
        if shares != (before.candidate_percent, before.mirrored_percent, before.salt):
            self.operations.append(SetRoutes(traffic=traffic))
        self.traffic = traffic
