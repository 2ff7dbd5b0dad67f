"""The layout of stacked columns: all columns of one type in one tensor.

TensorFlow Transform traces the preprocessing several times, with several operations for each input:
0.1 s a column. So Transform's graph takes the scalar columns of one type as one input `[batch,
num_columns]`. Examples, signatures and clients keep a column for each feature; `columns.stack`, and
for Transform's own reading `pipeline.components.transform.stacked_batches`, stack them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tensorflow_metadata.proto.v0 import schema_pb2

from models.features import FeatureTable, Media, Signal, raw_feature_names

# Name of each stacked column to the columns in it, in order.
Stacks = Mapping[str, tuple[str, ...]]

# Marks a missing value in an integer column, where NaN does not exist.
MISSING_INT = -(2**63)

# In a TransformGraph artifact: the schema of the examples, and the columns of each stack.
EXAMPLES_SCHEMA_FILE = "examples/schema.pbtxt"
STACKS_FILE = "examples/stacks.json"

_STACK_NAMES = {
    schema_pb2.FLOAT: "stacked_floats",
    schema_pb2.INT: "stacked_ints",
    schema_pb2.BYTES: "stacked_texts",
}


def check_columns(schema: schema_pb2.Schema, table: FeatureTable, label: str) -> None:
    """Checks that a schema has the columns of a features table, and the label.

    Raises:
        ValueError: It lacks one.
    """
    present = sorted(feature.name for feature in schema.feature)
    if absent := [name for name in [*raw_feature_names(table), label] if name not in present]:
        raise ValueError(
            f"The schema has no column {absent}; it has {present}. "
            "Correct `features` in the config, or the schema."
        )


def stack_columns(
    schema: schema_pb2.Schema, table: FeatureTable, label: str
) -> dict[str, tuple[str, ...]]:
    """Returns the stacks for the columns that a features table reads; signals are in none.

    A column with files is a stack of its own, by its own name, and so is dense.

    Args:
        schema: The schema of the examples.
        table: The features table.
        label: The label's column.

    Raises:
        ValueError: A signal or the label has the name of a stack, or the schema lacks a column.
    """
    check_columns(schema, table, label)
    types = {feature.name: feature.type for feature in schema.feature}
    names = raw_feature_names(table)
    scalars = [name for name in names if not isinstance(table[name], Signal | Media)]
    others = {label, *names} - set(scalars)
    if reserved := sorted(others & set(_STACK_NAMES.values())):
        raise ValueError(
            f"A signal, sound, picture or label cannot be called `{reserved[0]}`. Rename the "
            "column in the data."
        )
    stacks = {
        name: tuple(scalar for scalar in scalars if types[scalar] == kind)
        for kind, name in _STACK_NAMES.items()
    }
    stacks |= {name: (name,) for name in names if isinstance(table[name], Media)}
    return {name: columns for name, columns in stacks.items() if columns}


def stacked_schema(
    schema: schema_pb2.Schema, stacks: Stacks, others: set[str]
) -> schema_pb2.Schema:
    """Returns the schema of stacked examples.

    Args:
        schema: The schema of the examples.
        stacks: The stacks; each becomes a feature of fixed shape without missing values.
        others: Columns that are in no stack and stay.
    """
    stacked = schema_pb2.Schema()
    types = {name: kind for kind, name in _STACK_NAMES.items()}
    for name, columns in stacks.items():
        feature = stacked.feature.add(name=name, type=types.get(name, schema_pb2.BYTES))
        feature.presence.min_fraction, feature.presence.min_count = 1, 1
        feature.shape.dim.add(size=len(columns))
    stacked.feature.extend(feature for feature in schema.feature if feature.name in others)
    domains = {feature.domain for feature in stacked.feature if feature.HasField("domain")}
    stacked.string_domain.extend(d for d in schema.string_domain if d.name in domains)
    return stacked


def stacks_to_json(stacks: Stacks) -> str:
    """Returns the JSON text of stacks."""
    return json.dumps(stacks)


def stacks_from_json(text: str) -> dict[str, tuple[str, ...]]:
    """Returns the stacks that `stacks_to_json` wrote."""
    return {name: tuple(columns) for name, columns in json.loads(text).items()}


@dataclass(frozen=True)
class Stacking:
    """How the columns of examples are stacked.

    Attributes:
        schema: The schema of the examples.
        stacks: The columns of each stack.
    """

    schema: schema_pb2.Schema
    stacks: Stacks

    def write(self, folder: str | Path) -> None:
        """Writes it into a TransformGraph artifact, on any file system."""
        from tfx.utils import io_utils

        io_utils.write_pbtxt_file(f"{folder}/{EXAMPLES_SCHEMA_FILE}", self.schema)
        io_utils.write_string_file(f"{folder}/{STACKS_FILE}", stacks_to_json(self.stacks))


def read_stacking(folder: str | Path) -> Stacking:
    """Returns the stacking that a TransformGraph artifact was made with.

    Raises:
        ValueError: The artifact is of an earlier version of Faultline, which stacked no columns.
    """
    from tfx.dsl.io import fileio
    from tfx.utils import io_utils

    paths = [f"{folder}/{EXAMPLES_SCHEMA_FILE}", f"{folder}/{STACKS_FILE}"]
    for path in paths:
        if not fileio.exists(path):
            raise ValueError(
                f"{folder} was written by an earlier version of Faultline: it lacks {path}. "
                "Run the pipeline again, and use the new run."
            )
    schema = io_utils.parse_pbtxt_file(paths[0], schema_pb2.Schema())
    return Stacking(schema, stacks_from_json(io_utils.read_string_file(paths[1])))
