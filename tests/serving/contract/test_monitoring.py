"""Metrics for Prometheus: the path, the names, their labels and buckets."""

import re

import pytest

from tests.serving.contract.launching import within
from tests.serving.contract.wires import Rest

pytestmark = pytest.mark.e2e
row = pytest.mark.contract_row
PATH = "/monitoring/prometheus/metrics"
X = {"instances": [1.0, 2.0]}


@pytest.fixture(scope="module")
def metrics(rest, stubs) -> list[tuple[str, dict[str, str], float]]:
    """Name, labels and value of every sample, after a request of each kind."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    before = num_requests(samples(rest))
    rest.predict("half_plus_two", X)
    rest.predict("half_plus_two", {"instances": ["x"]})
    body = {"signature_name": "regress_x_to_y", "examples": [{"x": 1.0}, {"x": 2.0}]}
    rest.post("/v1/models/half_plus_two:regress", body)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half_plus_two"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))
    stubs.prediction.Predict(request, timeout=30)
    # A server counts a request after it has sent the answer.
    within(lambda: num_requests(samples(rest)) >= before + 4, timeout_s=5.0)
    return samples(rest)


def num_requests(metrics) -> float:
    return sum(values(metrics, ":tensorflow:serving:request_count"))


def samples(rest: Rest) -> list[tuple[str, dict[str, str], float]]:
    parsed = []
    for line in rest.get(PATH).body.decode().splitlines():
        if line and not line.startswith("#"):
            parts = re.fullmatch(r"([^\s{]+)(?:\{(.*)\})? (\S+)", line)
            assert parts, line
            labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', parts[2] or ""))
            parsed.append((parts[1], labels, float(parts[3])))
    return parsed


def values(metrics, name, **labels) -> list[float]:
    wanted = labels.items()
    return [value for key, has, value in metrics if key == name and wanted <= has.items()]


@row("metrics: path and type")
def test_metrics_are_plain_text_at_the_default_path(rest):
    answer = rest.get(PATH)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")


@row("metrics: request_count")
@pytest.mark.parametrize("status", ["OK", "INVALID_ARGUMENT"])
def test_requests_are_counted_by_model_and_status(metrics, status):
    name = ":tensorflow:serving:request_count"
    assert sum(values(metrics, name, model_name="half_plus_two", status=status)) >= 1


@row("metrics: request_latency")
@pytest.mark.parametrize(("api", "entrypoint"), [("Predict", "GRPC"), ("predict", "REST")])
def test_latency_tells_call_and_wire(metrics, api, entrypoint):
    labels = {"model_name": "half_plus_two", "API": api, "entrypoint": entrypoint}
    name = ":tensorflow:serving:request_latency"
    assert sum(values(metrics, f"{name}_count", **labels)) >= 1
    # Microseconds: a request takes more than 10 of them, and less than 10 seconds.
    mean = sum(values(metrics, f"{name}_sum", **labels)) / sum(
        values(metrics, f"{name}_count", **labels)
    )
    assert 10 < mean < 1e7


@row("metrics: runtime_latency")
def test_latency_of_the_run_itself(metrics):
    name = ":tensorflow:serving:runtime_latency"
    label_sets = [has for key, has, _ in metrics if key == f"{name}_count"]
    assert any(has["model_name"] == "half_plus_two" for has in label_sets)
    assert all({"API", "runtime"} <= set(has) for has in label_sets)


@row("metrics: request_example_counts")
def test_examples_of_a_request_are_a_histogram(metrics):
    name = ":tensorflow:serving:request_example_counts"
    assert sum(values(metrics, f"{name}_sum", model="half_plus_two")) >= 2
    assert values(metrics, f"{name}_bucket", model="half_plus_two")


@row("metrics: request_example_count_total")
def test_examples_are_counted(metrics):
    name = ":tensorflow:serving:request_example_count_total"
    assert sum(values(metrics, name, model="half_plus_two")) >= 2


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("request_log_count", marks=row("metrics: request_log_count")),
        pytest.param("mlmd_map", marks=row("metrics: mlmd_map")),
    ],
)
def test_metrics_that_need_more_to_have_values_are_declared(rest, name):
    # Requests are logged, and models recorded in MLMD, only by servers that are set up for it.
    assert f":tensorflow:serving:{name}" in rest.get(PATH).body.decode()


@row("metrics: model_warmup_latency")
def test_a_warm_up_is_timed(metrics):
    name = ":tensorflow:serving:model_warmup_latency_count"
    label_sets = [has for key, has, _ in metrics if key == name]
    assert any(has["model_path"].endswith("half_plus_two/2") for has in label_sets)
    assert all("status" in has for has in label_sets)


@row("metrics: buckets")
@pytest.mark.parametrize("metric", ["request_latency", "runtime_latency"])
def test_buckets_grow_from_10_microseconds_by_1_8(metrics, metric):
    name = f":tensorflow:serving:{metric}_bucket"
    series = [has for key, has, _ in metrics if key == name]
    of_one = {k: v for k, v in series[0].items() if k != "le"}
    bounds = [has["le"] for has in series if {k: v for k, v in has.items() if k != "le"} == of_one]
    assert bounds[-1] == "+Inf"
    finite = [float(bound) for bound in bounds[:-1]]
    assert finite == pytest.approx([10 * 1.8**i for i in range(33)], rel=1e-4)


@row("health: no HTTP route")
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_no_health_route_elsewhere(rest, path):
    assert rest.get(path).status == 404


@row("health: no HTTP route under /v1/")
@pytest.mark.parametrize("path", ["/v1/health", "/v1/healthz", "/v1/models/health/ready"])
def test_no_health_route_among_the_models(rest, path):
    answer = rest.get(path)
    assert (answer.status, answer.error) == (400, f"Malformed request: GET {path}")
