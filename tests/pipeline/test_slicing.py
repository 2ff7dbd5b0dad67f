"""What stands in a column's place in a slice."""

import io

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

from pipeline.slicing import SliceEntry, SlicePart, make_slice

ENTRIES = TypeAdapter(tuple[SliceEntry, ...])


@pytest.mark.parametrize(
    ("part", "words", "text"),
    [
        (SlicePart(column="maker"), "maker", "maker"),
        (SlicePart(column="maker", value="a"), "maker = a", '{column: maker, value: "a"}'),
        (SlicePart(column="No", value="no"), "No = no", '{column: "No", value: "no"}'),
        (SlicePart(column="hour", value=7), "hour = 7", "{column: hour, value: 7}"),
        (SlicePart(column="code", value="7"), "code = 7", '{column: code, value: "7"}'),
        (SlicePart(column="true", below=4), "true below 4", '{column: "true", below: 4}'),
        (
            SlicePart(column="depth", at_least=-0.5, below=1e-7),
            "depth in [-0.5, 1e-07)",
            "{column: depth, at_least: -0.5, below: 1e-07}",
        ),
        (
            SlicePart(column="a: b", missing=True),
            "a: b is missing",
            '{column: "a: b", missing: true}',
        ),
        (
            SlicePart(trouble="wrong sampling"),
            "recording trouble: wrong sampling",
            "{trouble: wrong sampling}",
        ),
    ],
)
def test_the_yaml_says_the_same_again(part, words, text):
    assert (part.words, part.to_yaml()) == (words, text)
    read = YAML(typ="safe").load(io.StringIO(f"[{text}]"))
    assert make_slice(ENTRIES.validate_python(read)) == (part,)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "exactly one of `column` and `trouble`"),
        ({"column": "a", "trouble": "gap"}, "exactly one of `column` and `trouble`"),
        ({"trouble": "gap", "below": 3}, "a trouble has none"),
        ({"column": "a", "value": 1, "missing": True}, "got `value` and `missing`"),
        ({"column": "a", "at_least": 2, "below": 2}, "at_least must be < below, got 2.0 and 2.0"),
    ],
)
def test_what_has_no_meaning_is_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        SlicePart(**given)


def test_a_range_has_its_lower_edge_and_not_its_upper():
    numbers = np.array([np.nan, -np.inf, 1, 2, 3, np.inf])
    between = SlicePart(column="x", at_least=1, below=3).in_range(numbers)
    assert numbers[between].tolist() == [1, 2]
    assert numbers[SlicePart(column="x", below=2).in_range(numbers)].tolist() == [-np.inf, 1]
    assert numbers[SlicePart(column="x", at_least=3).in_range(numbers)].tolist() == [3, np.inf]


def test_the_order_of_the_parts_means_nothing():
    parts = ["sector", SlicePart(trouble="gap"), SlicePart(trouble="bias")]
    assert make_slice(parts) == make_slice(reversed(parts))
