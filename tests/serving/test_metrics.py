import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving import metrics as module
from serving.metrics import Asked, Metrics


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Values by name and labels; the parser ends the name of every counter in `_total`."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name.removeprefix(":tensorflow:serving:"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_requests_are_counted_by_status_version_and_signature():
    metrics = Metrics()
    asked = Asked("pumps", 3, "serving_default")
    for status in ("OK", "OK", "INVALID_ARGUMENT"):
        metrics.observe_request(asked, api="Predict", wire="GRPC", status=status, seconds=1e-3)
    values = samples(metrics)
    assert values["request_count_total", "pumps", "OK", "3", "serving_default"] == 2
    assert values["request_count_total", "pumps", "INVALID_ARGUMENT", "3", "serving_default"] == 1
    # Latency counts answers only.
    series = ("pumps", "Predict", "GRPC", "3", "serving_default")
    assert values["request_latency_count", *series] == 2
    assert values["request_latency_sum", *series] == 2000


def test_latencies_fall_into_33_buckets_of_microseconds_that_grow_by_1_8():
    metrics = Metrics()
    asked = Asked("pumps", 3, "s")
    # 10 * 1.8^2 = 32.4: the first latency lies in it, the second beyond.
    for seconds in (32.4e-6, 32.5e-6):
        metrics.observe_runtime(asked, api="Predict", seconds=seconds)
    values = samples(metrics)
    buckets = {key[-1]: value for key, value in values.items() if key[0].endswith("_bucket")}
    assert len(buckets) == 34
    assert list(buckets)[:3] == ["10", "18", "32.4"]
    assert list(buckets)[-1] == "+Inf"
    assert (buckets["18"], buckets["32.4"], buckets["+Inf"]) == (0, 1, 2)


def test_the_types_are_those_of_tensorflow_serving():
    metrics = Metrics()
    metrics.observe_examples("pumps", 3)
    metrics.observe_warm_up("/models/pumps/3", "OK", 0.5, 2)
    text = metrics.render().decode()
    assert "# TYPE :tensorflow:serving:request_count counter" in text
    assert "# TYPE :tensorflow:serving:request_latency histogram" in text
    assert ':tensorflow:serving:request_example_count_total{model="pumps"} 3' in text
    assert 'model_warmup_latency_count{model_path="/models/pumps/3",status="OK"} 1' in text


def test_a_label_cannot_break_the_format():
    metrics = Metrics()
    metrics.observe_examples('a"b\\c\nd', 1)
    assert samples(metrics)["request_example_count_total", 'a"b\\c\nd'] == 1


def test_versions_that_come_and_go_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(module, "_MAX_SERIES", 3)
    metrics = Metrics()
    for version in range(5):
        asked = Asked("pumps", version, "s")
        metrics.observe_request(asked, api="Predict", wire="REST", status="OK", seconds=0)
    counted = [key[3] for key in samples(metrics) if key[0] == "request_count_total"]
    assert counted == ["2", "3", "4"]


def test_batches_are_measured_under_tensorflow_servings_names():
    metrics = Metrics()
    metrics.observe_batch("pool", [1, 2], [100e-6, 130e-6], 4)
    values = {
        (name, *labels): value
        for (name, *labels), value in samples(metrics).items()
        if not name.endswith("_bucket")
    }
    assert values["batching_session:input_batch_size_count",] == 2
    assert values["batching_session:input_batch_size_sum",] == 3
    assert values["batching_session:processed_batch_size_sum",] == 4
    # 1 + 2 rows in a batch of 4: one of padding.
    assert values["batching_session:padding_size_sum", "4"] == 1
    assert values["batching_session:queuing_latency_sum", "pool"] == pytest.approx(230)
    assert values["batching_session:wrapped_run_count_total",] == 1


def test_a_counter_is_summed_over_its_labels_and_anything_else_is_zero():
    metrics = Metrics()
    for model in ("pumps", "valves"):
        metrics.observe_request(
            Asked(model, 1, "s"), api="Predict", wire="GRPC", status="OK", seconds=1
        )
    metrics.observe_warm_up("/models/pumps/1", "OK", 0.5, 7)
    assert metrics.total("/tensorflow/serving/request_count") == 2
    assert metrics.total("/tensorflow/serving/model_warmup_records_read") == 7
    assert metrics.total("/tensorflow/serving/request_latency") == 0
    assert metrics.total("/tensorflow/core/graph_runs") == 0


def test_the_change_of_successive_latencies_is_summed_for_each_series():
    metrics = Metrics()
    asked = Asked("pumps", 3, "s")
    # |5 - 2| + |1 - 5| = 7 ms; another wire and a failed request have no part in it.
    for seconds, wire, status in (
        (0.002, "REST", "OK"),
        (0.005, "REST", "OK"),
        (0.9, "GRPC", "OK"),
        (0.8, "REST", "INTERNAL"),
        (0.001, "REST", "OK"),
    ):
        metrics.observe_request(asked, api="predict", wire=wire, status=status, seconds=seconds)
    values = samples(metrics)
    name = "faultline_request_latency_change_seconds_total"
    assert values[name, "pumps", "predict", "REST", "3", "s"] == pytest.approx(0.007)
    assert values[name, "pumps", "predict", "GRPC", "3", "s"] == 0


def test_the_process_is_measured_under_the_usual_names():
    values = samples(Metrics())
    assert values["process_resident_memory_bytes",] > 1e6
    assert values["process_cpu_seconds_total",] > 0
