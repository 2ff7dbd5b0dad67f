"""The files that deploy TensorFlow Serving: schemas, flags, health checks."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kubernetes_validate
import pytest
from compose_spec import PyCompose
from ruamel.yaml import YAML
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.lifecycle.model_config import read_metrics_path
from serving.lifecycle.version_manager import ManagerOptions, VersionManager
from serving.metrics import Metrics
from serving.options import parse_options
from serving.protos.text_files import read_text_proto
from serving.rest.options import RestOptions
from serving.rest.server import RestServer
from serving.runtime.batching import read_batching_options

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "serving" / "deploy"
METRICS_PATH = "/monitoring/prometheus/metrics"


@pytest.fixture
def compose() -> dict:
    return YAML(typ="safe").load(PROJECT / "compose.yaml")


@pytest.fixture
def manifests() -> list[dict]:
    return list(YAML(typ="safe").load_all(DEPLOY / "kubernetes.yaml"))


def deployment(manifests: list[dict]) -> dict:
    [manifest] = [manifest for manifest in manifests if manifest["kind"] == "Deployment"]
    return manifest["spec"]["template"]["spec"]


@contextmanager
def rest_port(metrics_path: str | None) -> Iterator[int]:
    """Runs the REST side of the embedded server, without a model."""

    def load(_name, _version, _folder):
        raise AssertionError("no model is configured")

    manager = VersionManager(load, ManagerOptions())
    options = RestOptions(metrics_path=metrics_path)
    server = RestServer(manager, manager, Metrics(), options)
    try:
        yield server.start()
    finally:
        server.stop(1.0)


def check_health(compose: dict, port: int) -> int:
    """Runs the health check of compose.yaml against another port; returns its exit code."""
    kind, *command = compose["services"]["serving"]["healthcheck"]["test"]
    assert kind == "CMD"
    assert "127.0.0.1/8501 " in command[-1]
    command[-1] = command[-1].replace("127.0.0.1/8501 ", f"127.0.0.1/{port} ")
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode


def test_compose_is_valid_by_the_compose_specification(compose):
    parsed = PyCompose.from_json(json.dumps(compose))
    parsed.validate()
    parsed.to_spec()
    assert set(parsed.service_names()) == {"serving", "embedded", "prometheus", "grafana"}


def test_a_misspelt_key_would_not_be_valid(compose):
    compose["services"]["serving"]["comand"] = []
    with pytest.raises(ValueError, match="comand"):
        PyCompose.from_json(json.dumps(compose))


def test_the_ports_are_published_on_loopback_only(compose):
    for name in ("serving", "embedded"):
        assert all(port.startswith("127.0.0.1:") for port in compose["services"][name]["ports"])


def test_what_is_in_the_hosts_network_listens_on_loopback_only(compose):
    services = compose["services"]
    hosts = {name for name, one in services.items() if one.get("network_mode") == "host"}
    assert hosts == {"prometheus", "grafana"}
    assert "--web.listen-address=127.0.0.1:9090" in services["prometheus"]["command"]
    assert services["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"


def test_prometheus_and_grafana_start_with_their_profile_only(compose):
    for name in ("prometheus", "grafana"):
        assert compose["services"][name]["profiles"] == ["monitoring"]


def test_grafana_has_no_password_but_the_one_that_a_person_gives(compose):
    grafana = compose["services"]["grafana"]
    names = {name for name in grafana["environment"] if "PASSWORD" in name}
    assert names == {"GF_SECURITY_ADMIN_PASSWORD__FILE"}
    assert grafana["secrets"] == ["grafana_password"]
    assert compose["secrets"] == {"grafana_password": {"environment": "GRAFANA_PASSWORD"}}


def test_what_prometheus_and_grafana_mount_is_there_and_is_found(compose):
    mounts = [
        volume.split(":")
        for name in ("prometheus", "grafana")
        for volume in compose["services"][name]["volumes"]
        if volume.startswith("./")
    ]
    assert len(mounts) == 3
    for source, _, mode in mounts:
        assert (PROJECT / source).exists()
        assert mode == "ro"
    yaml = YAML(typ="safe")
    provisioning = DEPLOY / "grafana" / "provisioning"
    [provider] = yaml.load(provisioning / "dashboards" / "faultline.yml")["providers"]
    assert f"{provider['options']['path']}/dashboard.json" in {target for _, target, _ in mounts}
    [source] = yaml.load(provisioning / "datasources" / "prometheus.yml")["datasources"]
    assert source["url"] == "http://127.0.0.1:9090"


def test_both_servers_get_the_same_flags_and_files(compose):
    real, embedded = compose["services"]["serving"], compose["services"]["embedded"]
    assert real["command"] == embedded["command"]
    assert real["volumes"] == embedded["volumes"]


def test_the_embedded_server_loads_only_models_that_are_mounted(compose):
    flags = compose["services"]["embedded"]["entrypoint"][3:]
    assert parse_options(flags).allow_reload_from == "/models"


def test_every_folder_that_is_mounted_and_every_file_that_is_named_is_there(compose):
    flags = compose["services"]["serving"]["command"]
    files = [flag.partition("=/config/")[2] for flag in flags if "=/config/" in flag]
    assert files == ["models.config", "batching.config", "monitoring.config"]
    assert all((DEPLOY / name).is_file() for name in files)
    assert "./serving/deploy:/config:ro" in compose["services"]["serving"]["volumes"]


def test_the_embedded_server_reads_the_files_that_tensorflow_serving_gets(compose):
    flags = [
        flag.replace("/config/", f"{DEPLOY}/") for flag in compose["services"]["serving"]["command"]
    ]
    options = parse_options(flags)
    models = read_text_proto(options.model_config_file, ModelServerConfig)
    [config] = models.model_config_list.config
    assert (config.name, config.base_path) == ("signals", "/models/signals")
    batching = read_batching_options(options.batching_parameters_file)
    assert batching.allowed_batch_sizes[-1] == batching.max_batch_size == 64
    assert read_metrics_path(options.monitoring_config_file) == METRICS_PATH


def test_the_health_check_depends_on_no_model(compose):
    with rest_port(METRICS_PATH) as port:
        assert check_health(compose, port) == 0


def test_the_health_check_fails_without_its_route_or_its_port(compose):
    with rest_port(None) as port:
        assert check_health(compose, port) != 0
    assert check_health(compose, port) != 0


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_the_manifest_is_valid_by_the_schemas_of_kubernetes(manifests, version):
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_misspelt_key_in_the_manifest_would_not_be_valid(manifests):
    [manifest] = [manifest for manifest in manifests if manifest["kind"] == "Deployment"]
    deployment(manifests)["containers"][0]["imagePullPolicies"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError, match="imagePullPolicies"):
        kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_kubernetes_runs_the_image_and_flags_of_compose(compose, manifests):
    [container] = deployment(manifests)["containers"]
    assert container["image"] == compose["services"]["serving"]["image"]
    assert container["command"] == compose["services"]["serving"]["entrypoint"]
    assert container["args"] == compose["services"]["serving"]["command"]


def test_the_probes_of_kubernetes_depend_on_no_model(manifests):
    [container] = deployment(manifests)["containers"]
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": METRICS_PATH, "port": "rest"}
