"""A running gateway: two servers of one model, and Envoy in front of them."""

import threading
from dataclasses import replace
from types import TracebackType

from filelock import FileLock, Timeout

from common.errors import InputError
from production.gateway.envoy_files import Ports, envoy_program
from production.gateway.members import GatewayError, GatewaySpec, Member, Members
from production.gateway.plan import (
    AwaitArm,
    Operation,
    PinArm,
    Plan,
    Position,
    SetRoutes,
    make_plan,
    pin_of,
)
from production.gateway.supervisor import Supervisor
from production.gateway.traffic import Arm, Pin, Traffic

__all__ = ["Gateway", "GatewayError", "GatewaySpec", "Member", "Members"]


# Without its stable version, the gateway has nothing else to do.
_STABLE_TIMEOUT_S = 600.0


class Gateway:
    """Runs the processes of a gateway while its context is open, and changes its traffic."""

    def __init__(self, spec: GatewaySpec, traffic: Traffic) -> None:
        """Starts nothing yet.

        Args:
            spec: What it is made from.
            traffic: The traffic to start with.
        """
        self._spec = spec
        self._lock = FileLock(spec.path / "lock")
        self._supervisor = Supervisor(spec, self._step_background)
        self._changed = self._supervisor.changed
        # Both change only under the lock of `changed`.
        self._position = Position.at(traffic)
        self._background: list[Operation] = []
        self._applying = threading.Lock()

    def __enter__(self) -> "Gateway":
        """Starts the processes, and waits until requests are answered.

        A candidate that does not load is no error here: the stable version answers its keys.

        Raises:
            InputError: Another gateway of this model runs, a version or a file of the options does
                not exist, a port is taken, or Envoy is not installed.
            GatewayError: The stable version does not load, or Envoy does not start.
        """
        self._spec.path.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"A gateway of `{self._spec.model}` already runs on {self._spec.folder.root}. "
                "Stop it first, or serve another folder with --output."
            ) from None
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    @property
    def ports(self) -> Ports:
        """Where the gateway and its servers listen."""
        return self._supervisor.ports

    @property
    def traffic(self) -> Traffic | None:
        """The traffic whose routes are in force; None if Envoy did not acknowledge them."""
        return self._position.routes

    def apply(self, traffic: Traffic) -> None:
        """Changes the traffic, without a failed request.

        Returns once requests are answered as asked: Envoy has acknowledged the routes, and each
        server that gets requests serves its version. Other shares take one rename. After a rollout
        the candidate's server loads the stable version in the background.

        Raises:
            InputError: A version does not exist.
            GatewayError: A version does not load, or Envoy does not take the routes. Requests are
                answered as before, and the next call goes on from there.
        """
        with self._applying:
            with self._changed:
                self._background.clear()
                for arm in Arm:
                    self._check_exists(pin_of(traffic, arm))
                plan = self._plan(traffic)
            for operation in plan.operations:
                try:
                    self._do(operation)
                except OSError as error:
                    raise GatewayError(
                        f"A file of the gateway cannot be written: {error}"
                    ) from error
            with self._changed:
                self._background.extend(plan.background)

    def check(self) -> Members:
        """Returns which processes run and serve; those that ended are started again by themselves.

        Raises:
            GatewayError: The gateway ended.
        """
        self._supervisor.check()
        stable, candidate = (self._supervisor.server(arm) for arm in Arm)
        return Members(stable=stable, candidate=candidate, envoy=self._supervisor.envoy())

    def _start(self) -> None:
        envoy_program()
        traffic = self._position.routes
        assert traffic is not None  # noqa: S101 - set by __init__
        for pin in self._position.pins.values():
            self._check_exists(pin)
        self._supervisor.start(traffic, self._position.pins)
        problem = f"{traffic.stable} does not load"
        self._supervisor.await_arm(Arm.STABLE, problem, timeout_s=_STABLE_TIMEOUT_S)
        try:
            self._supervisor.await_arm(Arm.CANDIDATE, "The candidate does not load")
        except GatewayError:
            self._supervisor.check()
            with self._changed:
                self._position = replace(self._position, unsettled=frozenset({Arm.CANDIDATE}))
        self._supervisor.await_envoy()

    def _stop(self) -> None:
        self._supervisor.stop()
        self._lock.release()

    def _plan(self, traffic: Traffic) -> Plan:
        try:
            return make_plan(self._position, traffic)
        except ValueError as error:
            raise InputError(str(error)) from error

    def _check_exists(self, pin: Pin) -> None:
        path = self._spec.folder.serving(pin.base) / str(pin.version)
        if not path.is_dir():
            # A server unloads everything if it is pinned to a version that does not exist.
            raise InputError(f"{pin} cannot be served: there is no folder {path}.")

    def _do(self, operation: Operation) -> None:
        match operation:
            case PinArm(arm=arm, pin=pin):
                with self._changed:
                    self._supervisor.pin(arm, pin)
                    self._position = self._position.after(operation)
            case AwaitArm(arm=arm):
                pin = self._position.pins[arm]
                self._supervisor.await_arm(arm, f"{pin} does not load")
                self._supervisor.await_health(arm)
                with self._changed:
                    self._position = self._position.after(operation)
            case SetRoutes(traffic=traffic):
                with self._changed:
                    self._position = replace(self._position, routes=None)
                    version = self._supervisor.write_routes(traffic)
                self._supervisor.await_routes(version)
                with self._changed:
                    self._position = self._position.after(operation)

    def _step_background(self) -> None:
        """Does what is due of the background; called by the supervisor's thread, under the lock."""
        while self._background:
            operation = self._background[0]
            match operation:
                case PinArm(arm=arm, pin=pin):
                    self._supervisor.pin(arm, pin)
                case AwaitArm(arm=arm):
                    member = self._supervisor.server(arm)
                    if member.error:
                        self._background.clear()
                    if not member.is_serving:
                        return
                case SetRoutes(traffic=traffic):
                    # The arms get the same requests as before: nobody waits for Envoy.
                    self._supervisor.write_routes(traffic)
            self._position = self._position.after(operation)
            self._background.pop(0)
