"""docs/config.md and configs/config.schema.json agree with the code and with the configs."""

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from pipeline.config_loading import load_config
from scripts.config_reference import (
    EXAMPLE,
    PROJECT,
    REFERENCE,
    SCHEMA,
    make_reference,
    make_schema,
    schema_text,
)

CONFIGS = [*sorted((PROJECT / "configs").glob("*.yaml")), EXAMPLE]


def read(path: Path) -> dict[str, Any]:
    values = YAML(typ="safe").load(path)
    assert isinstance(values, dict)
    return values


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return make_schema()


@pytest.fixture(scope="module")
def validator(schema) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def signals() -> dict[str, Any]:
    return copy.deepcopy(read(PROJECT / "configs" / "signals.yaml"))


def test_the_reference_is_up_to_date(schema):
    example = EXAMPLE.read_text(encoding="utf-8")
    is_current = REFERENCE.read_text(encoding="utf-8") == make_reference(schema, example)
    assert is_current, "docs/config.md is out of date; run `make config-docs`"


def test_the_schema_is_up_to_date(schema):
    is_current = SCHEMA.read_text(encoding="utf-8") == schema_text(schema)
    assert is_current, "configs/config.schema.json is out of date; run `make config-docs`"


def test_the_schema_is_a_valid_json_schema(schema):
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_config_is_valid_by_the_schema_and_loads(validator, path):
    validator.validate(read(path))
    load_config(path)


def test_the_example_has_every_key_of_the_top_level(schema):
    assert set(read(EXAMPLE)) == set(schema["properties"])


def test_every_key_has_a_description(schema):
    without = [
        f"{name}.{key}"
        for name, block in ({"Config": schema} | schema["$defs"]).items()
        for key, value in block["properties"].items()
        if not value["description"]
    ]
    assert without == []


def test_no_key_of_the_types_is_lost(schema):
    # Keys are ordered by the docstrings: a key without a line there would be dropped.
    from pydantic import TypeAdapter

    from pipeline.config import Config

    full = TypeAdapter(Config).json_schema()
    for name, block in full["$defs"].items():
        assert set(schema["$defs"][name]["properties"]) == set(block["properties"]), name
    assert set(schema["properties"]) == set(full["properties"]) - {"folder"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("train", "epochs"), 0, "0 is less than or equal to the minimum of 0"),
        (("train", "epoch"), 3, "'epoch' was unexpected"),
        (("features", "temperature_k"), {"unit": "K"}, "is not valid under any"),
        (("folder",), "/data", "'folder' was unexpected"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(validator, signals, path, value, message):
    *above, key = path
    block = signals
    for name in above:
        block = block[name]
    block[key] = value
    with pytest.raises(jsonschema.ValidationError, match=message):
        validator.validate(signals)


@pytest.mark.parametrize(
    "row",
    [
        "| `seed` | integer in [0, 2147483648) | `0` |",
        "| `delimiter` | one character | none |",
        "| `dropout` | number in [0, 1) | `0.2` |",
        "| `of` | list of text, at least 2 | required |",
        "| `strategy` | `stratified`, `group`, `time` or `blocks` | `stratified` |",
        "| `rates` | mapping of names to number in (0, 1] | `{}` |",
        "| `bars` | [`gate.bars`](#gatebars) | see block |",
    ],
)
def test_a_key_is_shown_with_its_type_range_and_default(schema, row):
    assert f"\n{row} " in make_reference(schema, EXAMPLE.read_text(encoding="utf-8"))


def test_a_section_shows_its_part_of_the_example(schema):
    page = make_reference(schema, EXAMPLE.read_text(encoding="utf-8"))
    section = page.partition("## `threshold`")[2].partition("\n## ")[0]
    assert "```yaml\nthreshold:\n  recall_at_false_alarm_rate: 0.01\n```" in section
