"""The loop closes: train, serve, label what was asked, and train on it."""

import csv
import io
import json
from pathlib import Path

import pytest

from common.processes import free_ports
from serving.client import Client
from tests.e2e.harness import CONFIG, PROJECT, Faultline, wells_csv

pytestmark = pytest.mark.e2e

_NUM_ASKED = 200


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def faultline(tmp_path_factory) -> Faultline:
    """A pushed model that was trained on the first span."""
    made = Faultline(PROJECT, tmp_path_factory.mktemp("loop") / "work")
    (made.cwd / "span-1").mkdir(parents=True)
    (made.cwd / "span-1" / "wells.csv").write_text(wells_csv(800))
    config = CONFIG.replace("path: wells.csv", "path: span-{SPAN}/*.csv\n  window: 2")
    (made.cwd / "wells.yaml").write_text(f"{config}collection: {{share: 1.0}}\n")
    done = made("run", "--config", "wells.yaml")
    assert done.code == 0, done.err + made.last_log()
    return made


@pytest.fixture(scope="module")
def asked(faultline) -> list[dict[str, str]]:
    """New wells whose probability the model was asked for, each under an id."""
    rows = _rows(wells_csv(_NUM_ASKED, seed=2))
    [port] = free_ports(1)
    server = faultline.start(
        *("serve", "--config", "wells.yaml", "--"),
        *(f"--port={port}", "--rest_api_port=0"),
    )
    try:
        lines = iter(server.stdout.readline, "")
        assert any(str(port) in line for line in lines), server.stderr.read()
        with Client(f"grpc://127.0.0.1:{port}", model="wells") as client:
            for number, row in enumerate(rows):
                known = {
                    "pressure": float(row["pressure"]),
                    "temperature": float(row["temperature"]),
                    "maker": row["maker"],
                }
                client.predict([known], request_id=f"well-{number}")
    finally:
        server.terminate()
        _, err = server.communicate(timeout=60)
    assert server.returncode == 0, err
    return rows


@pytest.fixture(scope="module")
def span(faultline, asked) -> dict[str, object]:
    """The span of the wells that have a label."""
    lines = [f"well-{n},{row['faulty']}\n" for n, row in enumerate(asked[:-10])]
    (faultline.cwd / "checked.csv").write_text("".join(["well,state\n", *lines, "well-999,0\n"]))
    labelled = faultline(
        *("labels", "checked.csv", "--id", "well", "--label", "state"),
        *("--config", "wells.yaml", "--json"),
    )
    assert labelled.code == 0, labelled.err
    counts = json.loads(labelled.out)
    assert (counts["num_new"], counts["unknown"]) == (_NUM_ASKED - 9, ["well-999"])
    done = faultline("span", "--config", "wells.yaml", "--json")
    assert done.code == 0, done.err
    return dict(json.loads(done.out))


def test_the_span_holds_what_was_asked_and_answered_later(faultline, asked, span):
    assert (span["span"], span["num_rows"]) == ("2", _NUM_ASKED - 10)
    assert span["left_out"] == {"not among the recorded requests": 1}
    written = _rows(Path(str(span["path"])).read_text())
    assert [row["faulty"] for row in written] == [row["faulty"] for row in asked[:-10]]
    assert [row["maker"] for row in written] == [row["maker"] for row in asked[:-10]]
    # Three decimals survive float32.
    assert [float(row["pressure"]) for row in written] == [
        float(row["pressure"]) for row in asked[:-10]
    ]


def test_no_row_is_written_twice(faultline, span):
    done = faultline("span", "--config", "wells.yaml")
    assert done.code == 2
    assert f"{_NUM_ASKED - 10} labels in an earlier span" in done.err


def test_a_run_trains_on_the_window_with_the_new_span(faultline, span):
    done = faultline("run", "--config", "wells.yaml")
    # Whether so small a model is better than the one before does not matter here.
    assert done.code in {0, 3}, done.err + faultline.last_log()
    newest = max((faultline.output / "runs").iterdir())
    summary = json.loads((newest / "summary.json").read_text())
    window = next(step for step in summary["steps"] if step["name"] == "SpanWindow")
    assert (window["spans"], window["num_rows"]) == ([1, 2], 800 + _NUM_ASKED - 10)
    assert summary["verdict"] in {"BLESSED", "REJECTED", "INCONCLUSIVE"}
