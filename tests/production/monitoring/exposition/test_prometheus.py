"""The rules and the dashboard before a real Prometheus, which scrapes a real gateway."""

import json
import logging
import re
from dataclasses import replace

import httpx
import pytest
from ruamel.yaml import YAML

from common.output_folder import OutputFolder
from production.gateway.gateway import Gateway, GatewaySpec
from production.gateway.traffic import Pin, Traffic
from production.monitoring.exposition.server import exposing
from production.monitoring.replay.recorded import find_request
from scripts.dashboard import PATH, make_dashboard
from tests.production.monitoring.exposition import outputs
from tests.production.monitoring.exposition.outputs import MODEL
from tests.production.monitoring.exposition.prometheus_rig import (
    DEPLOY,
    promtool,
    running,
    wait_for,
)

pytestmark = pytest.mark.e2e

_IDS = ("by-rest-1", "by-grpc-1")


def rules() -> list[dict]:
    groups = YAML(typ="safe").load(DEPLOY / "rules.yml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard_queries() -> list[str]:
    """Every query of the dashboard, with Grafana's variables filled in."""
    panels = json.loads(PATH.read_text(encoding="utf-8"))["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [q.replace("$model", ".*").replace("$__rate_interval", "1m") for q in queries]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from tests.serving.recording.pump_model import pump

    folder = OutputFolder(tmp_path_factory.mktemp("output"))
    pump(folder.serving(MODEL) / "7")
    outputs.write_whole_chunk(folder)
    outputs.raise_alarms(folder)
    outputs.write_retrainings(folder)
    outputs.start_rollout(folder)
    labels = folder.collected(MODEL) / "labels"
    labels.mkdir(parents=True)
    (labels / "1.parquet").touch()
    return folder


@pytest.fixture(scope="module")
def gateway(folder):
    """A gateway that has answered a request over each wire."""
    import grpc
    from tensorflow_serving.apis.predict_pb2 import PredictRequest

    from tests.serving.processes import predict_call
    from tests.serving.recording.pump_model import example, row

    spec = GatewaySpec(
        model=MODEL, folder=folder, server_flags=("--log_format=json", "--log_requests")
    )
    spec = replace(spec, options=replace(spec.options, grpc_port=0, rest_port=0))
    stable = Pin(base=MODEL, version=7)
    with Gateway(spec, Traffic(stable=stable)) as gateway:
        rest = f"http://127.0.0.1:{gateway.ports.rest}/v1/models/{MODEL}"
        headers = {"x-request-id": _IDS[0]}
        answer = httpx.post(f"{rest}:predict", json={"instances": [row()]}, headers=headers)
        assert answer.status_code == 200, answer.text
        request = PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = MODEL, "serve_examples"
        request.inputs["examples"].dtype = 7  # DT_STRING
        request.inputs["examples"].tensor_shape.dim.add(size=1)
        request.inputs["examples"].string_val.append(example({"pressure": 1.0}))
        with grpc.insecure_channel(f"127.0.0.1:{gateway.ports.grpc}") as channel:
            predict_call(channel)(request, timeout=30, metadata=[("x-request-id", _IDS[1])])
        yield gateway


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory, folder, gateway):
    with (
        exposing(folder, host="127.0.0.1", port=0) as port,
        running(
            tmp_path_factory.mktemp("prometheus"), {9464: port, 8501: gateway.ports.stable.rest}
        ) as prometheus,
    ):
        # Two scrapes of each target, so that rates have a value.
        jobs = 'count_over_time(up{job="%s"}[1m]) > 2'
        for job in ("faultline", "gateway-servers"):
            wait_for(lambda job=job: prometheus.is_true(jobs % job), f"{job} is scraped")
        yield prometheus


def test_the_files_are_valid():
    for arguments in (("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml")):
        checked = promtool(*arguments)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_is_silent_before_it_is_due_and_fires_then():
    tests = YAML(typ="safe").load(DEPLOY / "rules_test.yml")["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    for kind, has_alerts in (("silent", False), ("firing", True)):
        names = {case["alertname"] for case in cases if bool(case.get("exp_alerts")) == has_alerts}
        assert names == {rule["alert"] for rule in rules()}, kind
    tested = promtool("test", "rules", "rules_test.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_the_dashboard_is_up_to_date():
    is_current = PATH.read_text(encoding="utf-8") == make_dashboard()
    assert is_current, "the dashboard is out of date; run `make config-docs`"


def test_every_target_is_up(prometheus):
    targets = {
        (series["metric"]["job"], series["metric"].get("arm")): series["value"][1]
        for series in prometheus.query("up")
    }
    assert targets == {
        ("faultline", None): "1",
        ("gateway-servers", "stable"): "1",
        ("gateway-servers", "candidate"): "1",
        ("server", None): "1",
    }


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_each_series_that_a_rule_names_is_there(prometheus, rule):
    prometheus.query(rule["expr"])
    names = re.findall(
        r"(?:faultline_\w+|:tensorflow:\w+:\w+|\bup)(?=[\s{\[)])", rule["expr"] + " "
    )
    assert names
    for name in names:
        assert prometheus.is_true(name), name


@pytest.mark.parametrize("query", dashboard_queries())
def test_each_query_of_the_dashboard_has_an_answer(prometheus, query):
    assert prometheus.is_true(query)


def test_the_gateway_counts_the_requests_of_both_wires(prometheus):
    for wire in ("rest", "grpc"):
        count = f'faultline_gateway_requests_total{{wire="{wire}",code_class="2xx"}}'
        assert prometheus.query(count)[0]["value"][1] == "1"
    assert len(prometheus.query("faultline_gateway_upstream_healthy == 1")) == 4
    assert len(prometheus.query("faultline_process_resident_memory_bytes > 1e7")) == 3


def test_an_open_alarm_of_the_monitor_fires_in_prometheus(prometheus):
    wait_for(
        lambda: prometheus.alerts().get("FaultlineAlarmOpen") == "firing", "the alarm has fired"
    )


@pytest.mark.parametrize("request_id", _IDS)
def test_one_id_is_in_access_log_server_log_and_record(folder, gateway, request_id):
    place = folder.gateway(MODEL)

    def lines(name: str) -> list[dict]:
        texts = (place / name).read_text(encoding="utf-8").splitlines()
        entries = [json.loads(text) for text in texts if text.startswith("{")]
        return [entry for entry in entries if entry.get("request_id") == request_id]

    wait_for(lambda: bool(lines("access.log")), "Envoy has written its log")
    (access,) = lines("access.log")
    (served,) = lines("stable.log")
    assert (access["status"], access["version"]) == (200, "7")
    assert (served["model"], served["version"], served["status"]) == (MODEL, 7, "OK")
    assert served["level"] == logging.getLevelName(logging.INFO)
    wire = "REST" if request_id == "by-rest-1" else "GRPC"
    assert served["wire"] == wire
    wait_for(lambda: any(folder.collected(MODEL).glob("live/*.arrows")), "the server records")
    wait_for(lambda: _is_recorded(folder, request_id), f"{request_id} is recorded")
    (recorded,) = find_request(folder.collected(MODEL), request_id)
    assert (recorded.version, recorded.is_answered) == (7, True)


def _is_recorded(folder, request_id) -> bool:
    from common.errors import InputError

    try:
        return bool(find_request(folder.collected(MODEL), request_id))
    except InputError:
        return False
