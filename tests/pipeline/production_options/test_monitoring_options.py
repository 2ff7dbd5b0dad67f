"""The section `monitoring` of a YAML."""

import math

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.production_options.monitoring import ChunkSize, MonitoringOptions


def read(**keys):
    return TypeAdapter(MonitoringOptions).validate_python(keys)


def test_by_default_a_chunk_is_a_day():
    chunk = MonitoringOptions().chunk
    assert chunk.length_hours == 24.0
    assert chunk.chunks_per_year == 365.25


def test_chunks_of_some_hours_give_their_number_a_year():
    assert ChunkSize(hours=8).chunks_per_year == 3 * 365.25


def test_chunks_of_rows_have_the_given_number_a_year_and_no_length():
    chunk = read(chunk={"rows": 500, "per_year": 40}).chunk
    assert (chunk.rows, chunk.length_hours, chunk.chunks_per_year) == (500, None, 40.0)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"chunk": {"rows": 500}}, "rows needs per_year"),
        ({"chunk": {"hours": 24, "rows": 500, "per_year": 1}}, "set hours or rows, not both"),
        ({"chunk": {"hours": 24, "per_year": 10}}, "per_year goes only with rows"),
        ({"chunk": {"hours": 0}}, "greater than or equal to 0.01"),
        ({"chunk": {"hours": 1e-12}}, "greater than or equal to 0.01"),
        ({"false_alarms_per_year": 0}, "greater than 0"),
        ({"false_alarms_per_year": math.inf}, "finite number"),
        ({"detect": 0}, "greater than 0"),
        ({"detect": math.inf}, "finite number"),
        ({"labels_after_days": -1}, "greater than or equal to 0"),
        ({"labels_after_days": math.inf}, "less than or equal to 3650"),
        ({"chunks": {}}, "Unexpected keyword"),
    ],
)
def test_a_wrong_section_is_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        read(**keys)
