"""A rollout that is killed at any of its writes is found again, and goes on."""

import json
import subprocess
import sys

import pytest

from tests.load_imports import PROJECT

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    """What became of each kill: of the rollout, and of its record in ML Metadata."""
    root = tmp_path_factory.mktemp("kills")
    command = [sys.executable, "-m", "tests.production.controller.kill_points", str(root)]
    done = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return [[json.loads(line) for line in part.splitlines()] for part in done.stdout.split("\n\n")]


def test_a_rollout_survives_a_kill_at_each_of_its_writes(points):
    rollout = points[0]
    assert [point["error"] for point in rollout if "error" in point] == []
    assert all(point["killed"] for point in rollout[:-1])
    assert rollout[-1]["code"] == 0
    assert len(rollout) > 12
    states = {point["state"] for point in rollout}
    assert states >= {"not started", "running at 5 %", "held at 25 %", "rolled_back at 25 %"}


def test_a_record_in_ml_metadata_survives_a_kill_at_each_of_its_writes(points):
    record = points[1]
    assert [point["error"] for point in record if "error" in point] == []
    # Two entries: before and after the first, before and after the second, and through.
    assert [point["state"] for point in record] == [
        *("2 of 2 missing", "1 of 2 missing", "1 of 2 missing", "0 of 2 missing"),
        "0 of 2 missing",
    ]
