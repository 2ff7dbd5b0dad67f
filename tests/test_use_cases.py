"""The configs and curated schemas that come with the project agree with each other."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from models.features import (
    Audio,
    Bucketized,
    Categorical,
    Crossed,
    FeatureTable,
    HeavyTailed,
    Image,
    Numeric,
    Signal,
    Time,
)
from pipeline.config import Config
from pipeline.config_loading import load_config

PROJECT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((PROJECT / "configs").glob("*.yaml"))
NUMBERS = {schema_pb2.INT, schema_pb2.FLOAT}
TYPES = {
    Numeric: NUMBERS,
    HeavyTailed: NUMBERS,
    Bucketized: NUMBERS,
    Categorical: {schema_pb2.INT, schema_pb2.BYTES},
    Time: {schema_pb2.INT},
    Signal: {schema_pb2.FLOAT},
    Audio: {schema_pb2.BYTES},
    Image: {schema_pb2.BYTES},
}


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def config(request) -> Config:
    return load_config(request.param)


@pytest.fixture
def schema(config) -> dict[str, schema_pb2.Feature]:
    assert config.schema_path is not None
    text = config.schema_path.read_text(encoding="utf-8")
    return {f.name: f for f in text_format.Parse(text, schema_pb2.Schema()).feature}


def raw(table: FeatureTable) -> FeatureTable:
    return {name: kind for name, kind in table.items() if not isinstance(kind, Crossed)}


def test_every_config_comes_with_a_schema_of_its_name():
    assert [path.stem for path in CONFIGS] == ["micrographs", "signals", "sounds", "taxi"]
    assert all((PROJECT / "schema" / f"{path.stem}.pbtxt").is_file() for path in CONFIGS)


def test_every_feature_is_in_the_schema_with_a_type_of_its_kind(config, schema):
    wrong = {
        name: kind
        for name, kind in raw(config.features).items()
        if name not in schema or schema[name].type not in TYPES[type(kind)]
    }
    assert wrong == {}


def test_every_feature_is_there_at_serving_and_the_label_is_not(config, schema):
    needed = set(raw(config.features)) | {
        kind.rate_column
        for kind in config.features.values()
        if isinstance(kind, Signal) and kind.rate_column
    }
    absent = {name for name, f in schema.items() if "SERVING" in f.not_in_environment}
    assert config.label.column in absent
    assert not needed & absent


def test_a_signal_is_as_long_in_the_schema_as_in_the_config(config, schema):
    lengths = {
        name: [dim.size for dim in schema[name].shape.dim]
        for name, kind in config.features.items()
        if isinstance(kind, Signal)
    }
    assert lengths == {
        name: [kind.num_samples]
        for name, kind in config.features.items()
        if isinstance(kind, Signal)
    }


def test_every_slice_is_a_column_of_the_schema(config, schema):
    assert {part.column for parts in config.slices.values() for part in parts} <= set(schema)
