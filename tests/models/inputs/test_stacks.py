import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from models.features import Audio, Categorical, Crossed, Numeric, Signal
from models.inputs.stacks import Stacking, read_stacking, stack_columns, stacked_schema

SCHEMA = text_format.Parse(
    """
    feature { name: "maker" type: BYTES domain: "makers" value_count { max: 1 } }
    feature { name: "pressure" type: FLOAT value_count { max: 1 } }
    feature { name: "wave" type: FLOAT shape { dim { size: 8 } } }
    feature { name: "count" type: INT }
    feature { name: "height" type: FLOAT }
    feature { name: "faulty" type: INT presence { min_fraction: 1 } shape {} }
    feature { name: "left_out" type: FLOAT }
    string_domain { name: "makers" value: "a" }
    """,
    schema_pb2.Schema(),
)
TABLE = {
    "height": Numeric(),
    "maker": Categorical(),
    "count": Numeric(),
    "wave": Signal(num_samples=8),
    "pressure": Numeric(),
    "pair": Crossed(of=("maker", "maker")),
}
STACKS = {
    "stacked_floats": ("height", "pressure"),
    "stacked_ints": ("count",),
    "stacked_texts": ("maker",),
}


def test_columns_of_one_type_are_a_stack_in_the_order_of_the_features_table():
    assert stack_columns(SCHEMA, TABLE, "faulty") == STACKS


def test_the_stacked_schema_has_stacks_signals_and_the_label_only():
    schema = stacked_schema(SCHEMA, STACKS, {"faulty", "wave"})
    assert {
        feature.name: [dim.size for dim in feature.shape.dim] for feature in schema.feature
    } == {
        "stacked_floats": [2],
        "stacked_ints": [1],
        "stacked_texts": [1],
        "wave": [8],
        "faulty": [],
    }
    assert not schema.string_domain


def test_a_column_that_the_schema_lacks_is_named():
    with pytest.raises(ValueError, match=r"no column \['speed'\]; it has \['count', 'faulty'"):
        stack_columns(SCHEMA, TABLE | {"speed": Numeric()}, "faulty")
    with pytest.raises(ValueError, match=r"no column \['fault'\]"):
        stack_columns(SCHEMA, TABLE, "fault")


def test_a_signal_cannot_have_the_name_of_a_stack_but_a_number_can():
    schema = schema_pb2.Schema()
    schema.CopyFrom(SCHEMA)
    schema.feature.add(name="stacked_ints", type=schema_pb2.FLOAT)
    with pytest.raises(ValueError, match="cannot be called `stacked_ints`"):
        stack_columns(schema, TABLE | {"stacked_ints": Signal(num_samples=2)}, "faulty")
    stacks = stack_columns(schema, TABLE | {"stacked_ints": Numeric()}, "faulty")
    assert stacks["stacked_floats"] == ("height", "pressure", "stacked_ints")


@pytest.mark.tensorflow
def test_a_stacking_is_read_as_it_was_written(tmp_path):
    Stacking(SCHEMA, STACKS).write(tmp_path)
    assert read_stacking(tmp_path) == Stacking(SCHEMA, STACKS)


@pytest.mark.tensorflow
def test_a_graph_of_an_earlier_version_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"earlier version .* Run the pipeline again"):
        read_stacking(tmp_path)


def test_a_column_with_files_is_a_dense_stack_of_its_own():
    schema = schema_pb2.Schema()
    schema.CopyFrom(SCHEMA)
    schema.feature.add(name="noise", type=schema_pb2.BYTES)
    table = TABLE | {"noise": Audio(sampling_rate_hz=8_000, duration_s=1)}
    stacks = stack_columns(schema, table, "faulty")
    assert stacks == STACKS | {"noise": ("noise",)}
    [noise] = [f for f in stacked_schema(schema, stacks, set()).feature if f.name == "noise"]
    assert (noise.type, noise.shape.dim[0].size) == (schema_pb2.BYTES, 1)
