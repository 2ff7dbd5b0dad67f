"""Slices of columns and values that the data do not have."""

import dataclasses

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from common.errors import InputError
from models.features import Numeric, Signal
from pipeline.components.anomaly_gate.slice_names import check_slices, slices_to_json
from pipeline.config import Config, Data, Evaluation, Label
from pipeline.slicing import SlicePart

SCHEMA = text_format.Parse(
    """
    feature { name: "sector" type: BYTES domain: "sector" }
    feature { name: "id" type: BYTES }
    feature { name: "hour" type: INT }
    feature { name: "depth" type: FLOAT shape { dim { size: 1 } } }
    feature { name: "voltage" type: FLOAT shape { dim { size: 256 } } }
    feature { name: "list" type: INT value_count { min: 1 max: 3 } }
    string_domain { name: "sector" value: "S12" value: "S23" }
    """,
    schema_pb2.Schema(),
)


def config(*entries: str | SlicePart, **data) -> Config:
    return Config(
        name="test",
        label=Label(column="y"),
        data=Data(path="test-{SPAN}.csv", **data),
        features={"x": Numeric(), "v": Signal(num_samples=8)},
        evaluation=Evaluation(slices=tuple((entry,) for entry in entries)),
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("sectr", "names the column `sectr`, which the data do not have; did you mean `sector`?"),
        ("q", "do not have; there are `depth`, `hour`, `id`, `list`, `sector`, `voltage`"),
        ("voltage", "names `voltage`, which has up to 256 values a row"),
        ("list", "names `list`, which has up to 3 values a row"),
        (SlicePart(column="sector", below=3), "takes a range of `sector`, which holds texts"),
        (
            SlicePart(column="sector", value="S13"),
            "names the value `S13`, which no row has in `sector`; did you mean `S23`?",
        ),
        (SlicePart(column="sector", value=7), "there are `S12`, `S23`"),
        (SlicePart(column="hour", value="S12"), "names the value `S12`, but `hour` holds numbers"),
    ],
)
def test_what_is_not_there_is_named_with_its_key_and_the_nearest_that_is(entry, message):
    with pytest.raises(InputError) as error:
        check_slices(slices_to_json(config("sector", entry)), SCHEMA)
    assert str(error.value).startswith("evaluation.slices.1 ")
    assert message in str(error.value)


def test_all_problems_are_said_at_once():
    with pytest.raises(InputError, match=r"slices\.0 names .*\n.*slices\.1 names"):
        check_slices(slices_to_json(config("sectr", "huor")), SCHEMA)


def test_what_is_there_or_cannot_be_known_passes():
    asked = config(
        "sector",
        SlicePart(column="sector", value="S12"),
        SlicePart(column="id", value="of which nobody knows all values"),
        SlicePart(column="hour", value="7"),
        SlicePart(column="depth", at_least=3),
        SlicePart(column="id", missing=True),
        SlicePart(trouble="gap"),
    )
    check_slices(slices_to_json(asked), SCHEMA)


def test_of_a_window_another_span_may_have_the_value_but_not_the_column():
    one = config(SlicePart(column="sector", value="S99"))
    window = config(SlicePart(column="sector", value="S99"), window=3)
    check_slices(slices_to_json(window), SCHEMA)
    with pytest.raises(InputError, match="S99"):
        check_slices(slices_to_json(one), SCHEMA)
    unknown = dataclasses.replace(window, evaluation=Evaluation(slices=(("secto",),)))
    with pytest.raises(InputError, match="`sector`"):
        check_slices(slices_to_json(unknown), SCHEMA)
