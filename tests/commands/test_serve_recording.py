"""`faultline serve --config` records where the config has `collection`."""

import os
import re
import signal
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from serving.client import Client
from tests.pipeline.prediction import readings

pytestmark = pytest.mark.e2e


def test_what_it_records_is_on_disk_when_it_has_stopped(project, pushed, tmp_path):
    config = readings.write_config(
        tmp_path, readings.CONFIG + "collection: {redact: {name: drop}}\n"
    )
    command = (
        *(sys.executable, str(project / "faultline.py"), "serve", "--output", str(pushed)),
        *("--config", str(config), "--", "--port=0", "--rest_api_port=0"),
    )
    env = {**os.environ, "COLUMNS": "200"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            printed = ""
            while "Requests are recorded in" not in printed:
                line = process.stdout.readline()
                assert line, printed
                printed += line
            port = re.search(r"gRPC on 127.0.0.1:(\d+)", printed)[1]
            with Client(f"grpc://127.0.0.1:{port}", model="readings") as client:
                answer = client.predict(readings.ROWS)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    [path] = (pushed / "collected" / "readings" / "requests").glob("date=*/hour=*/*.parquet")
    records = pq.ParquetFile(path).read()
    assert "name" not in records.column_names
    assert set(records["request_id"].to_pylist()) == {answer.request_id}
    assert records["volts"].to_pylist() == [1.0, None, -1.0]
    assert records["probability"].to_pylist() == pytest.approx(readings.PROBABILITIES, abs=1e-5)
