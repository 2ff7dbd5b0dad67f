"""Whole recordings in the exported graph, against the assembly and the alarms of `predict`."""

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from models.exporting.export import (
    SERVING_DEFAULT,
    export_model,
    load_in_session,
    read_signatures,
)
from models.exporting.recordings.signature import SERVING_RECORDING
from models.exporting.scorers import NetworkScorer
from models.exporting.warmup import WARMUP_FILE, write_warmup
from models.framing import Framing
from models.inputs.transform_graph import TransformGraph
from models.probabilities.probability import ProbabilityMap
from models.training.network import build_network
from pipeline.prediction.files.alarms import find_alarms
from pipeline.reading.recordings.recording import Recording
from pipeline.reading.recordings.window_rows import window_rows
from pipeline.recording_options import Window
from tests.models.tiny_transform import SPEC

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
NAN = float("nan")
FRAMING = Framing(channels=("pulse", "echo"), size=3, hop=2, rate_hz=10.0, length_s=0.3)
CONTEXT = {
    "pressure [bar]": 2.0,
    "length": 0.5,
    "constant": 5.0,
    "never": NAN,
    "tool": b"a",
    "code": 7,
    "speed": NAN,
    "at": 21_600,
}
TYPES = {"tool": object, "code": np.int64, "at": np.int64}


@pytest.fixture(scope="module")
def model(transform_folder, tmp_path_factory):
    keras.utils.set_random_seed(5)
    graph = TransformGraph(transform_folder, SPEC)
    network = build_network(graph.index_space, SPEC.train)
    scorer = NetworkScorer(network, graph.index_space)
    folder = tmp_path_factory.mktemp("recordings") / "model"
    threshold = 0.5
    # The second time at the median score, so that half of the windows are alarms.
    for _ in range(2):
        probability = ProbabilityMap()
        export_model(
            scorer, graph, folder, probability=probability, threshold=threshold, framing=FRAMING
        )
        request = _request(_recordings()[:1])
        scores = load_in_session(folder, SERVING_RECORDING)(request)["probability"]
        threshold = float(np.median(scores))
    return folder


@pytest.fixture(scope="module")
def ask(model):
    return load_in_session(model, SERVING_RECORDING)


def _recordings() -> list[Recording]:
    """Three of different lengths: with gaps, with a stretch without samples, and a short one."""
    random = np.random.default_rng(3)
    channels = [
        {name: random.normal(0, 3, size).astype(np.float32) for name in ("pulse", "echo")}
        for size in (40, 31, 3)
    ]
    channels[0]["pulse"][[4, 9, 10]] = NAN
    for name in ("pulse", "echo"):
        channels[1][name][8:15] = NAN
    return [
        Recording(name=f"r{number}", path="", channels=own, rate_hz=10.0, context=dict(CONTEXT))
        for number, own in enumerate(channels)
    ]


def _request(recordings: list[Recording], **others) -> dict[str, np.ndarray]:
    """What a client sends: each recording padded to the longest with what must not count."""
    width = max(recording.num_samples for recording in recordings)
    request = {
        name: np.array(
            [np.pad(r.channels[name], (0, width - r.num_samples), constant_values=99)
             for r in recordings]
        )
        for name in ("pulse", "echo")
    }  # fmt: skip
    size = len(recordings)
    request |= {n: np.array([v] * size, TYPES.get(n, np.float32)) for n, v in CONTEXT.items()}
    request["num_samples"] = np.array([r.num_samples for r in recordings])
    request["sampling_rate_hz"] = np.full(size, 10.0)
    return request | others


def _predicted(model, recordings: list[Recording]) -> pa.Table:
    """The windows of the assembly, scored as rows, as `faultline predict` does it."""
    window = Window(length_s=0.3, hop=2 / 3)
    tables = [window_rows(recording, window, label=None)[0] for recording in recordings]
    rows = pa.concat_tables([table.select(["recording", "window_start", "window_end", "pulse",
                                           "echo"]) for table in tables])  # fmt: skip
    columns = {
        n: np.array([v] * rows.num_rows, TYPES.get(n, np.float32)) for n, v in CONTEXT.items()
    }
    columns |= {n: np.array(rows[n].to_pylist(), np.float32) for n in ("pulse", "echo")}
    answer = load_in_session(model, SERVING_DEFAULT)(columns)
    for name in ("probability", "decision"):
        rows = rows.append_column(name, pa.array(answer[name].ravel()))
    return rows


def test_windows_and_scores_are_those_of_predict_bit_for_bit(model, ask):
    recordings = _recordings()
    expected, answer = _predicted(model, recordings), ask(_request(recordings))
    # 40 samples: 19 windows at 0, 2, .. 36. 31: 15 windows, without those at 8, 10, 12 that have
    # no sample. 3: one.
    assert answer["num_windows"].tolist() == [19, 12, 1]
    kept = np.arange(19) < answer["num_windows"][:, None]
    assert answer["window_start_s"][kept].tolist() == expected["window_start"].to_pylist()
    assert answer["probability"][kept].tobytes() == expected["probability"].to_numpy().tobytes()
    assert answer["decision"][kept].tolist() == expected["decision"].to_pylist()
    assert np.isnan(answer["probability"][~kept]).all()
    assert set(answer["decision"][~kept].tolist()) == {-1}
    assert answer["max_probability"].tolist() == np.nanmax(answer["probability"], axis=1).tolist()


def test_alarms_are_those_of_predict(model, ask):
    recordings = _recordings()
    expected, answer = find_alarms([_predicted(model, recordings)]), ask(_request(recordings))
    assert expected is not None
    assert expected.num_rows > 2
    numbers = answer["num_alarms"]
    assert [f"r{place}" for place in np.repeat(np.arange(3), numbers)] == expected[
        "recording"
    ].to_pylist()
    kept = np.arange(numbers.max()) < numbers[:, None]
    for name in ("num_windows", "probability"):
        assert answer[f"alarm_{name}"][kept].tolist() == expected[name].to_pylist(), name
    # `predict` adds the length of a window to its start, the graph divides the last sample's place.
    for name in ("start", "end"):
        times = pytest.approx(expected[name].to_pylist(), rel=1e-12)
        assert answer[f"alarm_{name}_s"][kept].tolist() == times, name
    assert set(answer["alarm_num_windows"][~kept].tolist()) <= {-1}


def test_a_recording_alone_is_answered_as_in_a_batch(ask):
    recordings = _recordings()
    together, alone = ask(_request(recordings)), ask(_request(recordings[1:2]))
    assert alone["probability"].shape == (1, 12)
    assert alone["probability"][0] == pytest.approx(together["probability"][1, :12], abs=1e-6)
    assert alone["num_alarms"][0] == together["num_alarms"][1]


def test_without_a_rate_samples_have_the_nominal_one(ask):
    request = _request(_recordings()[:1], sampling_rate_hz=np.array([NAN]))
    assert ask(request)["window_start_s"][0, :3].tolist() == [0.0, 0.2, 0.4]


def test_a_recording_without_any_sample_has_no_window(ask):
    nothing = np.full((1, 9), NAN, np.float32)
    request = _request(_recordings()[:1], pulse=nothing, echo=nothing, num_samples=np.array([9]))
    answer = ask(request)
    assert answer["num_windows"].tolist() == answer["num_alarms"].tolist() == [0]
    assert answer["probability"].shape == answer["alarm_start_s"].shape == (1, 0)
    assert np.isnan(answer["max_probability"]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"num_samples": np.array([40, 2, 3])},
            "`num_samples` is 2 in recording 1, but a window has 3 samples. Send a longer one.",
        ),
        (
            {"num_samples": np.array([41, 31, 3])},
            "`num_samples` is 41 in recording 0, but not more were sent.",
        ),
        (
            {"echo": np.zeros((3, 39), np.float32)},
            "`echo` has 39 samples, and `pulse` has 40 .",
        ),
        (
            {"sampling_rate_hz": np.array([10.0, 10.0, 20.0])},
            "`sampling_rate_hz` is 20.* in recording 2; the model takes samples at 10 Hz. Resample",
        ),
        ({"sampling_rate_hz": np.array([-1.0, NAN, 10.0])}, "in recording 0; it must be > 0"),
    ],
)  # fmt: skip
def test_what_the_graph_cannot_cut_is_refused(ask, change, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        ask(_request(_recordings(), **change))


def test_too_many_samples_are_refused_before_windows_are_made(ask):
    # (2**23 - 3) // 2 + 1 windows of 3 samples in 2 channels: 6 * 4,194,303 > 2**24.
    long = np.zeros((1, 2**23), np.float32)
    request = _request(_recordings()[:1], pulse=long, echo=long, num_samples=np.array([2**23]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="have 25165818 samples; at most"):
        ask(request)


def test_only_core_operations_are_added_and_the_label_is_no_input(model):
    signature = read_signatures(model)[SERVING_RECORDING]
    assert set(signature.inputs) == {"pulse", "echo", *CONTEXT, "num_samples", "sampling_rate_hz"}
    shape = [dimension.size for dimension in signature.inputs["pulse"].tensor_shape.dim]
    assert shape == [-1, -1]


def test_a_model_of_no_windows_has_no_such_signature(transform_folder, tmp_path):
    graph = TransformGraph(transform_folder, SPEC)
    scorer = NetworkScorer(build_network(graph.index_space, SPEC.train), graph.index_space)
    export_model(scorer, graph, tmp_path / "m", probability=ProbabilityMap(), threshold=0.5)
    assert SERVING_RECORDING not in read_signatures(tmp_path / "m")


def test_a_server_warms_up_with_a_whole_recording(model, ask):
    values = {"pulse": [1.0, NAN, 2.0], "tool": [b"a"], "code": [7]}
    write_warmup(model, [_example(values), _example({})])
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        for record in tf.data.TFRecordDataset(str(model / WARMUP_FILE))
    ]
    [request] = [log for log in logs if log.model_spec.signature_name == SERVING_RECORDING]
    arrays = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
    np.testing.assert_array_equal(arrays["pulse"], [[1, NAN, 2]])
    answer = ask(arrays)
    assert answer["num_windows"].tolist() == [1]
    assert np.isfinite(answer["max_probability"]).all()


def _example(values) -> bytes:
    features = {}
    for name, own in values.items():
        if isinstance(own[0], bytes):
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=own))
        elif isinstance(own[0], int):
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=own))
        else:
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=own))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
