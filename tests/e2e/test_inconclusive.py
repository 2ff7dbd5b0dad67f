"""A test split that cannot tell: nothing is served of it, until a person says yes, or beside."""

import json
from pathlib import Path

import pytest

from tests.e2e.harness import CONFIG, PROJECT, Done, Faultline, wells_csv, write_wells

pytestmark = pytest.mark.e2e

# Twenty faults in the test split: 19 found of 20 are [0.75, 0.999], which holds 0.95.
GATE = """\
cost: {missed_fault: 100, false_alarm: 9, inspection: 1, unit: EUR}
threshold: {best_f1: true}
gate:
  bars: {recall: 0.95}
  slices:
    - columns: [maker]
      bars: {recall: 0.5}
  on_inconclusive: ask
"""
# A slice that no well is in, in place of the makers.
HIGH = """\
  slices:
    - columns: [{column: pressure, at_least: 1000}]
      bars: {recall: 0.5}
"""
SHADOW = GATE.partition("  slices:")[0] + HIGH + "  on_inconclusive: shadow\n"


def _summary(faultline: Faultline) -> dict:
    newest = max((faultline.output / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return json.loads((newest / "summary.json").read_text())


def _run(faultline: Faultline, config: str) -> tuple[Done, dict]:
    # The CSV stays: a newer file is new data.
    (faultline.cwd / "wells.yaml").write_text(config)
    done = faultline.in_fork("run", "--config", "wells.yaml")
    return done, _summary(faultline)


# Each of these comes after the one that it asks for: together they are one story.


@pytest.fixture(scope="module")
def faultline(tmp_path_factory) -> Faultline:
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp("inconclusive") / "work")
    write_wells(faultline.cwd, wells_csv())
    return faultline


@pytest.fixture(scope="module")
def asked(faultline) -> tuple[Done, dict]:
    return _run(faultline, CONFIG + GATE)


@pytest.fixture(scope="module")
def approved(faultline, asked) -> tuple[Done, Done, dict]:
    why = "seen by two people"
    yes = faultline("approve", asked[1]["run_id"], "--by", "Ada", "--why", why)
    return yes, *_run(faultline, CONFIG + GATE)


@pytest.fixture(scope="module")
def beside(faultline, approved) -> tuple[Done, dict]:
    return _run(faultline, CONFIG + SHADOW)


def test_what_the_test_split_cannot_tell_is_said_with_what_it_lacks(faultline, asked):
    done, summary = asked
    assert done.code == 3, done.err + faultline.last_log()
    assert summary["verdict"] == "INCONCLUSIVE"
    assert summary["pushed_version"] is None
    by_slice = {reason["slice"]: reason for reason in summary["reasons"] if reason["slice"]}
    assert {"maker=a", "maker=b", "maker=c"} == set(by_slice)
    [recall] = [r for r in summary["reasons"] if r["metric"] == "recall" and r["bar"] == 0.95]
    assert recall["verdict"] == "INCONCLUSIVE"
    # ln(0.025) / ln(0.95) = 71.9: not even a perfect model could show it with 20.
    assert recall["text"].endswith("too small, 20 faults; even a perfect model needs 72 to show it")
    assert f"faultline approve {summary['run_id']} --by NAME --why REASON" in done.out
    lower, upper = summary["intervals"]["expected_cost"]
    assert lower < summary["metrics"]["expected_cost"] < upper
    assert "EUR per 1,000 examples" in done.out


def test_after_a_persons_yes_the_same_run_pushes_the_model_and_says_who(faultline, asked, approved):
    yes, done, summary = approved
    assert (yes.code, done.code) == (0, 0), yes.err + done.err + faultline.last_log()
    assert summary["verdict"] == "APPROVED"
    assert "APPROVED by Ada: seen by two people" in done.out
    states = {step["name"]: step["state"] for step in summary["steps"]}
    assert (states["Trainer"], states["ModelGate"], states["Pusher"]) == ("cached", "cached", "ran")
    assert [version.name for version in faultline.versions()] == [summary["pushed_version"]]
    lineage = faultline("lineage", "latest", "--json")
    assert "seen by two people" in lineage.out
    again = faultline("approve", asked[1]["run_id"], "--by", "Bob", "--why", "me too")
    assert again.code == 2
    assert "was already approved by Ada" in again.err


def test_beside_the_served_model_lies_what_is_only_to_be_watched(faultline, approved, beside):
    served = faultline.versions()
    done, summary = beside
    assert done.code == 0, done.err + faultline.last_log()
    assert (summary["verdict"], summary["shadow"]) == ("INCONCLUSIVE", True)
    assert faultline.versions() == served
    [version] = faultline.versions("wells_shadow")
    assert Path(summary["pushed_path"]) == version
    assert (version / "saved_model.pb").is_file()


def test_a_new_slice_is_watched_without_training_again(beside):
    summary = beside[1]
    states = {step["name"]: step["state"] for step in summary["steps"]}
    assert [states[name] for name in ("ArrowExampleGen", "Transform", "Trainer")] == ["cached"] * 3
    assert [states[name] for name in ("AnomalyGate", "Evaluator", "ModelGate")] == ["ran"] * 3
    [reason] = [reason for reason in summary["reasons"] if reason["slice"]]
    assert reason["slice"] == "pressure range=at least 1000"
    assert reason["text"].endswith("too small, 0 faults; even a perfect model needs 6 to show it")


def test_a_slice_of_what_is_not_there_stops_the_run_before_it_trains(faultline, beside):
    served = faultline.versions()
    wrong = HIGH.replace("{column: pressure, at_least: 1000}", "{column: maker, value: aa}")
    done, _ = _run(faultline, CONFIG + "gate:\n" + wrong)
    assert done.code == 2
    assert "gate.slices.0.columns names the value `aa`, which no row has in `maker`" in done.err
    assert "did you mean `a`?" in done.err
    assert faultline.versions() == served


def test_what_does_not_wait_for_a_person_cannot_be_approved(faultline, beside):
    done = faultline("approve", beside[1]["run_id"], "--by", "Ada", "--why", "why not")
    assert done.code == 2
    assert "gate.on_inconclusive is `shadow`" in done.err
    assert faultline("approve", "no-such", "--by", "Ada", "--why", "why not").code == 2
