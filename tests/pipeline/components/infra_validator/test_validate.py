"""Models in a server of their own: one that is well, and each way not to be."""

import shutil
import subprocess
import sys
import time

import httpx
import numpy as np
import pytest
import tensorflow as tf

from models.exporting.export import SERVE_EXAMPLES, export_model, load_in_session
from models.exporting.scorers import NetworkScorer
from models.exporting.warmup import write_warmup
from models.inputs.transform_graph import TransformGraph
from models.probabilities.calibration import PlattScaling
from models.probabilities.probability import ProbabilityMap
from models.training.network import build_network
from pipeline.components.infra_validator.component import validate
from pipeline.components.infra_validator.replay import Sample, take_sample
from pipeline.components.infra_validator.server_process import ServerFailedError, model_server
from tests.models.tiny_transform import ROWS, SPEC, to_example, write_examples, write_transform

pytestmark = pytest.mark.e2e

LABEL = SPEC.label


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A tiny model as Trainer exports it."""
    folder = tmp_path_factory.mktemp("export")
    write_transform(folder / "transform")
    graph = TransformGraph(folder / "transform", SPEC)
    network = build_network(graph.index_space, SPEC.train)
    probability = ProbabilityMap(calibration=PlattScaling(slope=0.7, intercept=-0.4))
    scorer = NetworkScorer(network, graph.index_space)
    export_model(scorer, graph, folder / "model", probability=probability, threshold=0.5)
    write_warmup(folder / "model", [to_example(row) for row in ROWS])
    return folder / "model"


@pytest.fixture
def model(exported, tmp_path):
    """A copy that a test may break."""
    return shutil.copytree(exported, tmp_path / "model")


@pytest.fixture
def sample(exported):
    examples = [to_example({k: v for k, v in row.items() if k != LABEL}) for row in ROWS]
    answer = load_in_session(exported, SERVE_EXAMPLES)({"examples": examples})
    probabilities = answer["probability"][:, 0].astype(np.float64)
    return Sample(examples=examples, rows=list(range(len(ROWS))), probabilities=probabilities)


def test_a_model_that_answers_as_the_trainers_did_is_well(model, sample):
    result = validate(model, sample, label=LABEL)
    assert result.problems == ()
    # Both wires, both signatures, one batch each.
    assert result.num_requests == 4
    assert result.max_difference < 1e-6


def test_other_probabilities_than_the_trainers_are_told_with_row_and_value(model, sample):
    wrong = sample.probabilities.copy()
    wrong[1] += 0.25
    other = Sample(examples=sample.examples, rows=sample.rows, probabilities=wrong)
    problems = validate(model, other, label=LABEL).problems
    assert len(problems) == 4
    assert problems[0].startswith("`serving_default` over gRPC differs from the Trainer's own")
    assert f"in 1 of {len(ROWS)} examples; worst in row 1 of the eval split" in problems[0]
    assert f"against {wrong[1]:.6f}" in problems[0]


def test_a_model_without_its_variables_is_refused(model, sample):
    for file in (model / "variables").iterdir():
        file.unlink()
    [problem] = validate(model, sample, label=LABEL).problems
    assert problem.startswith("The server does not load the model: ")
    assert "Could not find variable" in problem


def test_a_model_whose_variables_do_not_come_back_in_a_session_is_refused(model, sample, tmp_path):
    # Keras 3 saved the plain way: TensorFlow 2 loads it, TensorFlow Serving does not.
    import keras

    class Served(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def examples(self, examples):
            number = tf.cast(tf.strings.length(examples), tf.float32)[:, None]
            probability = self.network(number)
            return {"probability": probability, "decision": tf.cast(probability, tf.int64)}

    served = Served()
    broken = tmp_path / "keras"
    signatures = {"serving_default": served.examples, "serve_examples": served.examples}
    tf.saved_model.save(served, str(broken), signatures=signatures)
    problems = validate(broken, sample, label=LABEL).problems
    assert problems
    assert any("ariable" in problem for problem in problems)


def test_a_custom_operation_is_refused_with_its_name(model, sample):
    path = model / "saved_model.pb"
    saved = path.read_bytes()
    # A graph function's operation gets a name of the same length that TensorFlow does not know.
    assert b"Sigmoid" in saved
    path.write_bytes(saved.replace(b"Sigmoid", b"Sigmund"))
    [problem] = validate(model, sample, label=LABEL).problems
    assert "Sigmund" in problem


def test_a_label_in_the_signature_is_refused_without_a_server(model, sample):
    signatures = load_signature_with(model, LABEL)
    assert LABEL in signatures
    [problem] = validate(model, sample, label=LABEL).problems
    assert f"asks for the label `{LABEL}`" in problem


def load_signature_with(model, name):
    """Gives `serving_default` one input more; returns the inputs."""
    from tensorflow.core.protobuf import saved_model_pb2

    path = model / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    inputs = saved.meta_graphs[0].signature_def["serving_default"].inputs
    inputs[name].CopyFrom(next(iter(inputs.values())))
    path.write_bytes(saved.SerializeToString())
    return list(inputs)


def test_warm_up_requests_that_fail_keep_a_model_from_loading(model):
    (model / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"no record" * 9)
    with pytest.raises(ServerFailedError), model_server(model, "candidate"):
        pass


_HOLDS_A_SERVER = """
import sys, time
from pathlib import Path
from pipeline.components.infra_validator.server_process import model_server

with model_server(Path(sys.argv[1]), "candidate") as address:
    print(address.rest, flush=True)
    time.sleep(60)
"""


def test_a_run_that_is_killed_leaves_no_server(model):
    run = subprocess.Popen(
        [sys.executable, "-c", _HOLDS_A_SERVER, str(model)], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    url = f"{run.stdout.readline().strip()}/v1/models/candidate"
    assert httpx.get(url).status_code == 200
    run.kill()
    run.communicate()
    deadline = time.monotonic() + 20
    while _answers(url):
        assert time.monotonic() < deadline, "the server is still there"
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_a_sample_is_spread_over_the_split_and_has_no_label(tmp_path):
    write_examples(tmp_path / "rows.gz", 5)
    size = 5 * len(ROWS)
    own = np.arange(size, dtype=np.float64)
    sample = take_sample([str(tmp_path / "rows.gz")], own, label=LABEL, max_rows=3)
    assert sample.rows == [0, (size - 1) // 2, size - 1]
    assert sample.probabilities.tolist() == [float(row) for row in sample.rows]
    features = [tf.train.Example.FromString(each).features.feature for each in sample.examples]
    assert all(LABEL not in each for each in features)
    assert len(features) == 3
