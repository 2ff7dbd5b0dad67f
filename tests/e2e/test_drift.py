"""Spans of simulated signals, one after the other: the first, a clean one, one that drifted."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import PROJECT, Done, Faultline

pytestmark = pytest.mark.e2e

CONFIG = f"""\
name: spans
label: {{column: is_faulty, positive: 1}}
data:
  dataset: signals
  options: {{seed: 3, num_healthy: 500, num_faulty: 100, OPTIONS}}
schema: {PROJECT}/schema/signals.pbtxt
features:
  charging_voltage_v: {{kind: numeric, unit: V}}
  temperature_k: {{kind: numeric, unit: K}}
  software_version: {{kind: categorical}}
validation: {{VALIDATION}}
train: {{epochs: 1, hidden_units: [4]}}
"""


CHECKED = "drift checked on 3 of 3 columns and the label against span {}"


def _run(faultline: Faultline, *, options: str, validation: str = "") -> Done:
    config = CONFIG.replace("OPTIONS", options).replace("VALIDATION", validation)
    faultline.cwd.mkdir(exist_ok=True)
    (faultline.cwd / "spans.yaml").write_text(config)
    return faultline.in_fork("run", "--config", "spans.yaml")


def _steps(faultline: Faultline) -> dict[str, Mapping[str, Any]]:
    """The steps of the newest run."""
    runs = (faultline.output / "runs").iterdir()
    newest: Path = max(runs, key=lambda path: path.stat().st_mtime_ns)
    summary = json.loads((newest / "summary.json").read_text())
    return {step["name"]: step for step in summary["steps"]}


def _drift(faultline: Faultline) -> str:
    return str(_steps(faultline)["AnomalyGate"]["drift"])


@pytest.fixture(scope="module")
def faultline(tmp_path_factory) -> Faultline:
    return Faultline(PROJECT, tmp_path_factory.mktemp("drift") / "work")


# One story: each part builds on the runs of the one before. Whether the small model is blessed
# (0) or refused (3) does not matter here, only that the data were accepted.
_ACCEPTED = {0, 3}


@pytest.fixture(scope="module")
def after_two_spans(faultline) -> Faultline:
    done = _run(faultline, options="num_spans: 1")
    assert done.code in _ACCEPTED, done.err + faultline.last_log()
    assert _drift(faultline) == "drift not checked: no earlier span was accepted"
    done = _run(faultline, options="num_spans: 2")
    assert done.code in _ACCEPTED, done.err + faultline.last_log()
    return faultline


def test_a_clean_span_is_compared_with_the_one_before_and_passes(after_two_spans):
    assert _drift(after_two_spans) == CHECKED.format(1)


def test_an_unchanged_run_of_a_span_is_cached_and_not_compared_with_itself(after_two_spans):
    _run(after_two_spans, options="num_spans: 2")
    steps = _steps(after_two_spans)
    assert {name for name, step in steps.items() if step["state"] != "cached"} <= {
        "EarlierSpanResolver",
        "BaselineResolver",
    }
    assert steps["AnomalyGate"]["drift"] == CHECKED.format(1)


def test_a_span_that_drifted_stops_until_it_is_accepted(after_two_spans):
    drifted = "num_spans: 3, drift_from_span: 3"
    done = _run(after_two_spans, options=drifted)
    assert done.code == 2, done.err
    for words in (
        "`software_version` in train: The Linfty distance between current and previous is",
        "above the threshold 0.2. The feature value with maximum difference is: 5.0.0",
        "`temperature_k` in train: The approximate Jensen-Shannon divergence",
        "validation.drift: warn",
        CHECKED.format(2).capitalize(),
    ):
        assert words in done.err
    # A span that was stopped is nothing to compare with: once more, and it stops once more.
    assert _run(after_two_spans, options=drifted).code == 2
    done = _run(after_two_spans, options=drifted, validation="drift: warn")
    assert done.code in _ACCEPTED, done.err
    assert _drift(after_two_spans) == CHECKED.format(2)
    # The fourth span has the third's firmware, and is another 10 K warmer.
    assert _run(after_two_spans, options="num_spans: 4, drift_from_span: 3").code == 2
    assert _drift_found(after_two_spans) == {"temperature_k"}


def _drift_found(faultline: Faultline) -> set[str]:
    lines = (faultline.output / "reports" / "anomalies-spans.md").read_text().splitlines()
    return {line.split("`")[1] for line in lines if "between current and previous" in line}
