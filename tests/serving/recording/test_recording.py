"""Requests to a server that records, by both wires and signatures, and what is on disk then."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from serving.client import AsyncClient, Client, ServingClientError
from serving.options import ServerOptions
from serving.recording.options import in_sample
from serving.runtime.tensor_protos import fill_proto, from_proto
from serving.runtime.tf_records import read_records
from serving.server import ModelServer
from tests.serving.recording.pump_model import NAME, THRESHOLD, example, pump, row

WIRES = ("grpc", "http")
SIGMOID_1, SIGMOID_MINUS_1 = 0.731059, 0.268941


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Base path of the pump model, version 3."""
    root = tmp_path_factory.mktemp("models")
    pump(root / NAME / "3")
    return root / NAME


@pytest.fixture(params=WIRES)
def wire(request):
    return request.param


class Served:
    """A recording server and its folder."""

    def __init__(self, server: ModelServer, collected: Path) -> None:
        self.server = server
        self.collected = collected

    def address(self, wire: str) -> str:
        port = self.server.grpc_port if wire == "grpc" else self.server.rest_port
        return f"{wire}://127.0.0.1:{port}"

    def client(self, wire: str, **options: Any) -> Client:
        return Client(self.address(wire), model=NAME, **options)

    def metrics(self) -> dict[tuple[str, str], float]:
        """Recorded and dropped requests by model and status."""
        text = httpx.get(f"{self.address('http')}/monitoring/prometheus/metrics").text
        return {
            (sample.labels["model_name"], sample.labels["status"]): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if "request_log_count" in sample.name
        }

    def wait_for(self, key: tuple[str, str], value: float) -> None:
        end = time.monotonic() + 30
        while self.metrics().get(key) != value:
            assert time.monotonic() < end, self.metrics()
            time.sleep(0.05)


@contextmanager
def serving(
    base: Path, folder: Path, *, arm: str = "stable", batches: bool = False, **options: Any
) -> Iterator[Served]:
    config = folder / "collect.json"
    config.write_text(json.dumps(options))
    monitoring = folder / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    flags = ServerOptions(
        port=0,
        rest_api_port=-1,
        model_name=NAME,
        model_base_path=str(base),
        monitoring_config_file=str(monitoring),
        enable_batching=batches,
        collect_dir=str(folder / "collected"),
        collect_arm=arm,
        collect_config=str(config),
    )
    with ModelServer(flags) as server:
        yield Served(server, folder / "collected")


def call(served: Served, request: PredictRequest, *metadata: tuple[str, str]) -> bytes:
    """The answer to a Predict call by gRPC."""
    address = served.address("grpc").removeprefix("grpc://")
    with grpc.insecure_channel(address) as channel:
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        return predict(request.SerializeToString(), metadata=metadata, timeout=30)


def records(collected: Path, model: str = NAME) -> list[dict[str, Any]]:
    """The closed records of a model by time and row, without latencies."""
    paths = sorted(collected.glob(f"{model}/requests/date=*/hour=*/*.parquet"))
    rows = [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]
    return sorted(rows, key=lambda record: (record["time"], record["row"]))


ROWS = [row(1.0), row(-1.0, maker=None, code=None, measured_at=None, key=None, current=None)]
FEATURES = [
    {
        "pressure": 1.0,
        "maker": "acme",
        "code": 7,
        "measured_at": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        "feature_key": "k",
        "current": [1.0, 2.0, 3.0, 4.0],
    },
    {
        "pressure": -1.0,
        "maker": None,
        "code": None,
        "measured_at": None,
        "feature_key": None,
        "current": None,
    },
]


@pytest.mark.parametrize("batches", [False, True])
@pytest.mark.parametrize("as_examples", [False, True])
def test_a_request_is_recorded_row_by_row(base, tmp_path, wire, as_examples, batches):
    started = datetime.now(UTC)
    with serving(base, tmp_path, batches=batches) as served, served.client(wire) as client:
        if as_examples:
            answer = client.predict_examples([example(values) for values in ROWS])
        else:
            answer = client.predict(ROWS)
        ended = datetime.now(UTC)
    first, second = records(served.collected)
    for place, record in enumerate((first, second)):
        assert {key: record[key] for key in FEATURES[place]} == FEATURES[place]
        own = {key: record[key] for key in ("row", "model", "version", "arm", "status")}
        assert own == {"row": place, "model": NAME, "version": 3, "arm": "stable", "status": "OK"}
        assert record["request_id"] == answer.request_id
        assert started <= record["time"] <= ended
        assert 0 < record["latency_ms"] < 30_000
        assert record["threshold"] == THRESHOLD
        assert record["answered"]
        assert record["key"] is None
    assert [first["probability"], second["probability"]] == pytest.approx(
        [SIGMOID_1, SIGMOID_MINUS_1], abs=1e-5
    )
    assert [first["decision"], second["decision"]] == [1, 0]


def test_the_types_are_those_of_the_training_data(base, tmp_path):
    with serving(base, tmp_path) as served, served.client("grpc") as client:
        client.predict(ROWS)
    [path] = served.collected.glob("*/requests/*/*/*.parquet")
    schema = pq.read_schema(path)
    assert schema.names[:4] == ["request_id", "row", "time", "model"]
    assert {name: schema.field(name).type for name in FEATURES[0]} == {
        "pressure": pa.float32(),
        "maker": pa.string(),
        "code": pa.int64(),
        "measured_at": pa.timestamp("us", tz="UTC"),
        "feature_key": pa.string(),
        "current": pa.list_(pa.field("element", pa.float32())),
    }


def test_ids_and_keys_of_the_client_are_kept_and_sent_back(base, tmp_path, wire):
    options = {"key_header": "x-pump"}
    with (
        serving(base, tmp_path, **options) as served,
        served.client(wire, batch_size=2, key_header="x-pump") as client,
    ):
        answer = client.predict([row()] * 3, request_id="a1", key="pump 7")
        assert answer.request_ids == ("a1", "a1-2")
        assert answer.request_id is None
        assert client.predict([row()], request_id="b").request_id == "b"
    ids = [(r["request_id"], r["row"], r["key"]) for r in records(served.collected)]
    assert ids == [("a1", 0, "pump 7"), ("a1", 1, "pump 7"), ("a1-2", 0, "pump 7"), ("b", 0, None)]


def test_ids_that_cannot_be_sent_back_are_replaced(base, tmp_path):
    with serving(base, tmp_path) as served:
        url = f"{served.address('http')}/v1/models/{NAME}:predict"
        body = json.dumps({"instances": [row()]})
        for bad in ("x" * 129, "a b"):
            answer = httpx.post(url, content=body, headers={"x-request-id": bad})
            assert answer.status_code == 200
            assert answer.headers["x-request-id"] != bad
            assert len(answer.headers["x-request-id"]) == 32


def test_without_recording_an_id_is_sent_back_only_to_who_sent_one(base, wire):
    options = ServerOptions(port=0, rest_api_port=-1, model_name=NAME, model_base_path=str(base))
    with ModelServer(options) as server, Served(server, Path()).client(wire) as client:
        assert client.predict([row()]).request_ids == ()
        assert client.predict([row()], request_id="mine").request_id == "mine"


def test_failed_requests_are_recorded_without_features(base, tmp_path, wire):
    with serving(base, tmp_path) as served, served.client(wire) as client:
        client.predict([row()])
        with pytest.raises(ServingClientError):
            client.predict_examples([b"no example"], request_id="bad")
        with pytest.raises(ServingClientError, match="Specific"):
            client.predict([row()], version=9)
    failed = [r for r in records(served.collected) if r["status"] != "OK"]
    [bad] = [r for r in failed if r["request_id"] == "bad"]
    assert (bad["status"], bad["version"], bad["row"]) == ("INVALID_ARGUMENT", 3, 0)
    assert (bad["probability"], bad["pressure"], bad["maker"]) == (None, None, None)


@pytest.mark.parametrize(
    ("action", "signature"), [("classify", "classify_x_to_y"), ("regress", "regress_x_to_y")]
)
def test_classify_and_regress_are_recorded_with_their_features(models, tmp_path, action, signature):
    body = {"signature_name": signature, "examples": [{"x": 1.0}, {"x": 3.0}]}
    with serving(models / "half_plus_two", tmp_path) as served:
        url = f"{served.address('http')}/v1/models/{NAME}:{action}"
        assert httpx.post(url, json=body).status_code == 200
    columns = ("row", "version", "x", "probability", "threshold", "status")
    assert [tuple(r[column] for column in columns) for r in records(served.collected)] == [
        (0, 2, 1.0, None, None, "OK"),
        (1, 2, 3.0, None, None, "OK"),
    ]


@pytest.mark.parametrize("scheme", WIRES)
def test_the_asynchronous_client_knows_the_ids_too(base, tmp_path, scheme):
    async def ask(address: str) -> tuple[str | None, str | None]:
        async with AsyncClient(address, model=NAME) as client:
            sent = await client.predict([row()], request_id="mine", key="pump 7")
            made = await client.predict([row()])
            return sent.request_id, made.request_id

    with serving(base, tmp_path) as served:
        sent, made = asyncio.run(ask(served.address(scheme)))
    assert sent == "mine"
    assert [(r["request_id"], r["key"]) for r in records(served.collected)] == [
        ("mine", "pump 7"),
        (made, None),
    ]


def test_a_version_that_is_not_there_is_recorded_without_version(base, tmp_path):
    with serving(base, tmp_path) as served:
        url = f"{served.address('http')}/v1/models/{NAME}/versions/9:predict"
        assert httpx.post(url, json={"instances": [row()]}).status_code == 404
    [record] = records(served.collected)
    assert (record["status"], record["version"]) == ("NOT_FOUND", None)


def test_clients_cannot_make_folders_by_asking_for_other_models(base, tmp_path):
    with serving(base, tmp_path) as served:
        for name in ("other", "..%2F..%2Fescaped", "..%2Fx"):
            url = f"{served.address('http')}/v1/models/{name}:predict"
            assert httpx.post(url, json={"instances": [row()]}).status_code == 404
        request = PredictRequest()
        request.model_spec.name = "../x"
        with pytest.raises(grpc.RpcError, match="Servable not found"):
            call(served, request)
    assert list(served.collected.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {
        "collected", "collect.json", "monitoring.config",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("header", "answered"), [({}, True), ({"x-faultline-arm": "candidate"}, True),
                             ({"x-faultline-arm": "stable"}, True),  # in place of a dead server
                             ({"x-faultline-arm": "stable", "x-faultline-copy": "1"}, False)],
)  # fmt: skip
def test_a_copy_of_a_request_is_marked(base, tmp_path, wire, header, answered):
    with serving(base, tmp_path, arm="candidate") as served:
        if wire == "http":
            url = f"{served.address('http')}/v1/models/{NAME}:predict"
            httpx.post(url, json={"instances": [row()]}, headers=header)
        else:
            request = PredictRequest()
            request.model_spec.name = NAME
            request.model_spec.signature_name = "serve_examples"
            examples = np.array([example(row())], object)
            fill_proto(request.inputs["examples"], examples)
            call(served, request, *header.items())
    [record] = records(served.collected)
    assert (record["arm"], record["answered"]) == ("candidate", answered)


SECRETS = ("Confidential Maker", "Secret Pump", "1234567890123", "0.123456789")


@pytest.mark.parametrize("action", ["drop", "hash"])
def test_redacted_columns_are_nowhere_on_disk(base, tmp_path, wire, action):
    """Searches every byte of the folder, of live files and of closed ones, for what was sent."""
    secret = row(1.0, maker=SECRETS[0], code=int(SECRETS[2]), current=[7.25, 7.5, 7.75, 7.125])
    needles = [text.encode() for text in SECRETS]
    needles += [int(SECRETS[2]).to_bytes(8, "little"), b"\x00\x00\xe8\x40\x00\x00\xf0\x40"]
    redact = dict.fromkeys(("maker", "code", "current", "key"), action)

    def check(folder: Path) -> None:
        content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        assert [needle for needle in needles if needle in content] == []

    with serving(base, tmp_path, redact=redact) as served, served.client(wire) as client:
        client.predict([secret] * 3, key=SECRETS[1])
        client.predict_examples([example(secret)], key=SECRETS[1])
        served.wait_for((NAME, "OK"), 2)
        check(served.collected)
    check(served.collected)
    rows = records(served.collected)
    assert [r["pressure"] for r in rows] == [1.0] * 4
    if action == "drop":
        assert {"maker", "code", "current", "feature_key"} & set(rows[0]) == set()
        assert {r["key"] for r in rows} == {None}
    else:
        # Both signatures give the same hashes, 64 hexadecimal digits.
        for column in ("maker", "code", "current", "key"):
            [value] = {r[column] for r in rows}
            assert len(bytes.fromhex(value)) == 32


def test_of_all_requests_a_share_is_recorded_and_every_positive_one(base, tmp_path):
    ids = [f"id-{number}" for number in range(60)]
    drawn = {f"{name}-negative" for name in ids if in_sample(f"{name}-negative", 0.3)}
    assert 5 < len(drawn) < 40
    with serving(base, tmp_path, share=0.3) as served, served.client("grpc") as client:
        for name in ids:
            client.predict([row(-1.0)], request_id=f"{name}-negative")
        client.predict([row(-1.0), row(1.0)], request_id="positive")
    recorded = [r["request_id"] for r in records(served.collected)]
    assert set(recorded) == drawn | {"positive"}
    assert recorded.count("positive") == 2


def test_a_full_queue_costs_records_and_no_answers(base, tmp_path, wire, caplog):
    # Less than one request needs.
    with serving(base, tmp_path, max_queue_mb=0.0001) as served, served.client(wire) as client:
        for _ in range(5):
            assert client.predict([row()])["decision"].tolist() == [1]
        served.wait_for((NAME, "queue_full"), 5)
    assert records(served.collected) == []
    assert "5 requests of model pumps were not recorded: queue_full" in caplog.text


def test_predict_requests_are_logged_as_tensorflow_serving_does(base, tmp_path, wire):
    with (
        serving(base, tmp_path, prediction_log=True) as served,
        served.client(wire) as client,
    ):
        client.predict(ROWS)
        client.predict_examples([example(row(-1.0))])
    [path] = served.collected.glob(f"{NAME}/prediction_logs/date=*/hour=*/*.tfrecord")
    raw, examples = [PredictionLog.FromString(record) for record in read_records(str(path))]
    assert raw.log_metadata.model_spec.version.value == 3
    request, response = raw.predict_log.request, raw.predict_log.response
    assert (request.model_spec.name, request.model_spec.signature_name) == (
        NAME, "serving_default",
    )  # fmt: skip
    assert from_proto(request.inputs["pressure"]).tolist() == [1.0, -1.0]
    assert from_proto(request.inputs["maker"]).tolist() == [b"acme", b""]
    assert from_proto(response.outputs["decision"]).tolist() == [1, 0]
    assert examples.predict_log.request.model_spec.signature_name == "serve_examples"
    assert len(records(served.collected)) == 3


def test_a_folder_that_cannot_be_written_ends_the_start(base, tmp_path):
    (tmp_path / "collected").write_text("a file")
    with (
        pytest.raises(Exception, match=r"--collect_dir=\S+ cannot be written"),
        serving(base, tmp_path),
    ):
        pass
