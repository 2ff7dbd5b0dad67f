"""The files that run the loop as a service: schemas, and command lines that the program takes."""

import configparser
import shlex
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from commands.command_line import main

DEPLOY = Path(__file__).resolve().parents[3] / "serving" / "deploy"


@pytest.fixture
def manifests() -> list[dict[str, Any]]:
    return list(YAML(typ="safe").load_all(DEPLOY / "loop.yaml"))


@pytest.fixture
def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str
    parser.read(DEPLOY / "faultline-loop.service")
    return parser


def _spec(manifests: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    [manifest] = [one for one in manifests if one["kind"] == kind]
    spec = manifest["spec"]
    return (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]["spec"]


def _parse(arguments: list[str]) -> dict[str, Any]:
    """Parses a command line as the program does, without running it."""
    name, *options = arguments
    command = main.commands[name]
    return command.make_context(name, options).params


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_the_manifest_is_valid_by_the_schemas_of_kubernetes(manifests, version):
    kinds = [manifest["kind"] for manifest in manifests]
    assert {"Deployment", "CronJob", "Service", "PersistentVolumeClaim"} == set(kinds)
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_pod_runs_the_loop_with_its_gateway(manifests):
    [container] = _spec(manifests, "Deployment")["containers"]
    params = _parse(container["args"])
    assert (params["has_server"], params["config_path"]) == (True, Path("/config/use_case.yaml"))
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {str(params["output"].parent), str(params["config_path"].parent)} == mounts


def test_the_job_brings_labels_to_the_same_output(manifests):
    [container] = _spec(manifests, "CronJob")["containers"]
    params = _parse(container["args"])
    [loop] = _spec(manifests, "Deployment")["containers"]
    assert params["output"] == _parse(loop["args"])["output"]
    assert (params["id_column"], params["label_column"]) == ("request_id", "label")
    assert container["image"] == loop["image"]


def test_a_misspelt_option_would_not_be_taken():
    with pytest.raises(click.NoSuchOption, match="--serv"):
        _parse(["loop", "--server"])


def test_the_unit_runs_the_loop_in_its_state_directory(unit):
    service = unit["Service"]
    program, script, *arguments = shlex.split(service["ExecStart"])
    assert (Path(program).name, Path(script).name) == ("python", "faultline.py")
    params = _parse(arguments)
    state = Path("/var/lib") / service["StateDirectory"]
    assert params["output"].parent == state == Path(service["WorkingDirectory"])
    assert params["has_server"]
    # Everything else is read-only for the service.
    assert service["ProtectSystem"] == "strict"
    assert service["Restart"] == "always"
