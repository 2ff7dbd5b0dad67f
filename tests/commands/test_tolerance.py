"""Commands that go on for days survive damaged files."""

import numpy as np
import pytest

from commands.monitoring.monitor import Look
from commands.tolerance import Tolerant
from common.errors import InputError
from common.output_folder import OutputFolder
from production.monitoring.reference.stored import ReferenceFiles, save_reference
from tests.production.monitoring.pump_months import (
    MODEL,
    VERSION,
    draw_rows,
    pump_config,
    pump_reference,
    write_day,
)


def test_a_problem_is_said_once_until_the_action_succeeds():
    said, outcomes = [], ["full", "full", None, "full", "cut"]

    def act():
        problem = outcomes.pop(0)
        if problem:
            raise InputError(problem)
        return "done"

    tolerant = Tolerant(said.append)
    assert [tolerant(act) for _ in range(5)] == [None, None, "done", None, None]
    assert said == ["Tries again: full", "Tries again: full", "Tries again: cut"]


def test_an_error_of_the_program_is_not_tolerated():
    with pytest.raises(ZeroDivisionError):
        Tolerant(print)(lambda: 1 // 0)


def test_the_monitor_goes_on_once_a_damaged_file_is_moved_away(tmp_path):
    rng = np.random.default_rng(3)
    config, folder = pump_config(tmp_path), OutputFolder(tmp_path / "output")
    files = ReferenceFiles(folder=folder.monitoring(MODEL), version=VERSION)
    save_reference(files, pump_reference(config))
    for day in range(2):
        write_day(folder.collected(MODEL), draw_rows(rng, 50), day)
    damaged = sorted(folder.collected(MODEL).rglob("*.parquet"))[1]
    damaged.write_bytes(damaged.read_bytes()[:400])
    said = []
    tolerant, look = Tolerant(said.append), Look(config, folder, MODEL)
    assert tolerant(look.take) is None
    assert tolerant(look.take) is None
    [problem] = said
    assert problem.startswith(f"Tries again: {damaged} cannot be read")
    damaged.unlink()
    assert [report.num_rows for report in tolerant(look.take)] == [50]
