"""The exported model in a TF1 Session, as TensorFlow Serving runs it."""

import json
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from models.exporting.export import SERVE_EXAMPLES, SERVING_DEFAULT, export_model, load_in_session
from models.exporting.scorers import NetworkScorer
from models.exporting.warmup import WARMUP_FILE
from models.features import Numeric, Signal
from models.inputs.stacks import MISSING_INT
from models.inputs.transform_graph import TransformGraph
from models.model_spec import ModelSpec
from models.probabilities.calibration import PlattScaling
from models.probabilities.probability import ProbabilityMap
from models.training.data import make_transform, read_split
from models.training.network import build_network
from models.training.trainer import run_fn
from tests.models.tiny_transform import NAN, ROWS, SPEC, to_example, write_examples

# TensorFlow's variables lack NumPy 2's `copy` argument; the TensorBoard callback meets it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PLATT = PlattScaling(slope=0.7, intercept=-0.4)
PROBABILITY = ProbabilityMap(calibration=PLATT)
SERVED_COLUMNS = {
    "pressure [bar]": np.array([1, 2, 3, NAN], np.float32),
    "length": np.array([0, 1.718281828459045, -1.718281828459045, NAN], np.float32),
    "constant": np.full(4, 5, np.float32),
    "never": np.full(4, NAN, np.float32),
    "tool": np.array([b"a", b"a", b"b", b""], object),
    "code": np.array([7, 7, 7, MISSING_INT], np.int64),
    "speed": np.array([1, 2, 3, NAN], np.float32),
    "at": np.array([0, 21_600, 86_400, MISSING_INT], np.int64),
    "pulse": np.array([[0, 1, 2], [2, 1, NAN], [1, 1, np.inf], [NAN] * 3], np.float32),
    "echo": np.array([[1, 2, 3], [1, 4, 3], [1, 6, 3], [NAN] * 3], np.float32),
}


@pytest.fixture(scope="module")
def exported(transform_folder, tmp_path_factory):
    """The model's folder, its own probabilities for `ROWS` and its threshold."""
    folder = tmp_path_factory.mktemp("export")
    write_examples(folder / "rows.gz", 1)
    graph = TransformGraph(transform_folder, SPEC)
    network = build_network(graph.index_space, SPEC.train)
    inputs = read_split([str(folder / "*.gz")], make_transform(graph)).inputs
    logits = network.predict_on_batch(inputs).astype(np.float64)
    probabilities = PLATT.probabilities(logits)
    threshold = float(np.median(probabilities))
    scorer = NetworkScorer(network, graph.index_space)
    export_model(scorer, graph, folder / "model", probability=PROBABILITY, threshold=threshold)
    return folder / "model", probabilities, threshold


@pytest.fixture(scope="module")
def saved_model(exported):
    return saved_model_pb2.SavedModel.FromString((exported[0] / "saved_model.pb").read_bytes())


def _without_label() -> list[bytes]:
    return [to_example({k: v for k, v in row.items() if k != SPEC.label}) for row in ROWS]


def test_examples_without_label_get_the_trainers_own_probabilities(exported):
    folder, probabilities, threshold = exported
    served = load_in_session(folder, SERVE_EXAMPLES)({"examples": _without_label()})
    assert served["probability"] == pytest.approx(probabilities, abs=1e-5)
    assert served["decision"].tolist() == (probabilities >= threshold).astype(int).tolist()
    assert served["probability"].dtype == np.float32
    assert served["decision"].dtype == np.int64
    assert len({*served["decision"].ravel().tolist()}) == 2


def test_plain_columns_get_the_same_answer_as_examples(exported):
    folder, probabilities, _ = exported
    served = load_in_session(folder, SERVING_DEFAULT)(SERVED_COLUMNS)
    assert served["probability"] == pytest.approx(probabilities, abs=1e-5)


def test_one_row_gets_the_same_answer_as_in_a_batch(exported):
    folder, probabilities, _ = exported
    row = {name: column[2:3] for name, column in SERVED_COLUMNS.items()}
    served = load_in_session(folder, SERVING_DEFAULT)(row)
    assert served["probability"] == pytest.approx(probabilities[2:3], abs=1e-5)


def test_signature_takes_the_columns_by_their_own_names_without_label_and_unused_ones(
    saved_model,
):
    signature = saved_model.meta_graphs[0].signature_def[SERVING_DEFAULT]
    shapes = {
        name: [dimension.size for dimension in info.tensor_shape.dim]
        for name, info in signature.inputs.items()
    }
    scalars = {name: [-1] for name in SERVED_COLUMNS}
    assert shapes == scalars | {"pulse": [-1, 3], "echo": [-1, 3]}
    assert signature.inputs["code"].dtype == tf.int64.as_datatype_enum
    assert signature.inputs["tool"].dtype == tf.string.as_datatype_enum


def test_graph_has_core_operations_only(saved_model):
    graph = saved_model.meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    own_functions = {f.signature.name for f in graph.library.function}
    names = {node.op for node in nodes} - own_functions
    # Operations of TFT, struct2tensor or TF Text carry their package's name.
    assert not [name for name in names if ">" in name or name.startswith(("TFT", "Struct"))]
    assert "ParseExampleV2" in names
    assert "HashTableV2" in names


def test_model_info_says_threshold_and_calibration(exported):
    folder, _, threshold = exported
    info = json.loads((folder / "assets.extra" / "model_info.json").read_text())
    assert info["threshold"] == threshold
    assert info["calibration"] == {"slope": 0.7, "intercept": -0.4}
    assert info["correction"]["sampling"] == {"by": None, "strata": {}, "rest": 0.0}
    assert info["inputs"] == list(SERVED_COLUMNS)


def test_an_unknown_signature_is_named_with_those_that_exist(exported):
    with pytest.raises(ValueError, match=r"no signature `predict`.*serving_default"):
        load_in_session(exported[0], "predict")


def test_a_feature_without_a_column_is_named(transform_folder):
    spec = ModelSpec(label="faulty", features={"presure": Numeric()}, train=SPEC.train)
    with pytest.raises(ValueError, match=r"no column \['presure'\]"):
        TransformGraph(transform_folder, spec)


@pytest.mark.parametrize("kind", ["tabular", "signal"])
def test_one_branch_alone_is_served(transform_folder, tmp_path, kind):
    is_signal = {n: isinstance(f, Signal) for n, f in SPEC.features.items()}
    # The graph stacks its numbers: a model takes all of them or none.
    features = {n: f for n, f in SPEC.features.items() if is_signal[n] == (kind == "signal")}
    spec = ModelSpec(label="faulty", features=features, train=SPEC.train)
    graph = TransformGraph(transform_folder, spec)
    network = build_network(graph.index_space, spec.train)
    scorer = NetworkScorer(network, graph.index_space)
    export_model(scorer, graph, tmp_path / "model", probability=PROBABILITY, threshold=0.5)
    ask = load_in_session(tmp_path / "model", SERVING_DEFAULT)
    asked = {n: SERVED_COLUMNS[n] for n in graph.raw_spec}
    assert ask(asked)["probability"].shape == (4, 1)


@pytest.fixture(scope="module")
def trained_twice(transform_folder, tmp_path_factory):
    """Two folders that `run_fn` wrote from the same data."""
    folders = []
    for _ in range(2):
        folder = tmp_path_factory.mktemp("run")
        write_examples(folder / "rows.gz", 5)
        run_fn(
            SimpleNamespace(
                train_files=[str(folder / "*.gz")],
                eval_files=[str(folder / "*.gz")],
                transform_graph_path=str(transform_folder),
                serving_model_dir=str(folder / "model"),
                model_run_dir=str(folder / "model_run"),
                custom_config={"model_spec": SPEC.to_json()},
                hyperparameters=None,
                base_model=None,
            )
        )
        folders.append(folder)
    return folders


def test_run_fn_gives_the_same_weights_twice(trained_twice):
    readers = [
        tf.train.load_checkpoint(str(folder / "model" / "variables" / "variables"))
        for folder in trained_twice
    ]
    names = [name for name in readers[0].get_variable_to_shape_map() if "VARIABLE_VALUE" in name]
    assert len(names) >= 8
    for name in names:
        first, second = (reader.get_tensor(name) for reader in readers)
        assert first.tobytes() == second.tobytes(), name


def test_run_fn_reports_what_it_found_on_eval(trained_twice):
    metrics = json.loads((trained_twice[0] / "model_run" / "eval_metrics.json").read_text())
    assert metrics["epochs"] == SPEC.train.epochs
    assert 1 <= metrics["best_epoch"] <= metrics["epochs"]
    # Half of the examples are positive: knowing nothing gives 0.5.
    assert 0.5 <= metrics["eval_pr_auc"] <= 1
    info = trained_twice[0] / "model" / "assets.extra" / "model_info.json"
    assert json.loads(info.read_text())["threshold"] == metrics["threshold"]


def test_run_fn_writes_its_predictions_of_eval_in_the_order_of_its_files(trained_twice):
    folder = trained_twice[0]
    own = pq.read_table(folder / "model_run" / "eval_predictions.parquet")["probability"]
    records = tf.data.TFRecordDataset(str(folder / "rows.gz"), "GZIP").batch(1_000)
    [examples] = records.as_numpy_iterator()
    served = load_in_session(folder / "model", SERVE_EXAMPLES)({"examples": examples})
    assert len(own) == len(examples) == 5 * len(ROWS)
    assert own.to_numpy() == pytest.approx(served["probability"][:, 0], abs=1e-6)


def test_run_fn_writes_warm_up_requests_that_both_signatures_answer(trained_twice):
    folder = trained_twice[0] / "model"
    records = tf.data.TFRecordDataset(str(folder / WARMUP_FILE)).as_numpy_iterator()
    sizes = []
    for record in records:
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        signature = request.model_spec.signature_name
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        answer = load_in_session(folder, signature)(inputs)
        sizes.append((signature, answer["probability"].shape))
    assert sizes == [
        (signature, (size, 1))
        for size in (1, 8, 64)
        for signature in (SERVING_DEFAULT, SERVE_EXAMPLES)
    ]


def test_the_same_data_give_the_same_warm_up_requests(trained_twice):
    first, second = (folder / "model" / WARMUP_FILE for folder in trained_twice)
    assert first.read_bytes() == second.read_bytes()


def test_a_split_without_examples_names_its_files(transform_folder, tmp_path):
    graph = TransformGraph(transform_folder, SPEC)
    with pytest.raises(ValueError, match=r"No examples in .*nothing"):
        read_split([str(tmp_path / "nothing*")], make_transform(graph))
