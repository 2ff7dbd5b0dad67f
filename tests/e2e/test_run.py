"""A use case from its CSV to a pushed model, again unchanged, and again after each kind of edit."""

import csv
import json
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from serving.client import Client
from serving.options import ServerOptions
from serving.server import ModelServer
from tests.e2e.harness import Done, Faultline, copy_project, listing, wells_csv, write_wells

pytestmark = pytest.mark.e2e

_STEPS = (
    *("ArrowExampleGen", "EarlierDataResolver", "StatisticsGen", "SchemaGen"),
    *("ExampleValidator", "AnomalyGate", "DataReport"),
    *("Transform", "Trainer", "BaselineResolver", "InfraValidator", "Evaluator", "ModelGate"),
    *("Pusher", "ErrorAnalyzer", "ModelReport"),
)


@dataclass(frozen=True)
class Run:
    """A run that has ended.

    Attributes:
        done: The command.
        summary: What it left in `summary.json`.
        before: Files around it before, by folder.
        after: The same after it.
    """

    done: Done
    summary: Mapping[str, Any]
    before: Mapping[str, set[str]]
    after: Mapping[str, set[str]]

    @property
    def states(self) -> dict[str, str]:
        """Each step's state, without the resolvers, which look anew in every run."""
        return {
            step["name"]: step["state"]
            for step in self.summary["steps"]
            if not step["name"].endswith("Resolver")
        }

    @property
    def reran(self) -> list[str]:
        """The steps that did not come from the cache."""
        return [name for name, state in self.states.items() if state != "cached"]


def _surroundings(faultline: Faultline) -> dict[str, set[str]]:
    """All that is not in the output folder, by folder."""
    work = {name for name in listing(faultline.cwd) if name.split("/")[0] != "output"}
    folders = (faultline.source, faultline.home, faultline.temporary)
    return {"work": work} | {folder.name: listing(folder) for folder in folders}


def _run(
    faultline: Faultline,
    *options: str,
    program: str = "faultline.py",
    codes: Collection[int] = (0,),
) -> Run:
    command = ["run"] if program == "faultline.py" else []
    before = _surroundings(faultline)
    done = faultline(*command, "--config", "wells.yaml", *options, program=program)
    assert done.code in codes, done.err + faultline.last_log()
    newest = max((faultline.output / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    summary = json.loads((newest / "summary.json").read_text())
    return Run(done, summary, before, _surroundings(faultline))


def _git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.org")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def faultline(tmp_path_factory) -> Faultline:
    """A committed copy of the project, and a data set beside it."""
    folder = tmp_path_factory.mktemp("wells")
    source = copy_project(folder / "project")
    _git(source, "init", "-q")
    _git(source, "add", "-A")
    _git(source, "commit", "-q", "-m", "As it is")
    write_wells(folder / "work", wells_csv())
    return Faultline(source, folder / "work")


# Each of these runs comes after the one that it asks for: together they are one story.


@pytest.fixture(scope="module")
def first(faultline) -> Run:
    return _run(faultline, "--json")


@pytest.fixture(scope="module")
def pushed(faultline, first) -> Path:
    [version] = faultline.versions()
    return version


@pytest.fixture(scope="module")
def second(faultline, pushed) -> Run:
    return _run(faultline)


@pytest.fixture(scope="module")
def runs_and_lineage(faultline, second) -> tuple[Done, Done]:
    return faultline("runs", "--json"), faultline("lineage", "latest", "--json")


@pytest.fixture(scope="module")
def by_local_runner(faultline, runs_and_lineage) -> Run:
    return _run(faultline, program="local_runner.py")


@pytest.fixture(scope="module")
def asked(faultline, by_local_runner) -> Run:
    """An unchanged run that finds no plan, so that each step looks for its earlier result."""
    (faultline.output / "plans" / "wells.json").unlink()
    return _run(faultline)


@pytest.fixture(scope="module")
def served_damaged(faultline, asked, pushed) -> Run:
    model = pushed / "saved_model.pb"
    content = model.read_bytes()
    model.write_bytes(content + b"x")
    run = _run(faultline)
    model.write_bytes(content)
    return run


@pytest.fixture(scope="module")
def network_edited(faultline, served_damaged) -> Run:
    with (faultline.source / "models" / "training" / "network.py").open("a") as source:
        source.write("\n# An edit.\n")
    return _run(faultline)


@pytest.fixture(scope="module")
def preprocessing_edited(faultline, network_edited) -> Run:
    with (faultline.source / "models" / "inputs" / "preprocessing.py").open("a") as source:
        source.write("\n# An edit.\n")
    return _run(faultline)


@pytest.fixture(scope="module")
def data_changed(faultline, preprocessing_edited) -> Run:
    write_wells(faultline.cwd, wells_csv(880))
    # 22 faults are too few to compare two models closely: the verdict may be inconclusive.
    return _run(faultline, codes=(0, 3))


def test_a_first_run_pushes_a_model_and_leaves_a_summary(faultline, first, pushed):
    assert (pushed / "saved_model.pb").is_file()
    assert (faultline.output / "metadata.db").is_file()
    assert tuple(step["name"] for step in first.summary["steps"]) == _STEPS
    assert set(first.states.values()) == {"ran"}
    assert first.summary["state"] == "complete"
    assert first.summary["verdict"] == "BLESSED"
    assert first.summary["pushed_version"] == pushed.name
    assert Path(first.summary["pushed_path"]) == pushed


def test_raw_rows_get_from_the_server_what_training_gave_them(faultline, pushed):
    """Training-serving skew: the CSV's own rows, over both wires, beside the Trainer's model."""
    own = _trainers_probabilities(faultline)
    rows = _raw_rows(faultline, own)
    options = ServerOptions(
        port=0, rest_api_port=-1, model_name="wells", model_base_path=str(pushed.parent)
    )
    with ModelServer(options) as server:
        for address in (
            f"grpc://127.0.0.1:{server.grpc_port}",
            f"http://127.0.0.1:{server.rest_port}",
        ):
            with Client(address, model="wells") as client:
                served = client.predict(list(rows.values()))["probability"][:, 0]
            expected = [own[key] for key in rows]
            assert len(expected) == len(own) == 120
            assert served == pytest.approx(expected, abs=1e-6)


def _trainers_probabilities(faultline: Faultline) -> dict[tuple[float, ...], float]:
    """What Trainer's own model said of each row of eval, by the row's numbers."""
    artifacts = faultline.output / "artifacts" / "wells"
    [predictions] = artifacts.glob("Trainer/model_run/*/eval_predictions.parquet")
    [examples] = artifacts.glob("ArrowExampleGen/examples/*/Split-eval/*")
    records = tf.data.TFRecordDataset(str(examples), "GZIP").as_numpy_iterator()
    features = [tf.train.Example.FromString(each).features.feature for each in records]
    keys = [
        tuple(feature[name].float_list.value[0] for name in ("pressure", "temperature"))
        for feature in features
    ]
    probabilities = pq.read_table(predictions)["probability"].to_pylist()
    return dict(zip(keys, probabilities, strict=True))


def _raw_rows(faultline: Faultline, wanted: Mapping[tuple[float, ...], float]) -> dict:
    """The CSV's rows of eval, as a client has them, without the label."""
    with (faultline.cwd / "wells.csv").open(newline="") as file:
        rows = [
            {"pressure": float(r["pressure"]), "temperature": float(r["temperature"])}
            | {"maker": r["maker"]}
            for r in csv.DictReader(file)
        ]
    by_key = {
        (float(np.float32(row["pressure"])), float(np.float32(row["temperature"]))): row
        for row in rows
    }
    return {key: by_key[key] for key in wanted}


def test_the_counts_are_those_of_the_data(first):
    # 800 rows at 75/15/10, one in four positive: 600 + 120 + 80, of them 150 + 30 + 20.
    counts = {step["name"]: step for step in first.summary["steps"]}["ArrowExampleGen"]
    splits = ("train", "eval", "test")
    assert [counts[f"num_rows_{split}"] for split in splits] == [600, 120, 80]
    assert [counts[f"num_positives_{split}"] for split in splits] == [150, 30, 20]
    assert first.summary["metrics"]["num_examples"] == 80
    assert first.summary["metrics"]["prevalence"] == pytest.approx(0.25)


def test_json_is_one_document_on_standard_output_and_people_read_standard_error(first):
    assert json.loads(first.done.out) == first.summary
    for words in ("Trainer", "BLESSED", "PR-AUC", "faultline serve"):
        assert words in first.done.err


def test_without_json_people_read_standard_output_and_libraries_are_quiet(second):
    for words in ("Trainer", "cached", "BLESSED", "PR-AUC", "faultline serve"):
        assert words in second.done.out
    assert second.done.err == ""


def test_nothing_is_written_outside_the_output_folder(first, second):
    assert first.after == first.before
    assert second.after == second.before


def test_an_unchanged_second_run_recomputes_nothing_and_pushes_nothing(second, pushed):
    assert second.reran == []
    assert list(pushed.parent.iterdir()) == [pushed]


def test_local_runner_does_the_same_as_the_command(by_local_runner, second):
    assert by_local_runner.reran == []
    assert by_local_runner.states == second.states
    assert by_local_runner.summary["pushed_version"] == second.summary["pushed_version"]


def _outcome(run: Run) -> dict[str, Any]:
    """The summary without what differs between equal runs."""
    own = {"run_id", "duration_s", "steps_s", "log", "execution_id"}
    steps = [
        {key: value for key, value in step.items() if key not in own}
        for step in run.summary["steps"]
    ]
    return {key: value for key, value in run.summary.items() if key not in own} | {"steps": steps}


def _log(run: Run) -> str:
    return Path(run.summary["log"]).read_text()


def test_an_unchanged_run_imports_no_tensorflow_and_ends_as_if_its_steps_were_asked(
    second, by_local_runner, asked
):
    assert "TensorFlow" in _log(asked)  # it greets whoever imports it
    assert "TensorFlow" not in _log(second)
    assert "TensorFlow" not in _log(by_local_runner)
    assert _outcome(by_local_runner) == _outcome(asked)
    assert _outcome(second) == _outcome(asked)


def test_a_damaged_served_version_is_seen_and_pushed_again(faultline, served_damaged, pushed):
    assert served_damaged.reran == ["Pusher"]
    assert f"wells/{pushed.name} is damaged" in served_damaged.done.out
    assert served_damaged.summary["pushed_version"] > pushed.name


def test_an_edit_of_the_network_reruns_from_the_trainer_on(network_edited):
    rest = ["Trainer", "InfraValidator", "Evaluator", "ModelGate", "Pusher", "ErrorAnalyzer"]
    assert network_edited.reran == [*rest, "ModelReport"]


def test_an_edit_of_the_preprocessing_reruns_from_transform_on(preprocessing_edited):
    rest = ["Transform", "Trainer", "InfraValidator", "Evaluator", "ModelGate", "Pusher"]
    assert preprocessing_edited.reran == [*rest, "ErrorAnalyzer", "ModelReport"]


def test_changed_data_rerun_every_step(data_changed):
    assert set(data_changed.states.values()) == {"ran"}
    counts = {step["name"]: step for step in data_changed.summary["steps"]}["ArrowExampleGen"]
    assert counts["num_rows"] == 880


def test_runs_lists_each_run_with_data_code_metrics_and_verdict(
    faultline, first, second, runs_and_lineage
):
    done, _ = runs_and_lineage
    newest, oldest = json.loads(done.out)
    assert [newest["run_id"], oldest["run_id"]] == [
        second.summary["run_id"],
        first.summary["run_id"],
    ]
    assert (oldest["state"], oldest["verdict"]) == ("complete", "BLESSED")
    assert oldest["data"]["num_rows"] == 800
    assert oldest["commit"] == _git(faultline.source, "rev-parse", "HEAD").strip()
    assert oldest["dirty"] is False
    assert oldest["metrics"]["pr_auc"] == pytest.approx(first.summary["metrics"]["pr_auc"])
    assert newest["num_cached"] == len(_STEPS) - 2  # all but the resolvers


def _nodes(tree: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [tree, *(node for child in tree["children"] for node in _nodes(child))]


def test_lineage_names_the_version_the_run_the_files_and_the_commit(
    faultline, first, pushed, runs_and_lineage
):
    _, done = runs_and_lineage
    tree = json.loads(done.out)
    kinds = {node["kind"] for node in _nodes(tree)}
    assert tree["kind"] == "pushed model"
    assert tree["name"] == f"wells/{pushed.name}"
    assert {"model", "transform graph", "examples"} <= kinds
    commit = _git(faultline.source, "rev-parse", "HEAD").strip()
    for words in (first.summary["run_id"], "wells.csv", "wells.yaml", commit):
        assert words in done.out


def _oldest(faultline: Faultline, output: str) -> Path:
    """The first artifact of a step's output; they are numbered."""
    folder = faultline.output / "artifacts" / "wells" / output
    return min(folder.iterdir(), key=lambda path: int(path.name))


def _test_columns(faultline: Faultline) -> tuple[list[bytes], dict[str, list[Any]], list[int]]:
    """The test split: serialised without the label, its columns, its labels."""
    import tensorflow as tf

    folder = _oldest(faultline, "ArrowExampleGen/examples") / "Split-test"
    files = sorted(str(file) for file in folder.iterdir())
    serialised, labels = [], []
    columns: dict[str, list[Any]] = {"pressure": [], "temperature": [], "maker": []}
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        example = tf.train.Example.FromString(record)
        labels += example.features.feature["faulty"].int64_list.value
        del example.features.feature["faulty"]
        serialised.append(example.SerializeToString())
        for name, column in columns.items():
            feature = example.features.feature[name]
            column.extend(getattr(feature, feature.WhichOneof("kind")).value)
    return serialised, columns, labels


@pytest.fixture(scope="module")
def answers(faultline, first, pushed) -> dict[str, Any]:
    """What the pushed model answers in a TF1 Session, and the Trainer's own, on the test split."""
    import tensorflow as tf

    from models.exporting.export import SERVE_EXAMPLES, SERVING_DEFAULT, load_in_session

    serialised, columns, labels = _test_columns(faultline)
    trained = _oldest(faultline, "Trainer/model") / "Format-Serving"
    loaded = tf.saved_model.load(str(trained))
    trainers = loaded.signatures[SERVE_EXAMPLES](examples=tf.constant(serialised))
    return {
        "labels": np.array(labels),
        "trainer": {name: tensor.numpy() for name, tensor in trainers.items()},
        SERVE_EXAMPLES: load_in_session(pushed, SERVE_EXAMPLES)({"examples": serialised}),
        SERVING_DEFAULT: load_in_session(pushed, SERVING_DEFAULT)(columns),
    }


@pytest.mark.parametrize("signature", ["serve_examples", "serving_default"])
def test_the_pushed_model_answers_without_the_label_as_the_trainers_did(answers, signature):
    served = answers[signature]
    np.testing.assert_allclose(
        served["probability"], answers["trainer"]["probability"], rtol=0, atol=1e-5
    )
    np.testing.assert_array_equal(served["decision"], answers["trainer"]["decision"])
    assert served["probability"].shape == served["decision"].shape == (80, 1)


def test_the_reported_metrics_are_those_of_the_pushed_model(answers, first):
    labels, served = answers["labels"], answers["serve_examples"]
    probability, decision = served["probability"][:, 0], served["decision"][:, 0]
    metrics = first.summary["metrics"]
    assert metrics["brier"] == pytest.approx(np.mean((probability - labels) ** 2), abs=1e-5)
    assert metrics["recall"] == pytest.approx(decision[labels == 1].mean())
    assert metrics["precision"] == pytest.approx(labels[decision == 1].mean())
