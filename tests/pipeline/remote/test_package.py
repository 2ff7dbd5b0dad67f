"""The wheel, and a worker that has nothing else of the project."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import sysconfig
import textwrap
import time
import zipfile
from pathlib import Path

import pytest

from pipeline.remote.package import build_wheel

pytestmark = pytest.mark.e2e

PROJECT = Path(__file__).resolve().parents[3]

# Sent to the worker by value, as a user's own script would be.
_DRIVER = """
    import sys
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from common.example_files import read_batches

    examples, result, pool = sys.argv[1:]

    def where(batch):
        import importlib, os
        names = ("pipeline", "models", "serving", "datasets")
        files = [importlib.import_module(name).__file__ for name in names]
        return f"{batch.num_rows} rows by {os.getpid()} with {' '.join(files)}"

    options = PipelineOptions([
        "--runner=PortableRunner", "--job_endpoint=embed", "--sdk_container_image=none",
        "--environment_type=EXTERNAL", f"--environment_config={pool}",
    ])
    with beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | beam.Create([examples])
            | beam.FlatMap(read_batches)
            | beam.Map(where)
            | beam.io.WriteToText(result, num_shards=1, shard_name_template="")
        )
    print("driver", __import__("os").getpid())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(PROJECT, tmp_path_factory.mktemp("packages"))


def test_the_wheel_holds_the_code_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as file:
        tops = {name.split("/")[0] for name in file.namelist()}

    assert {"pipeline", "models", "serving", "datasets"} <= tops
    assert "tests" not in tops


def test_a_wheel_is_built_once_for_one_code(wheel):
    built = wheel.stat().st_mtime_ns

    assert build_wheel(PROJECT, wheel.parent.parent) == wheel
    assert wheel.stat().st_mtime_ns == built


def test_nothing_is_left_in_the_project(wheel):
    assert not (PROJECT / "build" / "lib").exists()


@pytest.fixture
def worker_pool(wheel, tmp_path):
    """A pool of Beam workers in an empty folder, that sees the wheel and no checkout.

    Without `site` the interpreter does not read the environment's `.pth` files, one of which
    names the checkout.
    """
    code = tmp_path / "code"
    with zipfile.ZipFile(wheel) as file:
        file.extractall(code)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    python = bin_folder / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {
        **os.environ,
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": f"{code}:{sysconfig.get_paths()['purelib']}",
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pool = "apache_beam.runners.worker.worker_pool_main"
    log = tmp_path / "pool.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [python, "-m", pool, f"--service_port={port}"],
            cwd=empty,
            env=environment,
            stdout=stream,
            stderr=stream,
        )
    try:
        _wait_for(port, process, log)
        yield f"localhost:{port}", code
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port, process, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    pytest.fail(f"the worker pool did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def examples(tmp_path):
    script = """
        import sys, tensorflow as tf
        options = tf.io.TFRecordOptions(compression_type="GZIP")
        with tf.io.TFRecordWriter(sys.argv[1], options) as writer:
            for value in range(7):
                feature = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
                features = tf.train.Features(feature={"x": feature})
                writer.write(tf.train.Example(features=features).SerializeToString())
    """
    path = tmp_path / "examples.gz"
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), path], check=True)
    return path


@pytest.mark.tensorflow
def test_a_worker_without_a_checkout_runs_our_code_from_the_wheel(worker_pool, examples, tmp_path):
    address, code = worker_pool
    script, result = tmp_path / "driver.py", tmp_path / "result.txt"
    script.write_text(textwrap.dedent(_DRIVER))

    done = subprocess.run(
        [sys.executable, script, examples, result, address],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    found = re.fullmatch(r"7 rows by (\d+) with (.*)\n", result.read_text())
    assert found is not None
    [driver] = re.findall(r"^driver (\d+)$", done.stdout, flags=re.MULTILINE)
    assert found[1] != driver
    assert [Path(file).parent.parent for file in found[2].split()] == [code] * 4
