"""A run on a case-control sample of train, and the next, which learns of the first one's errors."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import CONFIG, PROJECT, Faultline, wells_csv, write_wells

pytestmark = pytest.mark.e2e

_SAMPLED = (
    CONFIG.replace("  epochs: 6\n", "  epochs: 6\n  hard_negatives: {share: 0.1, weight: 3}\n")
    + "sampling:\n  keep: 0.3\n  by: maker\n  rates: {c: 0.8}\n"
    # 50 faults are too few to compare two models more closely.
    + "gate: {max_pr_auc_drop: 0.15}\n"
)


def _run(faultline: Faultline) -> dict[str, dict[str, Any]]:
    """Runs, and returns the steps by name."""
    done = faultline.in_fork("run", "--config", "wells.yaml", "--json")
    assert done.code == 0, done.err + faultline.last_log()
    return {step["name"]: step for step in json.loads(done.out)["steps"]}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[dict[str, dict[str, Any]]]:
    """The steps of two runs of one config."""
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp("sampled") / "work")
    write_wells(faultline.cwd, wells_csv(2_000), _SAMPLED)
    return [_run(faultline) for _ in range(2)]


def test_the_sample_keeps_all_positives_and_says_what_it_left_out(runs):
    first, _ = runs
    step = first["CaseControl"]
    rest, stratum = step["sampling"]["rest"], step["sampling"]["strata"]["c"]
    assert (rest["nominal"], stratum["nominal"]) == (0.3, 0.8)
    assert rest["kept"] / rest["total"] == pytest.approx(0.3, abs=0.06)
    assert stratum["kept"] / stratum["total"] == pytest.approx(0.8, abs=0.1)
    # A quarter of 2,000 wells is faulty, and three quarters of them are in train.
    assert step["num_positives_train"] == 375
    assert step["num_rows_train"] == 375 + rest["kept"] + stratum["kept"]


def test_the_pushed_model_corrects_the_rates_that_the_metadata_hold(runs):
    first, _ = runs
    rest = first["CaseControl"]["sampling"]["rest"]
    version = first["Pusher"]["pushed_destination"]
    info = json.loads((Path(version) / "assets.extra" / "model_info.json").read_text())
    shift = info["correction"]["sampling"]
    assert shift["by"] == "maker"
    assert 2.718281828 ** shift["rest"] == pytest.approx(rest["kept"] / rest["total"], abs=1e-6)


def test_test_and_eval_keep_their_prevalence(runs):
    first, _ = runs
    metrics = json.loads(first["ModelGate"]["metrics"])
    assert metrics["num_examples"] == 200
    assert metrics["prevalence"] == pytest.approx(0.25, abs=0.01)
    # The server answers with the Trainer's own predictions of all of eval, strata and all.
    assert first["InfraValidator"]["num_examples"] == 300
    assert float(first["InfraValidator"]["max_difference"]) < 1e-5


def test_the_second_training_counts_the_negatives_more_that_the_first_model_took_for_faults(runs):
    first, second = runs
    assert "num_hard_negatives" not in first["Trainer"]
    assert second["CaseControl"]["state"] == second["Transform"]["state"] == "cached"
    assert second["Trainer"]["state"] == "ran"
    sampling = second["CaseControl"]["sampling"]
    num_negatives = sampling["rest"]["kept"] + sampling["strata"]["c"]["kept"]
    assert second["Trainer"]["num_hard_negatives"] == pytest.approx(0.1 * num_negatives, abs=3)
