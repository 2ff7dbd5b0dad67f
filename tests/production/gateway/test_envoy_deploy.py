"""The gateway on Kubernetes: the manifest by Kubernetes' schemas, the files by Envoy itself."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from common.software.lock_file import read_lock
from pipeline.production_options.gateway import GatewayOptions, RateLimit, Tls
from production.gateway.envoy.access_log import make_access_log
from production.gateway.envoy_files import (
    envoy_program,
    make_clients,
    make_files,
)
from production.gateway.traffic import Pin, Traffic
from scripts.gateway_files import DEFAULT, MODELS, MOUNTED, PORTS, TLS, main, make_all
from tests.serving.certificates import make_identity

PROJECT = Path(__file__).resolve().parents[3]
STABLE, CANDIDATE = Pin(base="signals", version=1), Pin(base="signals", version=2)


@pytest.fixture
def manifests() -> dict[tuple[str, str], dict[str, Any]]:
    documents = YAML(typ="safe").load_all(DEFAULT.with_suffix(".yaml"))
    return {(part["kind"], part["metadata"]["name"]): part for part in documents}


def pod(manifests: dict[tuple[str, str], dict[str, Any]], name: str) -> dict[str, Any]:
    spec: dict[str, Any] = manifests["Deployment", name]["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_the_manifest_is_valid_by_the_schemas_of_kubernetes(manifests, version):
    for manifest in manifests.values():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_misspelt_key_in_the_manifest_would_not_be_valid(manifests):
    pod(manifests, "faultline-gateway")["containers"][0]["workDir"] = "/"
    with pytest.raises(kubernetes_validate.ValidationError, match="workDir"):
        kubernetes_validate.validate(
            manifests["Deployment", "faultline-gateway"], "1.37", strict=True
        )


def test_the_files_are_those_of_the_code():
    files = make_all(Traffic(stable=STABLE), model="signals")

    written = {path.name: path.read_bytes() for path in DEFAULT.iterdir()}
    is_current = written == {name: text.rstrip() + b"\n" for name, text in files.items()}
    assert is_current, "serving/deploy/gateway is out of date; run `make config-docs`"


def test_the_image_has_the_version_of_envoy_that_the_tests_run(manifests):
    [pin] = read_lock(PROJECT / "scripts" / "gateway.txt")
    [container] = pod(manifests, "faultline-gateway")["containers"]

    assert container["image"] == f"envoyproxy/envoy:distroless-v{pin.version}"


def test_both_servers_differ_in_their_config_file_only(manifests):
    [stable] = pod(manifests, "faultline-stable")["containers"]
    [candidate] = pod(manifests, "faultline-candidate")["containers"]

    moved = [flag.replace("stable.config", "candidate.config") for flag in stable["args"]]
    assert moved == candidate["args"] != stable["args"]
    assert stable | {"args": []} == candidate | {"args": []}
    configs = {flag.rpartition("/")[2] for flag in (*stable["args"], *candidate["args"])}
    assert {"stable.config", "candidate.config"} <= configs


def test_the_manifest_mounts_what_the_files_name(manifests):
    spec = pod(manifests, "faultline-gateway")
    mounts = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    assert (mounts["files"], mounts["tls"]) == (str(MOUNTED), str(TLS))
    [server] = pod(manifests, "faultline-stable")["containers"]
    assert str(MODELS) in {mount["mountPath"] for mount in server["volumeMounts"]}
    for arm, address in (("stable", PORTS.stable), ("candidate", PORTS.candidate)):
        service = manifests["Service", f"faultline-{arm}"]["spec"]
        assert address.host == f"faultline-{arm}"
        assert {(port["name"], port["port"]) for port in service["ports"]} == {
            *(("grpc", address.grpc), ("rest", address.rest))
        }
    ports = {port["containerPort"] for port in spec["containers"][0]["ports"]}
    assert ports == {PORTS.grpc, PORTS.rest}


def test_the_script_writes_a_canary_with_its_clients_and_without_their_tokens(tmp_path):
    digest = hashlib.sha256(b"secret-token").hexdigest()
    (tmp_path / "clients.txt").write_text(f"ada {digest}\n")

    asked = "--model pumps --stable 7 --candidate 8 --percent 10 --mirror 100 --salt r3"
    clients = ["--clients", str(tmp_path / "clients.txt")]
    main([str(tmp_path / "files"), *asked.split(), *clients])

    texts = {path.name: path.read_text() for path in (tmp_path / "files").iterdir()}
    assert '"base_path": ' not in texts["rds.json"]
    assert "versions: 7 }" in texts["stable.config"]
    assert "versions: 8 }" in texts["candidate.config"]
    assert 'name: "pumps"' in texts["candidate.config"]
    assert '"threshold": 9000' in texts["rds.json"]
    assert digest in texts["clients.json"]
    assert not any("secret-token" in text for text in texts.values())


def test_the_script_takes_the_key_header_of_the_config_and_no_header_with_secrets(tmp_path, capsys):
    main([str(tmp_path), "--candidate", "2", "--percent", "10", "--key-header", "x-pump"])
    texts = [(tmp_path / name).read_text() for name in ("rds.json", "lds.json")]
    assert ['"x-pump"' in texts[0], "%REQ(x-pump)%" in texts[1]] == [True, True]
    assert "x-faultline-key" not in "".join(texts)

    with pytest.raises(SystemExit):
        main([str(tmp_path), "--key-header", "authorization"])
    assert "--key-header" in capsys.readouterr().err


def as_static(files: dict[str, bytes]) -> dict[str, Any]:
    """Returns a bootstrap with everything in it: `envoy --mode validate` reads no other file."""

    def resources(name: str) -> list[dict[str, Any]]:
        parts = json.loads(files[name])["resources"]
        return [{key: value for key, value in part.items() if key != "@type"} for part in parts]

    def inline(value: Any) -> Any:
        if isinstance(value, list):
            return [inline(item) for item in value]
        if not isinstance(value, dict):
            return value
        value = {key: inline(item) for key, item in value.items()}
        if value.pop("rds", None):
            [value["route_config"]] = resources("rds.json")
        if value.pop("config_discovery", None):
            value["typed_config"] = resources("clients.json")[0]["typed_config"]
        if value.pop("tls_certificate_sds_secret_configs", None):
            value["tls_certificates"] = [resources("sds.json")[0]["tls_certificate"]]
        return value

    bootstrap: dict[str, Any] = json.loads(files["bootstrap.json"])
    del bootstrap["dynamic_resources"]
    parts = {"listeners": inline(resources("lds.json")), "clusters": resources("cds.json")}
    return bootstrap | {"static_resources": parts}


def check_by_envoy(files: dict[str, bytes], folder: Path) -> tuple[int, str]:
    """Lets Envoy check files, whose certificates are replaced by some that exist."""
    identity = make_identity("gateway")
    (folder / "tls.crt").write_bytes(identity.certificate_pem)
    (folder / "tls.key").write_bytes(identity.key_pem)
    (folder / "clients.txt").write_text(f"ada {hashlib.sha256(b'token').hexdigest()}\n")
    files = files | {"clients.json": make_clients(folder / "clients.txt")}
    text = json.dumps(as_static(files)).replace(f"{TLS}", str(folder))
    (folder / "static.json").write_text(text)
    command = [envoy_program(), "--mode", "validate", "-c", "static.json", "--disable-hot-restart"]
    checked = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    return checked.returncode, checked.stderr


@pytest.mark.e2e
@pytest.mark.parametrize(
    "traffic",
    [
        Traffic(stable=STABLE),
        Traffic(stable=STABLE, candidate=CANDIDATE, mirrored_percent=20),
        Traffic(stable=STABLE, candidate=CANDIDATE, candidate_percent=99, mirrored_percent=100),
        Traffic(stable=STABLE, candidate=CANDIDATE, candidate_percent=100, salt="r2"),
    ],
)
def test_envoy_takes_the_files_of_kubernetes(tmp_path, traffic):
    code, text = check_by_envoy(make_all(traffic, model="signals"), tmp_path)

    assert code == 0, text[-2000:]


@pytest.mark.e2e
def test_envoy_takes_the_files_with_every_option(tmp_path):
    options = GatewayOptions(
        tls=Tls(certificate=str(TLS / "tls.crt"), key=str(TLS / "tls.key")),
        clients="clients.txt",
        rate_limit=RateLimit(requests_per_s=5, burst=10),
        max_body_mib=0.5,
        timeout_s=0.25,
        allow_reload=True,
    )
    files = make_files(
        tmp_path,
        options,
        Traffic(stable=STABLE),
        PORTS,
        key_header="x-pump",
        access_log=make_access_log(Path("/dev/stdout"), key_header="x-pump"),
    )

    code, text = check_by_envoy(files, tmp_path)

    assert code == 0, text[-2000:]


@pytest.mark.e2e
def test_envoy_would_not_take_a_misspelt_key(tmp_path):
    files = make_all(Traffic(stable=STABLE), model="signals")
    files["rds.json"] = files["rds.json"].replace(b'"retry_on"', b'"retry_off"')

    code, text = check_by_envoy(files, tmp_path)

    assert code != 0
    assert "retry_off" in text
