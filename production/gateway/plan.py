"""The order in which the gateway goes from one traffic to another, so that no request fails."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from production.gateway.traffic import Arm, Pin, Traffic


@dataclass(frozen=True, kw_only=True)
class PinArm:
    """Tell an arm's server to load a version in place of the one that it serves.

    Attributes:
        arm: The arm.
        pin: The version.
    """

    arm: Arm
    pin: Pin


@dataclass(frozen=True, kw_only=True)
class AwaitArm:
    """Wait until an arm's server serves the version that it is pinned to, and Envoy knows it.

    Attributes:
        arm: The arm.
    """

    arm: Arm


@dataclass(frozen=True, kw_only=True)
class SetRoutes:
    """Change the shares of the arms.

    Attributes:
        traffic: What the routes are made from.
    """

    traffic: Traffic


Operation = PinArm | AwaitArm | SetRoutes


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where the gateway is, between two operations.

    Attributes:
        pins: Version that each server is pinned to.
        routes: What the routes in force were made from; None if Envoy did not acknowledge the last
            ones.
        unsettled: Servers that were pinned, but not seen since to serve their version.
    """

    pins: dict[Arm, Pin]
    routes: Traffic | None
    unsettled: frozenset[Arm] = frozenset()

    @classmethod
    def at(cls, traffic: Traffic) -> "Position":
        """Returns the position in which a traffic is in force."""
        return cls(pins={arm: pin_of(traffic, arm) for arm in Arm}, routes=traffic)

    def after(self, operation: Operation) -> "Position":
        """Returns the position after an operation."""
        match operation:
            case PinArm(arm=arm, pin=pin):
                pins = {**self.pins, arm: pin}
                return replace(self, pins=pins, unsettled=self.unsettled | {arm})
            case AwaitArm(arm=arm):
                return replace(self, unsettled=self.unsettled - {arm})
            case SetRoutes(traffic=traffic):
                return replace(self, routes=traffic)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Operations in order.

    Attributes:
        operations: After these, requests are answered as it is wanted.
        background: What is done then, while nobody waits: the candidate's server, which gets no
            requests, loads the stable version and becomes the fallback.
    """

    operations: Sequence[Operation]
    background: Sequence[Operation] = ()


def pin_of(traffic: Traffic, arm: Arm) -> Pin:
    """Returns the version that an arm's server is pinned to."""
    if arm is Arm.STABLE or traffic.candidate is None:
        return traffic.stable
    return traffic.candidate


def make_plan(position: Position, wanted: Traffic) -> Plan:
    """Returns the operations that lead to a traffic.

    An arm gets another version only while it gets no requests, and gets requests only after its
    version serves. So a new stable version is first served by the candidate's server, then by both,
    and an operation that fails leaves the gateway serving as before. The arms stand in for each
    other only while their servers serve the same version, see `write_routes`. A rollback begins
    with its change of routes.

    Args:
        position: Where the gateway is, which may be the middle of an earlier plan.
        wanted: The traffic to lead to.

    Raises:
        ValueError: A server would go from a version of one folder to the same number of another,
            which it cannot tell apart.
    """
    steps = _Steps(position, wanted.salt)
    if position.pins[Arm.STABLE] != wanted.stable or Arm.STABLE in position.unsettled:
        steps.pin_candidate(wanted.stable)
        steps.wait(Arm.CANDIDATE)
        steps.answer_by_candidate(percent=100)
        steps.pin(Arm.STABLE, wanted.stable)
        steps.wait(Arm.STABLE)
        steps.answer_by_candidate(percent=0)
    if not wanted.has_one_version and (position.routes is None or position.routes.has_one_version):
        # From here on, nothing stands in for the stable server.
        steps.wait(Arm.STABLE)
    steps.pin_candidate(pin_of(wanted, Arm.CANDIDATE))
    is_loading = Arm.CANDIDATE in steps.position.unsettled
    # The pin is the last operation then.
    split = len(steps.operations) - 1 if is_loading and wanted.candidate is None else None
    if is_loading:
        steps.wait(Arm.CANDIDATE)
    steps.set_routes(wanted)
    background = () if split is None else steps.operations[split:]
    return Plan(operations=steps.operations[:split], background=background)


class _Steps:
    """The operations so far, and the position after them."""

    def __init__(self, position: Position, salt: str) -> None:
        self.position = position
        self.operations: list[Operation] = []
        self._salt = salt

    def pin_candidate(self, pin: Pin) -> None:
        """Pins the candidate's server, after its requests went to the stable one."""
        pins, routes = self.position.pins, self.position.routes
        if pin == pins[Arm.CANDIDATE] and Arm.CANDIDATE not in self.position.unsettled:
            return
        stable = pins[Arm.STABLE]
        # Until the server is settled, it does not stand in for the stable one.
        versions = (pin, pins[Arm.CANDIDATE], routes.candidate if routes else None)
        other = next((version for version in versions if version not in {stable, None}), None)
        self.set_routes(Traffic(stable=stable, candidate=other, salt=self._salt))
        self.pin(Arm.CANDIDATE, pin)

    def pin(self, arm: Arm, pin: Pin) -> None:
        """Pins a server that gets no requests."""
        before = self.position.pins[arm]
        if before != pin and before.version == pin.version:
            raise ValueError(
                f"{before} and {pin} have the same number: a server cannot go from one to the "
                "other. Push the model again."
            )
        self._do(PinArm(arm=arm, pin=pin))

    def wait(self, arm: Arm) -> None:
        """Waits until an arm serves its version."""
        self._do(AwaitArm(arm=arm))

    def answer_by_candidate(self, *, percent: int) -> None:
        """Gives the candidate a share, without copies to the other arm."""
        pins = self.position.pins
        self.set_routes(
            Traffic(
                stable=pins[Arm.STABLE],
                candidate=pins[Arm.CANDIDATE],
                candidate_percent=percent,
                salt=self._salt,
            )
        )

    def set_routes(self, traffic: Traffic) -> None:
        """Changes the routes where they differ."""
        routes = self.position.routes
        if routes is None or _routed(traffic) != _routed(routes):
            self._do(SetRoutes(traffic=traffic))

    def _do(self, operation: Operation) -> None:
        self.operations.append(operation)
        self.position = self.position.after(operation)


def _routed(traffic: Traffic) -> tuple[object, ...]:
    """Returns what the routes depend on."""
    shares = (traffic.candidate_percent, traffic.mirrored_percent)
    return (*shares, traffic.salt, traffic.candidate is None, traffic.has_one_version)
