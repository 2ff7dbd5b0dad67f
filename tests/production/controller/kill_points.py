"""Kills a rollout at each of its writes, and looks at what the next process finds.

    python -m tests.production.controller.kill_points FOLDER

One process forks a child for each point. The child goes through a whole rollout, with its commands
and its controller, and is killed in front of its n-th write; a kill in front of `os.write` leaves
half of the bytes. The parent then goes on as the next command and the next gateway would. It prints
one line of JSON for each point.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from common.output_folder import OutputFolder
from pipeline.production_options.rollout import RolloutOptions
from production.controller import controller as loop
from production.controller import watching
from production.gateway.traffic import Pin
from production.rollback import Decision
from production.rollout.actions import act, open_journal, start
from production.rollout.candidates import Candidate
from production.rollout.markers import read_applied
from production.rollout.metadata import EXECUTION_TYPE, record_journal
from production.rollout.progress import read_progress
from production.rollout.strategies import make_plan, traffic_of
from tests.production.collection.recorded import Stream, record
from tests.production.controller.fakes import make_rig
from tests.production.rollout.pushes import new_store, place, push

ADA = Decision(by="Ada", why="a test of kills")
WRITES = ("write", "fsync", "ftruncate", "replace", "rename")
_MAX_POINTS = 200


def kill_at(point: int) -> None:
    """Lets this process be killed in front of its n-th write."""
    count = 0

    def wrapped(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def killing(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == point:
                if name == "write":
                    call(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return killing

    for name in WRITES:
        setattr(os, name, wrapped(name, getattr(os, name)))


def new_folder(root: Path) -> OutputFolder:
    """Returns an output folder with two versions and ten pairs of answers to come."""
    folder = OutputFolder(root)
    for version in (100, 200):
        place(folder, version)
    later = datetime.now(UTC) + timedelta(minutes=1)
    for arm in ("stable", "candidate"):
        stream = Stream(folder.collected("wells"), f"{arm}-1")
        stream.write(*(record(f"q{number}", arm) | {"time": later} for number in range(10)))
    return folder


def begin_rollout(folder: OutputFolder) -> None:
    """Starts the rollout of version 200."""
    candidate = Candidate(pin=Pin(base="wells", version=200), verdict="BLESSED")
    start(folder, "wells", make_plan(candidate, RolloutOptions(), "canary"), ADA)


def go_through_a_rollout(folder: OutputFolder) -> None:
    """A rollout from its start to its rollback, followed by its gateway."""
    begin_rollout(folder)
    rig = make_rig(folder)
    rig.controller.step()
    for action in ("advance", "hold", "approve", "roll_back"):
        act(folder, "wells", action, ADA)
        rig.controller.step()


def check_recovery(folder: OutputFolder) -> str:
    """Goes on as the next processes do; returns the state that was found."""
    journal = open_journal(folder, "wells")
    state = journal.state()
    if state is None or state.rollout is None:
        words = "not started"
    else:
        words = f"{state.rollout.phase} at {state.rollout.stage.percent} %"
        progress = read_progress(journal.folder, state.rollout)
        assert progress is None or progress.num_pairs == 10
    if state is None or state.active is None:
        begin_rollout(folder)
    rig = make_rig(folder)
    rig.controller.step()
    state = journal.state()
    assert state is not None
    assert state.rollout is not None
    assert rig.gateway.traffics[-1] == traffic_of(state)
    applied = read_applied(journal.folder)
    assert applied is not None
    assert applied.sequence == len(journal.read())
    progress = read_progress(journal.folder, state.rollout)
    assert progress is not None
    assert progress.num_pairs == 10  # each pair once, whatever was read before the kill
    act(folder, "wells", "abort", ADA)
    rig.controller.step()
    assert rig.gateway.shares[-1] == (100, 0)
    assert [entry.sequence for entry in journal.read()] == [*range(1, len(journal.read()) + 1)]
    return words


def record_with_kill(folder: OutputFolder, point: int) -> None:
    """Records a journal in ML Metadata; is killed before or after one of its executions."""
    store = new_store(folder)
    put = store.put_execution
    calls = 0

    def killing(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if point == 2 * calls - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        result = put(*arguments, **options)
        if point == 2 * calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    store.put_execution = killing
    record_journal(store, folder, open_journal(folder, "wells").read())


def check_record(folder: OutputFolder) -> str:
    """Records what is missing; returns how much that was."""
    store = new_store(folder)
    entries = open_journal(folder, "wells").read()
    num_missing = record_journal(store, folder, entries)
    assert len(store.get_executions_by_type(EXECUTION_TYPE)) == len(entries)
    return f"{num_missing} of {len(entries)} missing"


def try_points(
    root: Path,
    prepare: Callable[[Path], OutputFolder],
    disturbed: Callable[[OutputFolder, int], None],
    check: Callable[[OutputFolder], str],
) -> None:
    """Kills a child at one point after the other, until one comes through."""
    for point in range(1, _MAX_POINTS):
        folder = prepare(root / str(point))
        child = os.fork()
        if child == 0:
            try:
                disturbed(folder, point)
            except BaseException:  # noqa: BLE001 - the parent's code is not the child's
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        try:
            outcome: dict[str, Any] = {"state": check(folder)}
        except Exception:  # noqa: BLE001 - the test shows it
            outcome = {"error": traceback.format_exc()}
        was_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        outcome |= {"point": point, "killed": was_killed, "code": status}
        sys.stdout.write(json.dumps(outcome) + "\n")
        if not was_killed:
            return


def _disturbed_rollout(folder: OutputFolder, point: int) -> None:
    kill_at(point)
    go_through_a_rollout(folder)


def _recorded_folder(root: Path) -> OutputFolder:
    folder = OutputFolder(root)
    root.mkdir(parents=True)
    for version in (100, 200):
        push(new_store(folder), folder, version)
    begin_rollout(folder)
    return folder


def main() -> None:
    """Tries all points of a rollout, and of its record in ML Metadata."""
    root = Path(sys.argv[1])
    # Each look at the evidence is due at once, and is kept.
    loop._EVIDENCE_S = watching._SAVE_S = 0.0
    loop._SERVICE_S = 0.0
    try_points(root / "rollout", new_folder, _disturbed_rollout, check_recovery)
    sys.stdout.write("\n")
    try_points(root / "record", _recorded_folder, record_with_kill, check_record)


if __name__ == "__main__":
    main()
