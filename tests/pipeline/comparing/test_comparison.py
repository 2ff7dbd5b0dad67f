"""Two recorded runs compared; nothing is asked of a model here, see tests/e2e/test_tuning.py."""

import dataclasses
import json

import pytest
from rich.console import Console

from common.errors import InputError
from common.metadata import open_store, sqlite_connection
from models.features import Numeric
from models.model_spec import ModelSpec
from models.probabilities.cost import Cost
from models.train_options import TrainOptions
from pipeline.comparing import comparison
from pipeline.comparing.comparison import compare_runs
from pipeline.comparing.differences import Difference
from pipeline.comparing.paired_verdict import PairedMetric, PairedVerdict
from pipeline.comparing.rendering import render_comparison
from pipeline.lineage.graph import read_graph
from pipeline.lineage.provenance import stamp_config
from tests.pipeline.comparing.test_pairing import CONFIG
from tests.pipeline.records import EXAMPLES, VERDICT, Recorder, provenance

VERDICT_OF_A_PAIR = PairedVerdict(
    num_examples=1_000,
    num_positives=30,
    confidence=0.9,
    metrics={},
    only_first_right=2,
    only_second_right=3,
    mcnemar_p=1.0,
    judged_by="decisions",
    better="neither",
)


@pytest.fixture
def store(tmp_path):
    return open_store(sqlite_connection(tmp_path / "metadata.db"))


def _record(store, run_id, *, rate=0.01, rows=200, stamp=None, config=True, code="t1", **verdict):
    run = Recorder(store, run_id, stamp or provenance())
    spec = ModelSpec(
        label="faulty", features={"x": Numeric()}, train=TrainOptions(learning_rate=rate)
    )
    if config:
        stamp_config(store, run_id, dataclasses.replace(CONFIG, train=spec.train))
    data = run.step(
        "ArrowExampleGen",
        outputs={"examples": ("Examples", EXAMPLES | {"num_rows": rows})},
        parameters={"code_digest": "d"},
    )
    custom = json.dumps({"model_spec": spec.to_json(), "code_digest": code})
    trainer = run.step(
        "Trainer",
        inputs={"examples": data["examples"]},
        outputs={"model": ("Model", {}), "model_run": ("ModelRun", {})},
        parameters={"custom_config": custom},
    )
    pushed = {"pushed": 1, "pushed_version": run_id[-1], "pushed_destination": f"s/w/{run_id[-1]}"}
    run.step(
        "ModelGate",
        inputs={"model": trainer["model"]},
        outputs={"blessing": ("ModelBlessing", VERDICT | verdict)},
    )
    run.step("Pusher", outputs={"pushed_model": ("PushedModel", pushed)})


def _compare(store, first="run-1", second="run-2"):
    return compare_runs(read_graph(store), first, second)


def _shown(compared, capsys):
    Console(width=160).print(render_comparison(compared))
    return capsys.readouterr().out


def test_equal_runs_differ_in_nothing(store, capsys):
    _record(store, "run-1")
    _record(store, "run-2")
    compared = _compare(store)
    assert compared.data == compared.code == compared.steps == compared.config == []
    assert compared.packages == compared.hyperparameters == []
    words = "the same: data, code, code of steps, configuration, trained with, packages"
    assert words in _shown(compared, capsys)


def test_each_difference_is_found_where_it_lies(store, capsys):
    _record(store, "run-1")
    stamp = dataclasses.replace(provenance(commit="beef" + "0" * 36), packages={"numpy": "2.4.1"})
    _record(store, "run-2", rate=0.05, rows=300, stamp=stamp, code="t2")
    compared = _compare(store)
    assert compared.data == [Difference(key="num_rows", first=200, second=300)]
    assert compared.steps == [Difference(key="Trainer", first="t1", second="t2")]
    rate = Difference(key="train.learning_rate", first=0.01, second=0.05)
    assert compared.config == [rate]
    assert compared.hyperparameters == [dataclasses.replace(rate, key="learning_rate")]
    assert compared.packages == [Difference(key="numpy", first="2.4.0", second="2.4.1")]
    assert [d.key for d in compared.code] == ["git_commit"]
    text = _shown(compared, capsys)
    assert "train.learning_rate  0.01   0.05" in text
    assert "git_commit  c0ffee000000  beef00000000" in text


def test_what_the_trainer_noted_of_the_models_is_compared(store, tmp_path, capsys):
    for run_id, rounds in (("run-1", 40), ("run-2", 55)):
        _record(store, run_id)
        model = store.get_artifacts_by_type("Model")[-1]
        model.uri = str(tmp_path / run_id)
        store.put_artifacts([model])
        note = tmp_path / run_id / "Format-Serving" / "assets.extra" / "model_info.json"
        note.parent.mkdir(parents=True)
        facts = {"model": "trees", "rounds": rounds, "trees": {"max_depth": 3}}
        note.write_text(json.dumps({"model": facts}))
    compared = _compare(store)
    assert compared.model == [Difference(key="rounds", first=40, second=55)]
    assert "rounds  40     55" in _shown(compared, capsys)


def test_metrics_stand_side_by_side_with_the_intervals_that_were_recorded(store, capsys):
    _record(store, "run-1")
    metrics = {"metrics": '{"pr_auc": 0.7, "brier": 0.1}', "intervals": '{"pr_auc": [0.6, 0.8]}'}
    _record(store, "run-2", **metrics)
    compared = _compare(store)
    first, second = compared.metrics["pr_auc"]
    assert (first.value, first.interval) == (0.81, None)
    assert (second.value, second.interval) == (0.7, (0.6, 0.8))
    assert compared.metrics["brier"][0] is None
    text = _shown(compared, capsys)
    assert "0.81  0.7 [0.6, 0.8]" in text


def test_what_was_not_recorded_is_said_and_not_called_the_same(store, capsys):
    _record(store, "run-1", config=False)
    _record(store, "run-2")
    compared = _compare(store)
    assert compared.config is None
    assert compared.notes == ("the configuration of run run-1 was not recorded",)
    text = _shown(compared, capsys)
    assert "the same: data, code, code of steps, trained with, packages" in text
    assert compared.to_json()["config"] is None


def test_models_that_are_gone_leave_the_rest_of_the_comparison(store, capsys):
    _record(store, "run-1")
    _record(store, "run-2")
    compared = _compare(store)
    assert compared.paired is None
    assert "the model of run run-1 is no longer in" in compared.not_paired
    assert "No paired verdict: the model of run run-1" in _shown(compared, capsys)


def test_a_paired_verdict_is_put_in_words(store, capsys):
    _record(store, "run-1")
    _record(store, "run-2")
    metric = PairedMetric(first=0.5, second=0.75, change=0.25, interval=(0.1, 0.4), better="second")
    verdict = dataclasses.replace(VERDICT_OF_A_PAIR, metrics={"pr_auc": metric})
    compared = dataclasses.replace(_compare(store), paired=verdict, not_paired="")
    text = _shown(compared, capsys)
    assert "On the same 1,000 test examples, 30 of them positive, at 90% confidence" in text
    assert "pr_auc    0.5    0.75  +0.25 [+0.1, +0.4]  the second is better" in text
    assert "McNemar's exact p 1\nverdict by decisions: no difference shown" in text
    assert compared.to_json()["paired"]["metrics"]["pr_auc"]["better"] == "second"


@pytest.mark.parametrize(("priced", "words"), [("run-1", "first"), ("run-2", "second")])
def test_of_different_prices_the_comparison_says_which_it_uses(store, monkeypatch, priced, words):
    for run_id in ("run-1", "run-2"):
        _record(store, run_id)
    config = dataclasses.replace(CONFIG, cost=Cost(missed_fault=9, false_alarm=1))
    stamp_config(store, priced, config)
    monkeypatch.setattr(comparison, "_pair", lambda *_: (VERDICT_OF_A_PAIR, ""))
    note = f"the runs have different prices; the paired verdict uses those of the {words} run"
    assert note in _compare(store).notes


def test_a_pushed_version_means_the_run_that_made_it(store):
    _record(store, "run-1")
    _record(store, "run-2")
    compared = _compare(store, "1", "latest")
    assert (compared.first.row.run_id, compared.second.row.run_id) == ("run-1", "run-2")


def test_a_run_is_not_compared_with_itself_nor_with_nothing(store):
    _record(store, "run-1")
    with pytest.raises(InputError, match="run-1 and 1 are the same run, run-1"):
        _compare(store, "run-1", "1")
    with pytest.raises(InputError, match=r"No model or run matches run-9\. .*run-1"):
        _compare(store, "run-1", "run-9")
