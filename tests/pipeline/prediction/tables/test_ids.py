"""Ids that decide which row of a table is written."""

import pyarrow as pa
import pytest

from common.errors import InputError
from pipeline.prediction.tables.ids import check_ids


def check(*parts):
    return check_ids(parts, id_column="id", source="readings")


@pytest.mark.parametrize(
    ("ids", "kind"),
    [(pa.array([1, 2], pa.int16()), "integer"), (pa.array(["1", "01", " 1"]), "text")],
)
def test_distinct_whole_numbers_and_texts_are_ids(ids, kind):
    assert check(ids) == kind


def test_ids_that_occur_twice_are_named_over_all_parts():
    message = r"2 ids in `id` occur in several rows: `7` \(3 rows\), `8` \(2 rows\)\."
    with pytest.raises(InputError, match=message):
        check(pa.array([7, 8, 7]), pa.chunked_array([[7], [8, 9]]))


def test_a_missing_id_is_refused():
    with pytest.raises(InputError, match="readings: 1 row without an id in `id`"):
        check(pa.array(["a", None]))


@pytest.mark.parametrize("kind", [pa.float64(), pa.uint64(), pa.timestamp("us"), pa.bool_()])
def test_other_types_are_refused_with_a_cast_to_make(kind):
    with pytest.raises(InputError, match=r"are .*; expected whole numbers.*CAST\(id AS CHAR"):
        check(pa.array([0, 1], pa.int64()).cast(kind))


def test_parts_with_other_types_are_refused():
    with pytest.raises(InputError, match="are int64 and string in different parts"):
        check(pa.array([1]), pa.array(["2"]))


def test_no_rows_are_nothing_to_predict():
    with pytest.raises(InputError, match="readings has no rows"):
        check()
