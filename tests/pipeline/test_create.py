"""How the components are wired, without running any."""

import dataclasses

import pytest

from models.search_space import Dimension, Tuning
from pipeline.config_loading import load_config
from pipeline.data_source import find_source
from pipeline.metadata import sqlite_connection
from pipeline.output_folder import OutputFolder
from tests.e2e.harness import wells_csv, write_wells


@pytest.fixture
def config(tmp_path):
    return load_config(write_wells(tmp_path, wells_csv(40)))


@pytest.fixture
def create(tmp_path):
    """From a config to its components by id."""
    from pipeline.create import create_pipeline

    def created(config):
        folder = OutputFolder(tmp_path / "output")
        source = find_source(config, folder)
        pipeline = create_pipeline(config, source, folder, sqlite_connection(tmp_path / "m.db"))
        return {component.id: component for component in pipeline.components}

    return created


def test_without_a_tuning_block_there_is_no_tuner(create, config):
    components = create(config)
    assert "Tuner" not in components
    assert "hyperparameters" not in components["Trainer"].inputs


def test_the_tuner_finds_what_the_trainer_takes_and_never_sees_the_test_split(create, config):
    tuning = Tuning(space={"dropout": Dimension(min=0, max=0.5)})
    components = create(dataclasses.replace(config, tuning=tuning))
    tuner, trainer = components["Tuner"], components["Trainer"]
    assert trainer.inputs["hyperparameters"] is tuner.outputs["best_hyperparameters"]
    assert tuner in trainer.upstream_nodes
    # Without splits TFX trains on `train` and evaluates on `eval`.
    assert (tuner.exec_properties["train_args"], tuner.exec_properties["eval_args"]) == ("{}", "{}")
