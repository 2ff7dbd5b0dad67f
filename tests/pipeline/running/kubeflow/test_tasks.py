"""The tasks of a use case on Kubeflow, without Kubeflow."""

import dataclasses

import pytest

from common.errors import InputError
from pipeline.config_loading import load_config
from pipeline.production_options.kubeflow import KubeflowOptions, TaskOptions
from pipeline.running.kubeflow.settings import Settings
from pipeline.running.kubeflow.tasks import plan_tasks
from pipeline.running.stepping.graph import StepGraph
from tests.e2e.harness import CONFIG, write_wells

GRAPH = StepGraph({"Write": (), "Copy": ("Write",), "Judge": ("Copy", "Write")})
SETTINGS = Settings(
    image="registry.example/faultline:1",
    config="/app/configs/wells.yaml",
    output="/data/output",
    metadata_url="mysql://faultline@mysql/runs",
    volumes=(),
    secrets=(),
)


@pytest.fixture
def config(tmp_path):
    return load_config(write_wells(tmp_path, ""))


def spans_config(folder, window=""):
    text = CONFIG.replace("path: wells.csv", f"path: span-{{SPAN}}/*.csv{window}")
    return load_config(write_wells(folder, "", text))


def test_there_is_a_task_for_each_step_after_those_that_it_depends_on(config):
    plan = plan_tasks(config, GRAPH, SETTINGS)
    assert [(task.step, task.after) for task in plan.tasks] == [
        ("begin", ()),
        ("Write", ("begin",)),
        ("Copy", ("Write",)),
        ("Judge", ("Copy", "Write")),
    ]
    assert (plan.end.step, plan.end.after) == ("end", ())


def test_only_begin_knows_the_config_the_metadata_and_the_expected_steps(config):
    begin, write, *_ = plan_tasks(config, GRAPH, SETTINGS).tasks
    assert begin.command == (
        *("faultline", "step", "begin", "--output", "/data/output"),
        *("--config", "/app/configs/wells.yaml"),
        *("--metadata-url", "mysql://faultline@mysql/runs", "--steps", GRAPH.digest),
    )
    assert write.command == ("faultline", "step", "Write", "--output", "/data/output")
    assert write.parameters == ()


def test_the_seed_of_the_config_is_the_default_of_the_parameter(config):
    plan = plan_tasks(dataclasses.replace(config, seed=7), GRAPH, SETTINGS)
    assert plan.parameters == {"seed": 7}
    assert plan.tasks[0].parameters == ("seed",)


def test_data_in_spans_have_parameters_of_the_span_and_of_a_window(tmp_path):
    one = plan_tasks(spans_config(tmp_path), GRAPH, SETTINGS)
    several = plan_tasks(spans_config(tmp_path, "\n  window: 3"), GRAPH, SETTINGS)
    # -1: as the config says, so that a recurring run takes the newest span.
    assert one.parameters == {"seed": 0, "span": -1}
    assert several.parameters == {"seed": 0, "span": -1, "window": -1}


def test_each_task_has_the_resources_and_retries_of_its_step(config):
    options = KubeflowOptions(retries=2, steps={"Copy": TaskOptions(cpu=4), "end": TaskOptions()})
    plan = plan_tasks(dataclasses.replace(config, kubeflow=options), GRAPH, SETTINGS)
    assert [task.options.cpu for task in plan.tasks] == [None, None, 4, None]
    assert {task.options.retries for task in (*plan.tasks, plan.end)} == {2}


def test_options_of_an_unknown_step_are_refused(config):
    options = KubeflowOptions(steps={"Copi": TaskOptions(cpu=4)})
    with pytest.raises(InputError, match=r"kubeflow\.steps names `Copi`.*did you mean `Copy`\?"):
        plan_tasks(dataclasses.replace(config, kubeflow=options), GRAPH, SETTINGS)


def test_names_on_kubeflow_are_in_small_letters(config):
    graph = StepGraph({"ArrowExampleGen": ()})
    assert [task.name for task in plan_tasks(config, graph, SETTINGS).tasks] == [
        "begin",
        "arrow-example-gen",
    ]
