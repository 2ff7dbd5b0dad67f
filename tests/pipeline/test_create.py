"""How the components are wired, without running any."""

import dataclasses
import json

import pytest

from common.metadata import sqlite_connection
from common.output_folder import OutputFolder
from models.features import Signal
from models.probabilities.cost import Cost
from models.search_space import Dimension, Tuning
from models.train_options import TrainOptions
from pipeline.column_format import ColumnFormat
from pipeline.config import Validation
from pipeline.config_loading import load_config
from pipeline.production_options.signing import SigningOptions
from pipeline.reading.data_source import find_source
from tests.e2e.harness import CONFIG, wells_csv, write_wells
from tests.signed_versions import make_pair

pytestmark = pytest.mark.tensorflow


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


@pytest.fixture
def spans(tmp_path):
    """A config of three spans."""
    for span in (1, 2, 3):
        (tmp_path / f"span-{span}").mkdir()
        (tmp_path / f"span-{span}" / "wells.csv").write_text(wells_csv(40, seed=span))
    text = CONFIG.replace("path: wells.csv", "path: span-{SPAN}/*.csv\n  window: 2")
    return load_config(write_wells(tmp_path, "", text))


def test_one_span_alone_is_analysed_without_a_cache(create, config):
    components = create(config)
    assert not {"SpanWindow", "SpanWindowResolver", "AnalysisResolver"} & set(components)
    assert "analyzer_cache" not in components["Transform"].inputs
    assert "updated_analyzer_cache" not in components["Transform"].outputs


def test_of_a_window_transform_gets_the_spans_and_the_rest_gets_them_together(create, spans):
    components = create(spans)
    window = components["SpanWindow"].outputs["examples"]
    assert components["Transform"].inputs["examples"] is not window
    assert components["Transform"].inputs["examples"] is components["SpanWindow"].inputs["spans"]
    for name in ("Trainer", "Evaluator", "InfraValidator"):
        assert components[name].inputs["examples"] is window
    gate = components["AnomalyGate"]
    assert gate in components["SpanWindowResolver"].upstream_nodes
    assert gate in components["Transform"].upstream_nodes


def test_the_gate_and_the_window_speak_of_the_same_rules(create, spans):
    from tfx.dsl.components.common.resolver import RESOLVER_CONFIG

    components = create(spans)
    wanted = components["SpanWindowResolver"].exec_properties[RESOLVER_CONFIG]
    assert sorted(wanted["window"]) == ["2", "3"]
    assert components["AnomalyGate"].exec_properties["acceptance"] == wanted["acceptance"]
    stricter = dataclasses.replace(spans, validation=Validation(max_gap_share=0.0))
    changed = create(stricter)["AnomalyGate"].exec_properties["acceptance"]
    assert changed != wanted["acceptance"]
    # What is only trained with has no part in what is accepted.
    slower = dataclasses.replace(spans, train=TrainOptions(epochs=1))
    same = create(slower)["AnomalyGate"].exec_properties["acceptance"]
    assert same == wanted["acceptance"]


def test_a_new_price_searches_again_only_where_trials_are_judged_by_cost(create, config):
    space = {"dropout": Dimension(min=0, max=0.5)}

    def parameters(objective, missed_fault):
        cost = Cost(missed_fault=missed_fault, false_alarm=1)
        tuning = Tuning(space=space, objective=objective)
        tuner = create(dataclasses.replace(config, cost=cost, tuning=tuning))["Tuner"]
        return tuner.exec_properties["custom_config"]

    assert parameters("expected_cost", 9) != parameters("expected_cost", 5)
    assert parameters("pr_auc", 9) == parameters("pr_auc", 5)


def test_signals_are_summarised_where_the_model_may_have_trees(create, config):
    def summaries(config):
        properties = create(config)["Transform"].exec_properties
        return json.loads(properties["custom_config"]).get("summaries")

    trees = dataclasses.replace(config, train=TrainOptions(model="trees"))
    signals = config.features | {"pulse": Signal(num_samples=4)}
    assert summaries(dataclasses.replace(config, features=signals)) is None
    assert summaries(dataclasses.replace(trees, features=signals)) == "true"
    # Without signals there is nothing to compute, and the same analysis serves both kinds.
    assert summaries(trees) is None


def test_the_data_page_knows_times_that_are_no_features(create, config):
    from models.features import Time, features_from_json, of_kind

    formats = {
        "started": ColumnFormat(type="time"),
        "age": ColumnFormat(type="time", elapsed=True),
    }
    data = dataclasses.replace(config.data, columns=formats)
    report = create(dataclasses.replace(config, data=data))["DataReport"]
    features = features_from_json(report.exec_properties["features"])
    assert list(of_kind(features, Time)) == ["started"]
    assert features["pressure"].unit == "bar"


def test_only_the_pusher_gets_the_key_and_only_where_there_is_one(create, config, tmp_path):
    pair = make_pair(tmp_path / "keys")
    private, public = str(pair.private), str(pair.public)
    trusting = dataclasses.replace(config, signing=SigningOptions(public_keys=(public,)))
    signing = dataclasses.replace(config, signing=SigningOptions(private_key=private))
    plain, trusted, signed = (
        {name: component.exec_properties for name, component in create(one).items()}
        for one in (config, trusting, signing)
    )
    # A use case that signs nothing has the same parameters as before: nothing runs again.
    assert trusted == plain
    changed = [name for name in plain if signed[name] != plain[name]]
    assert changed == ["Pusher"]
    told = json.loads(signed["Pusher"]["custom_config"])
    assert told.pop("signing")["fingerprint"] == pair.read().fingerprint
    assert told == json.loads(plain["Pusher"]["custom_config"])
