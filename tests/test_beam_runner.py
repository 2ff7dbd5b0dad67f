import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.tensorflow

PROJECT = Path(__file__).resolve().parent.parent
DATAFLOW = (
    "--engine=dataflow",
    "--project=my-project",
    "--region=europe-west1",
    "--temp_location=gs://my-bucket/tmp",
    "--sdk_container_image=registry/faultline:1",
)


def _run(tmp_path, *arguments):
    return subprocess.run(
        [sys.executable, PROJECT / "beam_runner.py", "--output", tmp_path / "out", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture
def in_buckets(tmp_path):
    """The taxi use case with its data and artifacts in a bucket."""
    text = (PROJECT / "configs" / "taxi.yaml").read_text()
    text = text.replace("dataset: taxi", "path: gs://my-bucket/trips/*.csv")
    text = text.replace("../schema", str(PROJECT / "schema"))
    path = tmp_path / "taxi.yaml"
    path.write_text(text + "beam:\n  artifacts: gs://my-bucket/artifacts\n")
    return path


def test_a_dry_run_for_dataflow_shows_steps_options_package_and_the_jobs_image(
    tmp_path, in_buckets
):
    done = _run(tmp_path, "--config", in_buckets, *DATAFLOW, "--dry_run")

    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    for step in ("ArrowExampleGen", "StatisticsGen", "Transform", "Evaluator"):
        assert [step, "DataflowRunner"] in lines
    assert ["Trainer", "this", "process"] in lines
    [job] = [line for line in done.stdout.splitlines() if line.startswith("Dataflow job")]
    assert "image registry/faultline:1" in job
    assert "faultline-0.1.0-py3-none-any.whl" in job
    assert "--project=my-project" in done.stdout
    assert done.stderr == ""


def test_a_dry_run_tells_what_a_run_would_be_refused_for(tmp_path):
    done = _run(tmp_path, "--engine=dataflow", "--dry_run")

    assert done.returncode == 2
    assert "ArrowExampleGen" in done.stdout
    for words in ("--project", "--region", "--temp_location", "need an image", "cannot be reached"):
        assert words in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--engine=flink", "--job_endpoint=localhost:9"), "Nothing answers at localhost:9"),
        (("--engine=flink", "--job_endpont=localhost:9"), "Did you mean --job_endpoint?"),
        (DATAFLOW, "cannot be reached by workers on other machines"),
    ],
)
def test_bad_options_end_with_2_before_anything_starts(tmp_path, arguments, words):
    done = _run(tmp_path, *arguments)

    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "runs").exists()
    assert not (tmp_path / "out" / "metadata.db").exists()


@pytest.mark.e2e
def test_a_run_by_the_portable_runner_ends_with_a_pushed_model(tmp_path):
    options = ("--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK")

    done = _run(tmp_path, "--config", PROJECT / "configs" / "taxi.yaml", "--json", *options)

    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["verdict"] == "BLESSED"
    assert {step["state"] for step in summary["steps"]} == {"ran"}
    assert Path(summary["pushed_path"], "saved_model.pb").is_file()
