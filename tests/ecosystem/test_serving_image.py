"""The serving image and an image of a model, built by buildah and run with a read-only root."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from common.output_folder import OutputFolder
from common.processes import free_ports
from tests.production.rollout.pushes import new_store, record

pytestmark = pytest.mark.ecosystem


def missing_tools() -> str:
    if os.geteuid() != 0:
        return "a chroot requires root"
    tools = [tool for tool in ("buildah", "debootstrap", "apt-get") if shutil.which(tool) is None]
    return f"not installed: {', '.join(tools)}" if tools else ""


@pytest.mark.timeout(2400)
def test_a_packed_model_answers_in_its_image_and_ends_on_sigterm(tmp_path, project):
    if reason := missing_tools():
        pytest.skip(reason)
    from tests.serving import tiny_models

    folder = OutputFolder(tmp_path / "output")
    folder.root.mkdir()
    store = new_store(folder)
    tiny_models.half_plus_two(folder.serving("wells") / "100")
    record(store, folder, 100)
    [port] = free_ports(1)
    done = subprocess.run(
        ["sh", "scripts/serving_image_check.sh", str(folder.root), "wells"],
        cwd=project,
        env={**os.environ, "PORT": str(port), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "Runs as user 10001" in lines
    [size] = [line for line in lines if line.startswith("Size: ")]
    assert int(size.split()[1]) < 1600
    runs = [json.loads(line) for line in lines if line.startswith("{")]
    assert len(runs) == 3
    for run in runs:
        assert run["answer"] == {"predictions": [2.0]}  # 0 / 2 + 2
        assert run["exit_code"] == 0
        assert run["stop_s"] < 10
