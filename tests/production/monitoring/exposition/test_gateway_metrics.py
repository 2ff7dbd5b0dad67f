"""Envoy's metrics under our names, the gateway's processes, and its servers as targets."""

import json
import os

import pytest

from common.output_folder import OutputFolder
from production.gateway.processes import _start_time
from production.monitoring.exposition.gateway import GATEWAY, translate
from production.monitoring.exposition.targets import find_targets

ENVOY = """\
# TYPE envoy_http_downstream_rq_xx counter
envoy_http_downstream_rq_xx{envoy_response_code_class="2",envoy_http_conn_manager_prefix="rest"} 7
# TYPE envoy_cluster_upstream_rq_total counter
envoy_cluster_upstream_rq_total{envoy_cluster_name="candidate_grpc"} 3
# TYPE envoy_cluster_membership_healthy gauge
envoy_cluster_membership_healthy{envoy_cluster_name="stable_rest"} 1
# TYPE envoy_cluster_upstream_cx_total counter
envoy_cluster_upstream_cx_total{envoy_cluster_name="stable_rest"} 9
# TYPE envoy_http_downstream_rq_time histogram
envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix="grpc",le="0.5"} 2
envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix="grpc",le="+Inf"} 4
envoy_http_downstream_rq_time_sum{envoy_http_conn_manager_prefix="grpc"} 6
envoy_http_downstream_rq_time_count{envoy_http_conn_manager_prefix="grpc"} 4
"""


@pytest.fixture
def folder(tmp_path) -> OutputFolder:
    return OutputFolder(tmp_path)


def run_process(folder: OutputFolder, name: str) -> None:
    """Says that this very process is one of the gateway's."""
    place = folder.gateway("wells")
    place.mkdir(parents=True, exist_ok=True)
    pid = os.getpid()
    (place / f"{name}.pid").write_text(f"{pid} {_start_time(pid)}\n")


def test_envoys_metrics_get_our_names_labels_and_seconds():
    time = "faultline_gateway_request_duration_seconds"
    samples = {(sample.name, *sample.labels.values()): sample.value for sample in translate(ENVOY)}
    assert samples == {
        ("faultline_gateway_requests_total", "rest", "2xx"): 7,
        ("faultline_gateway_upstream_requests_total", "candidate", "grpc"): 3,
        ("faultline_gateway_upstream_healthy", "stable", "rest"): 1,
        (f"{time}_bucket", "grpc", "0.0005"): 2,
        (f"{time}_bucket", "grpc", "+Inf"): 4,
        (f"{time}_sum", "grpc"): pytest.approx(0.006),
        (f"{time}_count", "grpc"): 4,
    }


def test_a_gateway_that_was_stopped_has_no_metrics(folder):
    folder.gateway("wells").mkdir(parents=True)
    assert list(GATEWAY.read(folder, "wells")) == []


def test_a_gateway_whose_envoy_does_not_answer_is_not_up_and_its_processes_are_measured(folder):
    run_process(folder, "stable")
    run_process(folder, "envoy")  # without its socket
    samples = list(GATEWAY.read(folder, "wells"))
    assert [sample.value for sample in samples if sample.name == "faultline_gateway_up"] == [0]
    memory = {
        sample.labels["process"]: sample.value
        for sample in samples
        if sample.name == "faultline_process_resident_memory_bytes"
    }
    assert set(memory) == {"stable", "envoy"}
    assert memory["stable"] > 1e6


def test_running_servers_are_targets_with_their_arm(folder):
    run_process(folder, "stable")
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 4711}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    clusters = [
        {"name": "stable_rest", "load_assignment": {"endpoints": endpoints}},
        {"name": "candidate_rest", "load_assignment": {"endpoints": endpoints}},
        {"name": "stable_arm_rest"},
    ]
    path = folder.gateway("wells") / "cds.json"
    path.write_text(json.dumps({"resources": clusters}))
    labels = {"gateway": "wells", "arm": "stable"}
    labels["__metrics_path__"] = "/monitoring/prometheus/metrics"
    assert find_targets(folder) == [{"targets": ["127.0.0.1:4711"], "labels": labels}]


def test_without_gateways_there_are_no_targets(folder):
    assert find_targets(folder) == []
