"""The use cases of files, small: simulated, assembled, trained, pushed, and asked with a file."""

import base64
import csv
import re
import time

import httpx
import pytest
from ruamel.yaml import YAML

from common.processes import free_ports
from tests.e2e.harness import PROJECT, Faultline

pytestmark = pytest.mark.e2e

_DEADLINE_S = 120
# Faults are frequent, so that few files decide whether a model has skill.
_SMALL = {
    "micrographs": {
        "options": {"seed": 7, "num_healthy": 160, "num_faulty": 80},
        "train": {"model": "trees"},
    },
    "sounds": {
        "options": {"seed": 7, "num_healthy": 160, "num_faulty": 80},
        "train": {"model": "trees"},
    },
}
_COLUMNS = {"micrographs": "image", "sounds": "sound"}
_FOLDERS = {"micrographs": "pictures", "sounds": "recordings"}
_CONTEXT = {"micrographs": ("um_per_px",), "sounds": ("shaft_hz", "load")}


def write_config(faultline, name):
    """Writes a use case's config with fewer files, and trees."""
    yaml, small = YAML(), _SMALL[name]
    config = yaml.load(PROJECT / "configs" / f"{name}.yaml")
    config["data"]["options"] = small["options"]
    # Of so few files the trees learn more than the network, in less time.
    config["train"] = small["train"]
    config["schema"] = str(PROJECT / "schema" / f"{name}.pbtxt")
    faultline.cwd.mkdir(exist_ok=True)
    yaml.dump(config, faultline.cwd / f"{name}.yaml")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What each run printed; both models are pushed to one folder."""
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp("media") / "work")
    printed = {}
    for name in _SMALL:
        write_config(faultline, name)
        done = faultline.in_fork("run", "--config", f"{name}.yaml")
        assert done.code == 0, done.out + done.err + faultline.last_log()
        printed[name] = done.out
    return faultline, printed


@pytest.fixture(scope="module")
def server(runs):
    """The address of a server of both models."""
    faultline, _ = runs
    grpc_port, rest_port = free_ports(2)
    process = faultline.start("serve", "--", f"--port={grpc_port}", f"--rest_api_port={rest_port}")
    address = f"http://127.0.0.1:{rest_port}/v1/models"
    deadline = time.monotonic() + _DEADLINE_S
    try:
        while not all(is_available(f"{address}/{name}") for name in _SMALL):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=_DEADLINE_S)


def is_available(address):
    try:
        return "AVAILABLE" in httpx.get(address).text
    except httpx.TransportError:
        return False


def read_labels(faultline, name):
    with (faultline.output / "data" / name / "labels.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", _SMALL)
def test_a_run_pushes_a_model_that_answers_as_the_trainer_did(runs, name):
    faultline, printed = runs
    assert len(faultline.versions(name)) == 1
    options = _SMALL[name]["options"]
    num_rows = options["num_healthy"] + options["num_faulty"]
    assert f"{num_rows} rows, {options['num_faulty']} positive" in printed[name]
    # A fifth of the rows is the test split, which InfraValidator asks by both protocols.
    difference = re.search(
        rf"{num_rows // 5} examples by gRPC and REST, largest difference (\S+)", printed[name]
    )
    assert difference
    assert float(difference[1]) < 1e-5


@pytest.mark.parametrize("name", _SMALL)
def test_a_file_is_sent_as_it_is_and_strong_faults_are_more_probable(runs, server, name):
    faultline, _ = runs
    folder = faultline.output / "data" / name / _FOLDERS[name]
    rows = read_labels(faultline, name)
    strong = [row for row in rows if float(row["strength"]) > 0.8][:10]
    healthy = [row for row in rows if row["is_faulty"] == "0"][:10]

    def ask(row):
        content = base64.b64encode((folder / row["file"]).read_bytes()).decode()
        context = {column: float(row[column]) for column in _CONTEXT[name]}
        return context | {_COLUMNS[name]: {"b64": content}}

    body = {"instances": [ask(row) for row in [*strong, *healthy]]}
    answer = httpx.post(f"{server}/{name}:predict", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    probability = [one["probability"][0] for one in answer.json()["predictions"]]
    assert len(probability) == 20
    assert sum(probability[:10]) > 1.5 * sum(probability[10:])
