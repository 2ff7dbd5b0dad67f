"""`beam_runner.py` on a real Flink: to a blessed, pushed model that the server loads.

And what its Beam steps have made is what this process makes of the same data.
"""

from pathlib import Path

import httpx
import pytest

from engines.contents import find_differences
from engines.flink import flink_job_server
from engines.java import missing_programs
from engines.use_case_runs import UseCaseRun, run_use_case_on
from pipeline.components.infra_validator.server_process import model_server
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
from tests.e2e.harness import PROJECT, Faultline

pytestmark = [
    pytest.mark.e2e,
    # What TFMA's reader says of TensorFlow's old record iterator.
    pytest.mark.filterwarnings("ignore:tf_record_iterator"),
]

EQUAL = {
    "splits": [],
    "statistics": [],
    "vocabularies": [],
    "transformed values": [],
    "metrics": [],
}


@pytest.fixture(scope="module")
def endpoint():
    """A job server with Flink inside."""
    if missing := missing_programs():
        pytest.skip(f"no Flink without {' and '.join(missing)}")
    with flink_job_server() as started:
        yield started


@pytest.mark.parametrize("name", ["signals", "taxi"])
def test_a_use_case_on_flink_is_pushed_and_served_and_equal_to_a_run_here(name, endpoint, tmp_path):
    config = PROJECT / "configs" / f"{name}.yaml"
    faultline = Faultline(PROJECT, tmp_path / "work")

    done = faultline(
        *("--config", str(config), "--engine", "flink"),
        *(f"--job_endpoint={endpoint}", "--parallelism=2"),
        program="beam_runner.py",
    )

    assert done.code == 0, done.out + done.err + faultline.last_log()
    assert "BLESSED" in done.out
    [version] = faultline.versions(name)
    with model_server(version, name) as address:
        status = httpx.get(f"{address.rest}/v1/models/{name}").json()
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    expected = run_use_case_on(
        LOCAL_BEAM_ARGS, config, tmp_path / "in_memory", last_step="Evaluator"
    )
    assert find_differences(expected, only_run(faultline.output, name)) == EQUAL


def only_run(output: Path, name: str) -> UseCaseRun:
    """The artifacts of the one run in an output folder."""
    found = sorted((output / "artifacts" / name).glob("*/*/*"))
    return UseCaseRun(
        name=name, uris={path.parent.name: str(path) for path in found}, durations_s={}
    )
