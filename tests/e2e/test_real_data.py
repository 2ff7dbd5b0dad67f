"""Real data sets by `init` and `run`, with no edit between the two."""

import json

import numpy as np
import pytest

from tests.e2e.harness import PROJECT, Faultline

pytestmark = pytest.mark.e2e

_LABEL = "label"


@pytest.fixture(
    scope="module",
    params=[
        ("ai4i2020", "ai4i2020/ai4i2020.csv", "stratified"),
        ("hydraulic_fs1_valve", "hydraulic_wide/hydraulic_FS1_valve.csv", "blocks"),
    ],
    ids=lambda param: param[0],
)
def use_case(request, shared_data, tmp_path_factory):
    """A real data set's name and the folder in which `init` and `run` did their work."""
    name, path, strategy = request.param
    data = shared_data / path
    if not data.is_file():
        pytest.skip(f"the real data set is not there: no file ../shared/data/{path}")
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp(name) / "work")
    begun = faultline("init", str(data), "--label", _LABEL, "--name", name)
    assert begun.code == 0, begun.err
    assert f"Split: {strategy}; " in begun.out
    done = faultline("run", "--config", f"configs/{name}.yaml", "--json")
    assert done.code == 0, done.err + faultline.last_log()
    return name, faultline, json.loads(done.out)


def test_init_and_run_bless_a_model_of_real_data_without_an_edit(use_case):
    name, faultline, summary = use_case
    assert (summary["use_case"], summary["verdict"]) == (name, "BLESSED")
    assert summary["metrics"]["pr_auc"] > 3 * summary["metrics"]["prevalence"]
    assert [version.name for version in faultline.versions(name)] == [summary["pushed_version"]]


def test_the_pushed_model_of_real_data_loads_and_answers_without_the_label(use_case):
    import tensorflow as tf

    from models.exporting.export import SERVE_EXAMPLES, load_in_session

    name, faultline, summary = use_case
    [folder] = faultline.output.glob(f"artifacts/{name}/ArrowExampleGen/examples/*/Split-test")
    files = sorted(str(file) for file in folder.iterdir())
    labels, serialised = [], []
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        example = tf.train.Example.FromString(record)
        labels += example.features.feature[_LABEL].int64_list.value
        del example.features.feature[_LABEL]
        serialised.append(example.SerializeToString())
    answer = load_in_session(faultline.versions(name)[0], SERVE_EXAMPLES)({"examples": serialised})
    probability = answer["probability"][:, 0]
    brier = np.mean((probability - np.array(labels)) ** 2)
    assert summary["metrics"]["brier"] == pytest.approx(brier, abs=1e-5)
