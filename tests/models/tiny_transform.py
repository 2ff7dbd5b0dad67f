"""A tiny data set with every kind of feature, transformed and written as the pipeline does it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from models.features import (
    Bucketized,
    Categorical,
    Crossed,
    Feature,
    HeavyTailed,
    Numeric,
    Signal,
    Time,
    features_to_json,
    of_kind,
)
from models.inputs.preprocessing import preprocessing_fn
from models.inputs.stacks import (
    MISSING_INT,
    Stacking,
    stack_columns,
    stacked_schema,
    stacks_to_json,
)
from models.model_spec import ModelSpec
from models.train_options import TrainOptions
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

NAN = float("nan")
INF = float("inf")

FEATURES: dict[str, Feature] = {
    "pressure [bar]": Numeric(unit="bar"),
    "length": HeavyTailed(),
    "constant": Numeric(),
    "never": Numeric(),
    "tool": Categorical(),
    "code": Categorical(),
    "speed": Bucketized(num_buckets=3),
    "at": Time(cycles=("hour_of_day", "day_of_week")),
    "pulse": Signal(num_samples=3),
    "echo": Signal(num_samples=3),
    "tool_speed": Crossed(of=("tool", "speed"), num_buckets=1_000),
}
SPEC = ModelSpec(
    label="faulty",
    features=FEATURES,
    train=TrainOptions(epochs=3, batch_size=4, hidden_units=(4,), filters=(3,)),
    seed=1,
)
_VARLEN, _FIXED = tf.io.VarLenFeature, tf.io.FixedLenFeature
RAW_SPEC = {
    "pressure [bar]": _VARLEN(tf.float32),
    "length": _VARLEN(tf.float32),
    "constant": _FIXED([1], tf.float32),
    "never": _VARLEN(tf.float32),
    "tool": _VARLEN(tf.string),
    "code": _VARLEN(tf.int64),
    "speed": _VARLEN(tf.float32),
    "at": _VARLEN(tf.int64),
    "pulse": _FIXED([3], tf.float32),
    "echo": _VARLEN(tf.float32),
    "faulty": _FIXED([1], tf.int64),
    "unused": _VARLEN(tf.string),
}
_E1 = 1.718281828459045  # e - 1: ln(1 + (e - 1)) = 1
ROWS: list[dict[str, list[Any]]] = [
    {
        "pressure [bar]": [1.0],
        "length": [0.0],
        "constant": [5.0],
        "tool": [b"a"],
        "code": [7],
        "speed": [1.0],
        "at": [0],
        "pulse": [0.0, 1.0, 2.0],
        "echo": [1.0, 2.0, 3.0],
        "faulty": [1],
    },
    {
        "pressure [bar]": [2.0],
        "length": [_E1],
        "constant": [5.0],
        "tool": [b"a"],
        "code": [7],
        "speed": [2.0],
        "at": [21_600],
        "pulse": [2.0, 1.0, NAN],
        "echo": [1.0, 4.0, 3.0],
        "faulty": [0],
    },
    {
        "pressure [bar]": [3.0],
        "length": [-_E1],
        "constant": [5.0],
        "tool": [b"b"],
        "code": [7],
        "speed": [3.0],
        "at": [86_400],
        "pulse": [1.0, 1.0, INF],
        "echo": [1.0, 6.0, 3.0],
        "faulty": [1],
    },
    {"constant": [5.0], "pulse": [NAN, NAN, NAN], "faulty": [0]},
]


def to_example(row: dict[str, list[Any]]) -> bytes:
    """Returns a row as a serialised tf.Example."""
    example = tf.train.Example()
    for name, values in row.items():
        feature = example.features.feature[name]
        if values and isinstance(values[0], bytes):
            feature.bytes_list.value.extend(values)
        elif values and isinstance(values[0], int):
            feature.int64_list.value.extend(values)
        else:
            feature.float_list.value.extend(values)
    return bytes(example.SerializeToString())


def write_transform(folder: Path) -> None:
    """Analyses `ROWS` and writes the transform graph with its stacking, as Transform does."""
    analyse(
        [{name: row.get(name, []) for name in RAW_SPEC} for row in ROWS], RAW_SPEC, SPEC, folder
    )


def analyse(
    rows: Sequence[Mapping[str, list[Any]]],
    raw_spec: Mapping[str, Any],
    spec: ModelSpec,
    folder: Path,
    *,
    summaries: bool = False,
) -> None:
    """Writes the transform graph of rows, each a list of values a column, with its stacking.

    Args:
        rows: The values of each column.
        raw_spec: The parsing spec of each column.
        spec: The label and the features.
        folder: Where to write.
        summaries: Whether signals are summarised.
    """
    schema = schema_utils.schema_from_feature_spec(raw_spec)
    stacks = stack_columns(schema, spec.features, spec.label)
    others = {spec.label, *of_kind(spec.features, Signal)}
    metadata = dataset_metadata.DatasetMetadata(stacked_schema(schema, stacks, others))
    missing = {"stacked_floats": NAN, "stacked_ints": MISSING_INT, "stacked_texts": b""}
    stacked = [
        {
            name: [value for column in columns for value in row[column] or [missing[name]]]
            for name, columns in stacks.items()
        }
        | {name: row[name] for name in others}
        for row in rows
    ]
    config = {
        "label": spec.label,
        "features": features_to_json(spec.features),
        "stacks": stacks_to_json(stacks),
        "summaries": json.dumps(summaries),
    }
    with (
        beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGS))) as pipeline,
        tft_beam.Context(temp_dir=str(folder.parent / "temp")),
    ):
        graph = (pipeline | beam.Create(stacked), metadata) | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing_fn(inputs, config)
        )
        graph | tft_beam.WriteTransformFn(str(folder))
        metadata | tft_beam.WriteMetadata(str(folder / "metadata"), pipeline)
    Stacking(schema, stacks).write(folder)


def write_examples(path: Path, num_copies: int) -> None:
    """Writes `ROWS`, each `num_copies` times, as a gzip TFRecord file."""
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for _ in range(num_copies):
            for row in ROWS:
                writer.write(to_example(row))
