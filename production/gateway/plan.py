"""The order in which the gateway goes from one traffic to another, so that no request fails."""

from collections.abc import Collection
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


def plan_operations(
    old: Traffic, new: Traffic, *, unsettled: Collection[Arm] = ()
) -> list[Operation]:
    """Returns the operations that lead from one traffic to another, in order.

    An arm gets another version only while it gets no requests, and gets requests only after its
    version serves. So a new stable version is first served by the candidate's server, then by both,
    and an operation that fails leaves the gateway serving as before. A rollback begins with its
    change of routes. The last change of pin is not waited for if the arm gets no requests: the
    candidate's server gets warm in the background.

    Args:
        old: The traffic now, which may be that between two operations of an earlier plan.
        new: The traffic that is wanted.
        unsettled: Arms that were pinned, but that nobody saw serving their version since.

    Raises:
        ValueError: An arm would go from a version of one folder to the same number of another,
            which a server cannot tell apart.
    """
    steps = _Steps(old, unsettled)
    if old.stable != new.stable or Arm.STABLE in unsettled:
        steps.pin(Arm.CANDIDATE, new.stable)
        steps.wait(Arm.CANDIDATE)
        steps.route(candidate_percent=100)
        steps.pin(Arm.STABLE, new.stable)
        steps.wait(Arm.STABLE)
        steps.route(candidate_percent=0)
    steps.pin(Arm.CANDIDATE, pin_of(new, Arm.CANDIDATE))
    if new.candidate is not None and Arm.CANDIDATE in steps.unsettled:
        steps.wait(Arm.CANDIDATE)
    if steps.traffic.salt != new.salt:
        # Keys are dealt anew while the candidate has none.
        steps.route(candidate_percent=0, salt=new.salt)
    steps.set_routes(new)
    return steps.operations


class _Steps:
    """The operations so far, and the state after them."""

    def __init__(self, traffic: Traffic, unsettled: Collection[Arm]) -> None:
        self.traffic = traffic
        self.unsettled = set(unsettled)
        self.operations: list[Operation] = []
        self._routed = _routed(traffic)

    def pin(self, arm: Arm, pin: Pin) -> None:
        """Pins an arm, after its requests went to the other one."""
        before = pin_of(self.traffic, arm)
        if before == pin and arm not in self.unsettled:
            return
        if before != pin and before.version == pin.version:
            raise ValueError(
                f"{before.base}/{before.version} and {pin.base}/{pin.version} have the same "
                "number: a server cannot go from one to the other. Push the model again."
            )
        self.route(candidate_percent=100 if arm is Arm.STABLE else 0)
        stable = pin if arm is Arm.STABLE else self.traffic.stable
        candidate = pin_of(self.traffic, Arm.CANDIDATE) if arm is Arm.STABLE else pin
        self.traffic = replace(self.traffic, stable=stable, candidate=candidate)
        self.unsettled.add(arm)
        self.operations.append(PinArm(arm=arm, pin=pin, traffic=self.traffic))

    def wait(self, arm: Arm) -> None:
        """Waits until an arm serves its version."""
        self.unsettled.discard(arm)
        self.operations.append(AwaitArm(arm=arm))

    def route(self, *, candidate_percent: int, salt: str | None = None) -> None:
        """Sends requests to the arms without copies to the other one."""
        candidate = pin_of(self.traffic, Arm.CANDIDATE)
        self.set_routes(
            replace(
                self.traffic,
                candidate=candidate if candidate_percent else self.traffic.candidate,
                candidate_percent=candidate_percent,
                mirrored_percent=0,
                salt=self.traffic.salt if salt is None else salt,
            )
        )

    def set_routes(self, traffic: Traffic) -> None:
        """Changes the routes where they differ."""
        if _routed(traffic) != self._routed:
            self.operations.append(SetRoutes(traffic=traffic))
            self._routed = _routed(traffic)
        self.traffic = traffic


def _routed(traffic: Traffic) -> tuple[object, ...]:
    """Returns what the routes depend on: the shares, and whether the candidate may be asked for."""
    has_candidate = traffic.candidate is not None
    shares = (traffic.candidate_percent, traffic.mirrored_percent)
    return (*shares, traffic.salt, has_candidate)
