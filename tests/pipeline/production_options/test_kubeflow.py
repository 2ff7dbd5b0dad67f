"""The section `kubeflow` of a YAML."""

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.production_options.kubeflow import KubeflowOptions, TaskOptions


def read(**keys):
    return TypeAdapter(KubeflowOptions).validate_python(keys)


def test_by_default_the_cluster_decides_and_nothing_is_repeated():
    assert KubeflowOptions().of("Trainer") == TaskOptions(cpu=None, memory=None, retries=0)


def test_a_step_has_its_own_values_and_the_common_ones_for_the_rest():
    options = read(cpu=1, retries=2, steps={"Trainer": {"cpu": 4, "memory": "8Gi"}})
    assert options.of("Trainer") == TaskOptions(cpu=4, memory="8Gi", retries=2)
    assert options.of("Pusher") == TaskOptions(cpu=1, memory=None, retries=2)


def test_a_step_may_be_repeated_less_often_than_the_others():
    assert read(retries=2, steps={"Pusher": {"retries": 0}}).of("Pusher").retries == 0


@pytest.mark.parametrize(
    "keys",
    [
        {"cpu": 0},
        {"memory": "4"},
        {"memory": "4 GB"},
        {"retries": -1},
        {"steps": {"a": {"gpu": 1}}},
    ],
)
def test_values_that_kubernetes_would_refuse_are_refused_here(keys):
    with pytest.raises(ValidationError):
        read(**keys)
