"""Ctrl-C in the middle of a prediction."""

import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.serving.client.fake_servers import FakeModel, grpc_server

CONFIG = """
name: m
label: {column: y}
data: {path: unused.csv}
features:
  x: {kind: numeric}
"""
# A parent that ignores SIGINT, as a shell's background job does, hands that on.
_RUN = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
_RUN += "from commands.command_line import main; main(sys.argv[1:])"


@pytest.mark.e2e
def test_ctrl_c_ends_with_130_and_leaves_nothing_half_written(project, tmp_path):
    (tmp_path / "m.yaml").write_text(CONFIG)
    pq.write_table(pa.table({"x": [1.0] * 5000}), tmp_path / "data.parquet")
    before = sorted(tmp_path.iterdir())
    model = FakeModel(delay_s=0.4)
    with grpc_server(model) as server:
        arguments = ["predict", "data.parquet", "--config", "m.yaml", "--server", server]
        with subprocess.Popen(
            [sys.executable, "-c", _RUN, *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(project)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            deadline = time.monotonic() + 120
            while "predict 1024" not in model.requests:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline, "no request came"
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, errors) == ("", "Stopped.\n")
    assert sorted(tmp_path.iterdir()) == before
