"""The section `kubeflow` is no input of any step."""

import dataclasses

import pytest

from common.metadata import sqlite_connection
from common.output_folder import OutputFolder
from pipeline.config_loading import load_config
from pipeline.production_options.kubeflow import KubeflowOptions, TaskOptions
from pipeline.reading.data_source import find_source
from tests.e2e.harness import wells_csv, write_wells

pytestmark = pytest.mark.tensorflow


def test_resources_and_retries_change_no_step(tmp_path):
    from pipeline.create import create_pipeline
    from pipeline.running.runner import compile_pipeline

    config = load_config(write_wells(tmp_path, wells_csv(40)))
    options = KubeflowOptions(cpu=2, retries=3, steps={"Trainer": TaskOptions(memory="8Gi")})
    folder = OutputFolder(tmp_path / "output")
    source = find_source(config, folder)
    connection = sqlite_connection(tmp_path / "metadata.db")

    def compiled(one):
        return compile_pipeline(create_pipeline(one, source, folder, connection), "run")

    assert compiled(dataclasses.replace(config, kubeflow=options)) == compiled(config)
    assert compiled(dataclasses.replace(config, seed=1)) != compiled(config)
