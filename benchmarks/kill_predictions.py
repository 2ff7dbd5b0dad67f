"""Kills a command that writes predictions into a table: is the table right after the same command?

    python -m benchmarks.kill_predictions

`faultline predict --into` reads 30,000 rows of a table of SQLite and writes predictions into
another table, in transactions of 5,000 rows. It is disturbed by `kill -9` or by a disk that takes
no more bytes, at its start or once rows are there. The same command follows.
The table must then hold what an undisturbed command writes, each row once.
"""

import argparse
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.kill_places import CASES
from benchmarks.kill_points import FULL, KILL, PROJECT, Bench

_NUM_ROWS = 30_000
_DEADLINE_S = 300.0
_COMMAND = (
    *(sys.executable, str(PROJECT / "faultline.py"), "predict", "sqlite:///plant.db"),
    *("--config", "wells.yaml", "--table", "many", "--id", "id", "--batch", "--into"),
)
Row = tuple[int, float, int]


def write_rows(database: Path) -> None:
    """Adds the table to predict from."""
    random = np.random.default_rng(1)
    rows = random.normal(size=(_NUM_ROWS, 2)).round(3).tolist()
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE many (id INTEGER PRIMARY KEY, p REAL, t REAL)")
        connection.executemany("INSERT INTO many (p, t) VALUES (?, ?)", rows)
    connection.close()


def read_rows(database: Path, table: str) -> list[Row]:
    """Returns id, probability and decision of each row that is committed; none without a table."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        query = f"SELECT id, probability, decision FROM {table} ORDER BY id"  # noqa: S608 - ours
        return list(connection.execute(query))
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise
    finally:
        connection.close()


def start(folder: Path, table: str) -> subprocess.Popen[bytes]:
    """Starts the command in a session of its own."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        [*_COMMAND, table], cwd=folder, stdout=quiet, stderr=quiet, start_new_session=True
    )


def disturb(folder: Path, table: str, kind: str, is_due: Callable[[], bool]) -> int:
    """Disturbs the command as soon as it is due; returns its exit code.

    Raises:
        RuntimeError: The command ended before.
    """
    process = start(folder, table)
    try:
        while not is_due():
            if process.poll() is not None:
                raise RuntimeError(f"The command ended before it was disturbed ({table})")
            time.sleep(0.002)
        if kind == KILL:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 0))
        return process.wait(_DEADLINE_S)
    finally:
        process.kill()
        process.wait()


def main() -> int:
    """Disturbs the command four times; returns 1 if a table is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    num_wrong = 0
    with tempfile.TemporaryDirectory(prefix="faultline-predictions-") as path:
        Bench(Path(path), CASES["database"])
        folder = Path(path) / "work"
        database = folder / "plant.db"
        write_rows(database)
        if start(folder, "undisturbed").wait(_DEADLINE_S):
            raise RuntimeError("The undisturbed command failed")
        expected = read_rows(database, "undisturbed")
        for moment, min_rows in (("start", 0), ("first rows", 1)):
            for kind in (KILL, FULL):
                table = f"{moment}_{kind}".replace(" ", "_").replace("-", "")
                due_s = time.monotonic() + (3 if not min_rows else 0)

                def is_due(table: str = table, due_s: float = due_s, num: int = min_rows) -> bool:
                    return time.monotonic() >= due_s and len(read_rows(database, table)) >= num

                disturbed = disturb(folder, table, kind, is_due)
                num_before = len(read_rows(database, table))
                code = start(folder, table).wait(_DEADLINE_S)
                is_right = code == 0 and read_rows(database, table) == expected
                num_wrong += not is_right or disturbed == 0
                print(
                    f"{moment}, {kind}: exit {disturbed}, {num_before} rows; then exit {code}, "
                    f"{len(read_rows(database, table))} rows, {'right' if is_right else 'WRONG'}",
                    flush=True,
                )
    print(f"{len(expected)} rows; {num_wrong} wrong")
    return int(bool(num_wrong))


if __name__ == "__main__":
    sys.exit(main())
