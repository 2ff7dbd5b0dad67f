"""The result of a run, from its output and its exit code."""

import json

import pytest

from production.retraining.training_run import read_result

SUMMARY = {
    "run_id": "20261127-120000-wells",
    "verdict": "BLESSED",
    "shadow": False,
    "pushed_version": "200",
    "reasons": [{"text": "costs 30 per 1,000 examples", "verdict": "BLESSED"}],
    "infra_problems": [],
}
REFUSED = [
    {"text": "PR-AUC 0.2 is no better than the prevalence", "verdict": "REJECTED"},
    {"text": "recall 0.9", "verdict": "BLESSED"},
]


def _read(folder, code, summary=None, log="", champion=100):
    (folder / "run.json").write_text("" if summary is None else json.dumps(summary))
    (folder / "run.log").write_text(log)
    return read_result(folder / "run.json", folder / "run.log", code, champion, 12.5)


@pytest.mark.parametrize(
    ("change", "code", "outcome", "version"),
    [
        ({}, 0, "pushed", 200),
        ({"pushed_version": "100"}, 0, "unchanged", 100),
        ({"verdict": "INCONCLUSIVE", "shadow": True}, 0, "shadow", 200),
        ({"verdict": "REJECTED", "pushed_version": None, "reasons": REFUSED}, 3, "rejected", None),
        ({"verdict": "INCONCLUSIVE", "pushed_version": None}, 3, "inconclusive", None),
    ],
)
def test_the_summary_says_what_a_run_came_to(tmp_path, change, code, outcome, version):
    result = _read(tmp_path, code, SUMMARY | change)
    assert (result.outcome, result.version, result.cpu_s) == (outcome, version, 12.5)
    assert result.run_id == "20261127-120000-wells"


def test_a_refusal_names_its_reasons_only(tmp_path):
    change = {"verdict": "REJECTED", "pushed_version": None, "reasons": REFUSED}
    words = _read(tmp_path, 3, SUMMARY | change).words
    assert words == "PR-AUC 0.2 is no better than the prevalence"


@pytest.mark.parametrize(("code", "outcome"), [(2, "stopped"), (1, "failed")])
def test_a_run_without_a_summary_names_its_error(tmp_path, code, outcome):
    log = "wells  run 1\nError: AnomalyGate: x drifted.\nThe page of the data: page.html\n"
    result = _read(tmp_path, code, log=log)
    assert (result.outcome, result.run_id) == (outcome, "")
    assert result.words == "AnomalyGate: x drifted.\nThe page of the data: page.html"


def test_a_run_that_fails_while_it_prints_its_summary_has_failed(tmp_path):
    (tmp_path / "run.json").write_text('{"run_id": "2026')  # the disk is full
    (tmp_path / "run.log").write_text("OSError: No space left on device\n")
    result = read_result(tmp_path / "run.json", tmp_path / "run.log", 1, 100, 12.5)
    assert (result.outcome, result.words) == ("failed", "No space left on device")
