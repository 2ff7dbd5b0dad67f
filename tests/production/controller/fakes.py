"""A gateway without processes, and a controller with a clock of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from common.errors import StepFailedError
from common.output_folder import OutputFolder
from production.controller import Controller, Setup
from production.gateway.members import Member, Members
from production.gateway.traffic import Pin, Traffic
from production.rollout.markers import controlling, is_controlled


def serving_members() -> Members:
    """Returns the processes of a gateway that has just started."""
    stable, candidate, envoy = (
        Member(name=name, pid=1, is_serving=True, num_starts=1, log=Path(f"{name}.log"))
        for name in ("stable", "candidate", "envoy")
    )
    return Members(stable=stable, candidate=candidate, envoy=envoy)


@dataclass
class FakeGateway:
    """Notes the traffic that it is told; a version in `broken` does not load.

    Attributes:
        traffics: All that was applied, in order.
        broken: Versions that do not load.
        num_failures: How often `apply` failed.
        members: Its processes.
    """

    traffics: list[Traffic] = field(default_factory=list)
    broken: set[Pin] = field(default_factory=set)
    num_failures: int = 0
    members: Members = field(default_factory=serving_members)

    def check(self) -> Members:
        """Returns the processes."""
        return self.members

    def end_candidate(self, last_end: str = "signal 9 (SIGKILL)") -> None:
        """Ends the candidate's server, which is then started again but does not answer yet."""
        candidate = self.members.candidate
        ended = replace(
            candidate, is_serving=False, num_ends=candidate.num_ends + 1, last_end=last_end
        )
        self.members = replace(self.members, candidate=ended)

    def answer_again(self) -> None:
        """Lets the candidate's server answer."""
        candidate = replace(self.members.candidate, is_serving=True)
        self.members = replace(self.members, candidate=candidate)

    def apply(self, traffic: Traffic) -> None:
        """Applies, or fails as the real one does."""
        for pin in (traffic.stable, traffic.candidate):
            if pin in self.broken:
                self.num_failures += 1
                raise StepFailedError(f"{pin.base}/{pin.version} does not load: no such op")
        self.traffics.append(traffic)

    @property
    def shares(self) -> list[tuple[int, int]]:
        """Stable version and candidate's percent of all that was applied."""
        return [(one.stable.version, one.candidate_percent) for one in self.traffics]


@dataclass
class Rig:
    """A controller of `wells`, stepped by the test.

    Attributes:
        folder: The output folder.
        gateway: What it applies to.
        said: Lines for people.
        controller: The controller.
    """

    folder: OutputFolder
    gateway: FakeGateway
    said: list[str]
    controller: Controller

    @property
    def place(self) -> Any:
        """The folder of the rollouts."""
        return self.folder.rollouts("wells")


def make_rig(folder: OutputFolder, gateway: FakeGateway | None = None, **setup: Any) -> Rig:
    """Returns a controller with a fake gateway."""
    said: list[str] = []
    gateway = gateway or FakeGateway()
    controller = Controller(folder, "wells", gateway, Setup(say=said.append, **setup))
    return Rig(folder=folder, gateway=gateway, said=said, controller=controller)


@contextmanager
def running(rig: Rig) -> Iterator[None]:
    """Runs the controller in a thread."""
    stop = threading.Event()

    def run() -> None:
        with controlling(rig.place):
            rig.controller.run(stop.is_set)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        while not (is_controlled(rig.place) and rig.gateway.traffics):
            stop.wait(0.01)
        yield
    finally:
        stop.set()
        thread.join()


def steps_until(rig: Rig, is_true: Callable[[], bool], *, timeout_s: float = 20.0) -> None:
    """Steps until something is true.

    Raises:
        AssertionError: It is not in time.
    """
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, (rig.said, rig.gateway.traffics)
        rig.controller.step()
        time.sleep(0.005)
