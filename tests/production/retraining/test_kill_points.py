"""A retraining that is killed at any of its writes goes on, and takes each label once."""

import json
import subprocess
import sys

import pytest

from tests.load_imports import PROJECT

pytestmark = pytest.mark.e2e


def test_a_retraining_survives_a_kill_at_each_of_its_writes(tmp_path):
    command = [sys.executable, "-m", "tests.production.retraining.kill_points", str(tmp_path)]
    done = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    points = [json.loads(line) for line in done.stdout.splitlines()]
    assert [point["error"] for point in points if "error" in point] == []
    assert all(point["killed"] for point in points[:-1])
    assert points[-1]["code"] == 0
    assert {point["state"] for point in points} >= {
        *("not begun", "approved", "writing", "ready", "training", "ended")
    }
