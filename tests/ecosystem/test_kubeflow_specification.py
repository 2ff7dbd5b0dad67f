"""The specification that Kubeflow's SDK writes, and reads and validates again."""

import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from common.errors import InputError
from pipeline.config_loading import load_config
from pipeline.production_options.kubeflow import KubeflowOptions, TaskOptions
from pipeline.running.kubeflow.settings import Secret, Settings, Volume
from pipeline.running.kubeflow.specification import write_specification
from pipeline.running.kubeflow.tasks import plan_tasks
from pipeline.running.stepping.graph import StepGraph
from tests.e2e.harness import CONFIG, write_wells

pytestmark = [
    pytest.mark.ecosystem,
    pytest.mark.skipif(sys.version_info >= (3, 12), reason="kfp for TFX needs Python 3.11"),
]

SETTINGS = Settings(
    image="registry.example/faultline:1",
    config="/app/configs/wells.yaml",
    output="/data/output",
    metadata_url="mysql://faultline@mysql/runs",
    volumes=(Volume(claim="faultline", path="/data"), Volume(claim="raw", path="/raw")),
    secrets=(Secret(variable="PASSWORD", name="metadata", key="pass"),),
)


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """The specification and its part for Kubernetes, after the SDK's validation."""
    kfp = pytest.importorskip("kfp")
    pytest.importorskip("kfp.kubernetes")
    folder = tmp_path_factory.mktemp("specification")
    text = CONFIG.replace("path: wells.csv", "path: span-{SPAN}/*.csv\n  window: 3")
    options = KubeflowOptions(
        memory="2Gi", retries=2, steps={"Copy": TaskOptions(cpu=0.5, retries=0)}
    )
    config = load_config(write_wells(folder, "", text.replace("wells\n", "deep_wells\n", 1)))
    object.__setattr__(config, "kubeflow", options)
    graph = StepGraph({"Write": (), "Copy": ("Write",)})
    path = folder / "pipeline.yaml"
    write_specification(plan_tasks(config, graph, SETTINGS), SETTINGS, path)
    kfp.components.load_component_from_file(str(path))
    assert sorted(file.name for file in folder.glob("*pipeline*")) == ["pipeline.yaml"]
    return list(YAML(typ="safe").load_all(path))


def _container(documents, step):
    return documents[0]["deploymentSpec"]["executors"][f"exec-{step}"]["container"]


def test_the_parameters_of_the_pipeline_have_defaults(documents):
    parameters = documents[0]["root"]["inputDefinitions"]["parameters"]
    assert {name: one["defaultValue"] for name, one in parameters.items()} == {
        "seed": 0,
        "span": -1,
        "window": -1,
    }
    assert documents[0]["pipelineInfo"]["name"] == "deep-wells"
    assert documents[0]["schemaVersion"] == "2.1.0"


def test_begin_takes_the_parameters_and_kubeflows_id_of_the_run(documents):
    assert _container(documents, "begin")["args"] == [
        *("--run", "{{$.inputs.parameters['run']}}"),
        *("--seed", "{{$.inputs.parameters['seed']}}"),
        *("--span", "{{$.inputs.parameters['span']}}"),
        *("--window", "{{$.inputs.parameters['window']}}"),
    ]
    tasks = documents[0]["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    run = tasks["begin"]["inputs"]["parameters"]["run"]
    assert run == {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}


def test_kubeflows_own_cache_is_off(documents):
    tasks = documents[0]["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    assert not [task for task in tasks.values() if task["cachingOptions"].get("enableCache")]
    assert set(tasks) == {"begin", "write", "copy"}


def test_resources_and_retries_are_those_of_the_config(documents):
    resources = _container(documents, "copy")["resources"]
    # 2 GiB as Kubeflow's SDK counts them: in units of 10^9 bytes.
    assert (resources["cpuRequest"], resources["memoryLimit"]) == (0.5, 2.147483648)
    tasks = documents[0]["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    assert tasks["write"]["retryPolicy"]["maxRetryCount"] == 2
    assert "retryPolicy" not in tasks["copy"]


def test_every_container_has_the_volumes_and_the_secrets(documents):
    executors = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(executors) == {"exec-begin", "exec-write", "exec-copy", "exec-end"}
    for executor in executors.values():
        mounts = {one["mountPath"]: one["constant"] for one in executor["pvcMount"]}
        assert mounts == {"/data": "faultline", "/raw": "raw"}
        [secret] = executor["secretAsEnv"]
        assert secret["secretName"] == "metadata"
        assert secret["keyToEnv"] == [{"envVar": "PASSWORD", "secretKey": "pass"}]


def test_a_file_that_cannot_be_written_is_an_error_without_a_traceback(tmp_path):
    pytest.importorskip("kfp")
    pytest.importorskip("kfp.kubernetes")
    config = load_config(write_wells(tmp_path, ""))
    plan = plan_tasks(config, StepGraph({"Write": ()}), SETTINGS)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"Cannot write .*pipeline\.yaml"):
        write_specification(plan, SETTINGS, Path(tmp_path / "file" / "pipeline.yaml"))
