"""Kills a retraining at each of its writes, and looks at what the next process makes of it.

    python -m tests.production.retraining.kill_points FOLDER

A child goes through a whole retraining and is killed in front of its n-th write; a kill in front of
`os.write` leaves half of the bytes. The parent then goes on as the next loop would. It prints one
line of JSON for each point.
"""

import csv
import sys
from pathlib import Path
from typing import Any

from common.output_folder import OutputFolder
from production.retraining.journal import Journal, current_of
from tests.production.controller.kill_points import kill_at, try_points
from tests.production.retraining.worlds import World

LABELS = (1, 1, 1, 0, 0, 0, 0, 0, 0, 0)
_worlds: dict[Path, World] = {}


def new_folder(root: Path) -> OutputFolder:
    """Returns an output folder with ten new labels."""
    root.mkdir(parents=True)
    world = World(root / "work")
    world.ask(*LABELS)
    _worlds[world.folder.root] = world
    return world.folder


def go_through_a_retraining(folder: OutputFolder, point: int) -> None:
    """A retraining from its trigger to its end, killed at a point."""
    world = _worlds[folder.root]
    kill_at(point)
    retrainer = world.retrainer()
    retrainer.step()
    world.carry_out(retrainer)


def check_recovery(folder: OutputFolder) -> str:
    """Goes on as the next process does; returns the phase that was found."""
    world = _worlds[folder.root]
    entries = world.journal().read()
    current = current_of(entries)
    ended = entries[-1].retraining.phase if entries else "not begun"
    words = str(current.phase) if current else str(ended)
    retrainer = world.retrainer()
    retrainer.step()
    one = world.carry_out(retrainer)
    _check(world, one.data.num_rows if one.data else 0, one.to_json())
    return words


def _check(world: World, num_rows: int, values: dict[str, Any]) -> None:
    spans = sorted(path.name for path in (world.root / "spans").iterdir())
    assert spans == ["1", "2"], spans
    with (world.root / "spans" / "2" / "collected.csv").open() as file:
        labels = [row["faulty"] for row in csv.DictReader(file)]
    # Each labelled row once, whatever was written before the kill.
    assert labels == [str(label) for label in LABELS], labels
    assert num_rows == len(LABELS)
    assert (values["id"], values["result"]["outcome"]) == ("t1", "pushed"), values
    assert values["data"]["num_positive"] == sum(LABELS)
    entries = Journal(world.folder.retraining("wells")).read()
    assert [entry.event for entry in entries if entry.event != "train"] == [
        *("start", "span", "data", "end")
    ]


def main() -> None:
    """Tries all points."""
    try_points(Path(sys.argv[1]), new_folder, go_through_a_retraining, check_recovery)


if __name__ == "__main__":
    main()
