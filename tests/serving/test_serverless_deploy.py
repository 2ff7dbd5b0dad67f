"""The files that deploy the serving image: Dockerfile, list of packages, Knative, Cloud Run."""

import ast
import re
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from common.software.lock_file import named_pins, read_lock, read_names
from serving.container.flags import server_flags
from serving.options import parse_options

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "serving" / "deploy"
# Recordings, signatures and TFLite models need packages that the image does not have by default.
LEFT_OUT = {"pyarrow", "cryptography", "model_signing", "ai_edge_litert"}
# Of TensorFlow the image has the C library and the protocol buffers, which need these only.
OF_TENSORFLOW = {"tensorflow": {"protobuf"}, "tensorflow-serving-api": {"protobuf", "grpcio"}}


def service(name: str) -> dict:
    return YAML(typ="safe").load(DEPLOY / name)


def container(name: str) -> dict:
    [one] = service(name)["spec"]["template"]["spec"]["containers"]
    return one


def imports_of(path: Path) -> set[str]:
    """Returns the dotted names that a file imports anywhere, in functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def modules_of_the_server() -> set[str]:
    """Returns the top-level modules, without those of Python, that the server may import."""
    pending, visited, modules = {"serving.container.__main__", "serving.function"}, set(), set()
    while pending:
        name = pending.pop()
        visited.add(name)
        place = PROJECT / name.replace(".", "/")
        files = [
            file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()
        ]
        for file in files:
            pending |= imports_of(file) - visited
        if not (files or name.startswith(("serving.", "common."))):
            modules.add(name.partition(".")[0])
    return modules - sys.stdlib_module_names


def needed_packages(modules: set[str]) -> set[str]:
    """Returns the distributions of modules, and all that these need on Linux."""
    owners = packages_distributions()
    pending = {
        canonicalize_name(owner)
        for module in modules
        for owner in owners[module]
        if owner != "faultline" and (module != "google" or owner == "protobuf")
    }
    needed: set[str] = set()
    while pending:
        name = pending.pop()
        needed.add(name)
        if name in OF_TENSORFLOW:
            pending |= OF_TENSORFLOW[name] - needed
            continue
        asked = [Requirement(text) for text in requires(name) or ()]
        pending |= {
            canonicalize_name(one.name)
            for one in asked
            if one.marker is None or one.marker.evaluate({"extra": "", "python_version": "3.13"})
        } - needed
    return needed


def test_the_image_installs_what_the_server_imports_and_no_more():
    names = read_names(DEPLOY / "packages.txt")
    # uvicorn finds uvloop by its name.
    modules = modules_of_the_server() - LEFT_OUT | {"uvloop"}
    assert set(names) == needed_packages(modules)
    assert names == sorted(names)


def test_every_package_of_the_image_is_locked_with_its_hashes():
    pins = named_pins(read_lock(PROJECT / "requirements.lock"), read_names(DEPLOY / "packages.txt"))
    assert all("--hash=sha256:" in pin.text for pin in pins)


def target(name: str) -> list[str]:
    """Returns the instructions of a target of the Dockerfile, a line each."""
    text = (PROJECT / "Dockerfile").read_text().replace("\\\n", "")
    [body] = re.findall(rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", text, re.MULTILINE | re.DOTALL)
    return [line for line in body.splitlines() if line and not line.startswith("#")]


def test_the_image_runs_as_the_user_of_the_manifests():
    [user] = [line.split()[1] for line in target("serving") if line.startswith("USER ")]
    context = container("knative.yaml")["securityContext"]
    assert int(user) == context["runAsUser"] == 10001
    assert context["readOnlyRootFilesystem"] is True
    assert context["runAsNonRoot"] is True


def test_the_image_starts_the_server_for_containers():
    assert 'ENTRYPOINT ["python", "-m", "serving.container"]' in target("serving")


def test_the_image_says_where_its_bill_of_materials_is():
    assert "LABEL io.faultline.sbom=/app/sbom.cdx.json" in target("serving")
    [build] = [line for line in target("serving-build") if "bill_of_materials" in line]
    assert "/tmp/serving.lock sbom.cdx.json" in " ".join(build.split())


@pytest.mark.parametrize("name", ["knative.yaml", "cloudrun.yaml"])
def test_the_port_and_the_probes_are_those_of_the_server(name, tmp_path):
    (tmp_path / "pump" / "1").mkdir(parents=True)
    options = parse_options(server_flags({"MODEL_BASE_PATH": str(tmp_path)}, []))
    one = container(name)
    assert one["ports"] == [{"name": "http1", "containerPort": options.rest_api_port}]
    first = one.get("readinessProbe") or one["startupProbe"]
    assert first["httpGet"]["path"] == "/readyz"
    assert one["livenessProbe"]["httpGet"]["path"] == "/healthz"


@pytest.mark.parametrize("name", ["knative.yaml", "cloudrun.yaml"])
def test_an_instance_scales_to_zero_and_its_requests_end_before_the_platform_gives_up(name):
    manifest = service(name)
    annotations = manifest["spec"]["template"]["metadata"]["annotations"]
    smallest = [
        value
        for key, value in annotations.items()
        if key.lower().endswith(("min-scale", "minscale"))
    ]
    assert smallest == ["0"]
    # REST answers within its own timeout, 30 seconds.
    timeout_s = manifest["spec"]["template"]["spec"]["timeoutSeconds"]
    assert timeout_s * 1000 > parse_options([]).rest_api_timeout_in_ms
