"""A use case, the same again with a Tuner on a sample of the train split, and both compared."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import CONFIG, Faultline, copy_project, wells_csv, write_wells

pytestmark = pytest.mark.e2e

# Fewer healthy wells, other learning rates, and a record in MLflow.
_TUNED = """\
sampling:
  keep: 0.5
tuning:
  trials: 2
  space:
    learning_rate: {min: 5.0e-3, max: 0.1, scale: log}
    hidden_units: {choices: [[8], [16, 8]]}
tracking:
  mlflow: {}
"""


@pytest.fixture(scope="module")
def faultline(tmp_path_factory) -> Faultline:
    folder = tmp_path_factory.mktemp("tuning")
    write_wells(folder / "work", wells_csv())
    (folder / "work" / "tuned.yaml").write_text(CONFIG + _TUNED)
    return Faultline(copy_project(folder / "project"), folder / "work")


def _run(faultline: Faultline, config: str) -> dict[str, Any]:
    done = faultline("run", "--config", config, "--json")
    assert done.code in {0, 3}, done.err + faultline.last_log()
    summary: dict[str, Any] = json.loads(done.out)
    assert summary["state"] == "complete"
    return summary


def _step(summary: Mapping[str, Any], name: str) -> dict[str, Any]:
    [step] = [step for step in summary["steps"] if step["name"] == name]
    return dict(step)


@pytest.fixture(scope="module")
def plain(faultline) -> dict[str, Any]:
    return _run(faultline, "wells.yaml")


@pytest.fixture(scope="module")
def tuned(faultline, plain) -> dict[str, Any]:
    return _run(faultline, "tuned.yaml")


@pytest.fixture(scope="module")
def compared(faultline, plain, tuned) -> dict[str, Any]:
    done = faultline("runs", "compare", plain["run_id"], tuned["run_id"], "--json")
    assert done.code == 0, done.err
    assert "On the same 80 test examples, 20 of them positive" in done.err
    return dict(json.loads(done.out))


def test_there_is_no_tuner_unless_it_is_asked_for(plain):
    assert "Tuner" not in [step["name"] for step in plain["steps"]]
    assert plain["tracking"] == {}


def test_the_trainer_takes_the_best_hyperparameters_and_repeats_that_trial(tuned):
    tuner, trainer = _step(tuned, "Tuner"), _step(tuned, "Trainer")
    assert tuner["num_trials"] == 2
    assert set(tuner["best"]) == {"learning_rate", "hidden_units"}
    assert re.search(r"changed inputs?: [\w, ]*\bhyperparameters\b", trainer["reason"])
    assert trainer["eval_pr_auc"] == tuner["best_score"]


def test_what_was_tuned_comes_from_the_cache_when_only_the_gate_changes(faultline, tuned):
    text = (faultline.cwd / "tuned.yaml").read_text()
    (faultline.cwd / "gate.yaml").write_text(text + "gate:\n  max_pr_auc_drop: 0.9\n")
    again = _run(faultline, "gate.yaml")
    assert _step(again, "Tuner")["state"] == _step(again, "Trainer")["state"] == "cached"
    assert _step(again, "ModelGate")["state"] == "ran"


def test_the_comparison_tells_what_differs(compared, tuned):
    assert compared["data"] == compared["code"] == compared["packages"] == []
    config = {each["key"]: (each["first"], each["second"]) for each in compared["config"]}
    assert config["tuning.trials"] == ("-", 2)
    assert config["sampling.keep"] == ("-", 0.5)
    trained = {each["key"]: each["second"] for each in compared["hyperparameters"]}
    best = _step(tuned, "Tuner")["best"]
    assert trained["hidden_units"] == best["hidden_units"]
    assert trained["learning_rate"] == pytest.approx(best["learning_rate"], abs=1e-6)


def test_the_paired_verdict_rests_on_what_the_evaluator_measured(compared, plain, tuned):
    paired = compared["paired"]
    assert (paired["num_examples"], paired["num_positives"]) == (80, 20)
    measured = [plain["metrics"]["pr_auc"], tuned["metrics"]["pr_auc"]]
    metric = paired["metrics"]["pr_auc"]
    assert [metric["first"], metric["second"]] == pytest.approx(measured, abs=1e-9)
    wrong = [
        run["metrics"]["false_positives"] + run["metrics"]["false_negatives"]
        for run in (plain, tuned)
    ]
    assert paired["only_first_right"] - paired["only_second_right"] == wrong[1] - wrong[0]
    lower, upper = metric["interval"]
    assert lower <= metric["change"] <= upper


def test_both_runs_are_in_the_log_folder_beside_their_training_curves(faultline, compared):
    done = faultline("runs", "tensorboard", "--json")
    assert done.code == 0, done.err
    made = json.loads(done.out)
    folders = [path for path in Path(made["logdir"]).iterdir() if path.is_dir()]
    assert made["num_runs"] == len(folders) >= 2
    for folder in folders:
        assert list(folder.glob("events.out.tfevents.*"))
        assert list((folder / "training").rglob("events.out.tfevents.*"))


def test_only_the_run_that_asked_for_it_is_in_mlflow(faultline, tuned):
    store = faultline.output / "mlflow"
    [tag] = [
        path
        for path in store.glob("*/*/tags/faultline.run_id")
        if path.read_text() == tuned["run_id"]
    ]
    folder = tag.parents[1]
    assert folder.name == tuned["tracking"]["mlflow_run"]
    metric = (folder / "metrics" / "pr_auc").read_text().split()
    assert float(metric[1]) == tuned["metrics"]["pr_auc"]
    assert Path((folder / "tags" / "faultline.model").read_text()).is_dir()
    assert (folder / "params" / "learning_rate").is_file()
