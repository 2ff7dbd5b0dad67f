import json

import pytest
from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import properties
from pipeline.components.facts import describe_step


def _artifact(type_name: str, uri: str = "", **values: str | int) -> Artifact:
    artifact = Artifact(type=type_name, uri=uri)
    for key, value in values.items():
        field = "int_value" if isinstance(value, int) else "string_value"
        setattr(artifact.custom_properties[key], field, value)
    return artifact


def _fact(name: str, *artifacts: Artifact) -> str:
    return describe_step(name, {str(i): [a] for i, a in enumerate(artifacts)}).text


def test_ingestion_tells_rows_positives_and_quarantine():
    counts = {f"num_positives_{split}": n for split, n in (("train", 9), ("eval", 2), ("test", 1))}
    artifact = _artifact("Examples", num_rows=1200, num_bad_rows=3, num_duplicates=0, **counts)
    assert _fact("ArrowExampleGen", artifact) == "1,200 rows, 12 positive; 3 in quarantine"


@pytest.mark.parametrize(
    ("num_rows", "num_bad", "text"),
    [
        (90, 0, "10 in quarantine: 10 without a label (10.0% of all rows), in no split"),
        (85, 5, "15 in quarantine: 5 bad, 10 without a label (10.0% of all rows), in no split"),
    ],
)
def test_ingestion_counts_rows_without_a_label_apart_from_bad_ones(num_rows, num_bad, text):
    counts = {f"num_positives_{split}": 4 for split in ("train", "eval", "test")}
    values = {"num_rows": num_rows, "num_bad_rows": num_bad, "num_unlabelled": 10}
    artifact = _artifact("Examples", **values, **counts)
    assert _fact("ArrowExampleGen", artifact) == f"{num_rows} rows, 12 positive; {text}"


def test_ingestion_tells_the_prevalence_before_and_after_duplicates_were_dropped():
    counts = {f"num_positives_{split}": 4 for split in ("train", "eval", "test")}
    artifact = _artifact(
        "Examples", num_rows=150, num_duplicates=100, num_positives_read=15, **counts
    )
    # 15 of 250 rows, and 12 of 150.
    assert _fact("ArrowExampleGen", artifact) == (
        "150 rows, 12 positive; 100 duplicates dropped (prevalence 0.0600 before, 0.0800 after)"
    )


def test_ingestion_tells_which_files_lack_a_column():
    counts = {f"num_positives_{split}": 4 for split in ("train", "eval", "test")}
    sentence = "column `humidity` is missing in 1 of 2 files (a.csv)"
    artifact = _artifact("Examples", num_rows=1200, remarks=sentence, **counts)
    assert _fact("ArrowExampleGen", artifact) == f"1,200 rows, 12 positive; {sentence}"


def test_the_trainer_tells_its_best_epoch(tmp_path):
    values = {"eval_pr_auc": 0.8123, "best_epoch": 4, "epochs": 12, "threshold": 0.25}
    (tmp_path / "eval_metrics.json").write_text(json.dumps(values))
    text = _fact("Trainer", _artifact("Model"), _artifact("ModelRun", str(tmp_path)))
    assert text == "eval PR-AUC 0.812, best epoch 4 of 12, threshold 0.250"


def test_the_trainer_tells_the_metric_out_of_fold_where_it_cross_fits(tmp_path):
    crossed = {"folds": 5, "examples": 1_200, "positives": 40, "pr_auc": 0.8123}
    values = {"cross_fit": crossed, "epochs": 12, "threshold": 0.25}
    (tmp_path / "eval_metrics.json").write_text(json.dumps(values))
    text = _fact("Trainer", _artifact("Model"), _artifact("ModelRun", str(tmp_path)))
    assert text == (
        "PR-AUC 0.812 out of 5 folds (40 of 1,200 examples positive), 12 epochs, threshold 0.250"
    )


def test_the_tuner_tells_the_best_trial_in_short(tmp_path):
    best = {"trial_id": "1", "score": 0.8123, "dropout": 0.12345678, "tuner/epochs": 3}
    worse = {"trial_id": "0", "score": 0.5, "dropout": 0.2, "tuner/epochs": 3}
    (tmp_path / "tuner_results.json").write_text(json.dumps([best, worse]))
    found = _artifact("HyperParameters"), _artifact("TunerResults", str(tmp_path))
    assert _fact("Tuner", *found) == "best of 2 trials 0.812: dropout 0.123457"


def test_the_gate_tells_only_the_bars_that_were_missed():
    reasons = [{"passed": True, "text": "good"}, {"passed": False, "text": "PR-AUC too low"}]
    artifact = _artifact("ModelBlessing", verdict="REJECTED", reasons=json.dumps(reasons))
    assert _fact("ModelGate", artifact) == "REJECTED: PR-AUC too low"


def test_a_refused_model_is_not_pushed():
    assert "not pushed" in _fact("Pusher", _artifact("PushedModel", pushed=0))
    assert _fact("Pusher", _artifact("PushedModel", pushed=1, pushed_version="17")) == "version 17"


def test_a_withdrawn_model_is_not_pushed_and_the_version_is_named():
    artifact = _artifact("PushedModel", pushed=0, withdrawn_version="wells/17")
    assert _fact("Pusher", artifact) == "not pushed: wells/17, the same model, was withdrawn"


def test_schemas_tell_their_columns(tmp_path):
    (tmp_path / "schema.pbtxt").write_text('feature {\n name: "a"\n}\nfeature {\n name: "b"\n}\n')
    assert _fact("SchemaGen", _artifact("Schema", str(tmp_path))) == "2 columns"


def test_a_step_without_a_number_says_nothing():
    assert _fact("Transform", _artifact("TransformGraph")) == ""


def test_the_server_s_check_tells_how_far_it_was_off():
    artifact = _artifact("InfraBlessing", problems="[]", num_examples=486, max_difference="2.4e-07")
    text = "486 examples by gRPC and REST, largest difference 2.4e-07"
    assert _fact("InfraValidator", artifact) == text


def test_the_server_s_check_tells_what_is_wrong():
    artifact = _artifact("InfraBlessing", problems='["no answer"]', num_examples=0)
    assert _fact("InfraValidator", artifact) == "no answer"


def test_internal_properties_are_no_key_figures():
    artifact = Artifact()
    artifact.custom_properties["__manifest"].string_value = "{}"
    artifact.custom_properties["num_rows"].int_value = 3
    assert properties(artifact) == {"num_rows": 3}
