"""Which columns a model takes of the data, and how they are read."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.config_loading import load_config
from pipeline.prediction.contract import reading_spec
from pipeline.prediction.files.input_files import find_input_files, plan_pieces
from pipeline.prediction.files.reading import ReadPlan, read_rows
from pipeline.prediction.model_columns import decide_columns
from serving.client import TensorSpec
from tests.pipeline.prediction.readings import CONFIG, write_config


def spec(name, dtype="float32", *row_shape: int) -> TensorSpec:
    return TensorSpec(name=name, dtype=np.dtype(dtype), shape=(-1, *row_shape))


@pytest.fixture
def decide(tmp_path):
    ingest = reading_spec(load_config(write_config(tmp_path, CONFIG)), None)

    def decide_(*inputs: TensorSpec, **layout: str):
        pieces = plan_pieces(find_input_files(str(tmp_path / "data")), CsvLayout(**layout))
        columns = decide_columns({each.name: each for each in inputs}, pieces, ingest)
        plan = ReadPlan(columns=columns, spec=ingest, name_files=len(pieces) > 1)
        return columns, [rows for piece in pieces for rows in read_rows(piece, plan)]

    (tmp_path / "data").mkdir()
    return decide_


@pytest.fixture
def data(tmp_path, decide):
    return tmp_path / "data"


def test_the_model_says_the_types_not_the_values(decide, data):
    (data / "a.csv").write_text("code,volts,extra\n007,1,x\n8,2,y\n")
    _, [rows] = decide(spec("code", "object"), spec("volts"))
    assert rows.features.to_pydict() == {"code": [b"007", b"8"], "volts": [1.0, 2.0]}
    assert rows.features.schema.types == [pa.binary(), pa.float32()]


def test_a_wide_signal_is_read_in_the_order_of_its_numbers(decide, data):
    (data / "a.csv").write_text("t2,t10,t0,t1\n3,9,1,2\nNA,9,4,5\n")
    _, [rows] = decide(spec("wave", "float32", 3))
    first, second = rows.features.column("wave").to_pylist()
    assert first == [1.0, 2.0, 3.0]
    assert second[:2] == [4.0, 5.0]
    assert np.isnan(second[2])


def test_a_wide_signal_of_another_width_than_the_models_is_refused(decide, data):
    (data / "a.csv").write_text("t0,t1,t2\n1,2,3\n")
    with pytest.raises(InputError, match=r"3 columns from `t0` to `t2` .* the model takes 4"):
        decide(spec("wave", "float32", 4))


def test_a_list_column_wins_over_the_config_that_spreads_it(decide, data):
    pq.write_table(pa.table({"wave": [[1.0, 2.0, 3.0]]}), data / "a.parquet")
    _, [rows] = decide(spec("wave", "float32", 3))
    assert rows.features.column("wave").to_pylist() == [[1.0, 2.0, 3.0]]


def test_times_are_read_by_the_declared_format_whatever_the_file_suggests(decide, data):
    # Alone, 03.04.2020 could be the fourth of March.
    (data / "a.csv").write_text("seconds\n03.04.2020 00:00:00\n04/03/2020\n")
    _, [rows] = decide(spec("seconds", "int64"))
    # 2020-04-03: 18262 days to 2020, and 31 + 29 + 31 + 2 days.
    assert rows.features.column("seconds").to_pylist() == [(18262 + 93) * 86400]
    [bad] = rows.bad_rows
    assert "expected a time written as %d.%m.%Y %H:%M:%S" in bad.reason


def test_arrow_times_are_read_as_they_are(decide, data):
    times = pa.array([1_577_836_800_500], pa.timestamp("ms"))
    pq.write_table(pa.table({"seconds": times}), data / "a.parquet")
    _, [rows] = decide(spec("seconds", "int64"))
    assert rows.features.column("seconds").to_pylist() == [1_577_836_800]


@pytest.mark.parametrize(
    ("column", "kind"),
    [(pa.array(["[1,2,3]"]), "string"), (pa.array([["x"]]), "list<")],
    ids=["a", "b"],
)
def test_a_signal_that_is_no_list_of_numbers_is_refused(column, kind, decide, data):
    pq.write_table(pa.table({"wave": column}), data / "a.parquet")
    with pytest.raises(InputError, match=f"must hold a list of numbers in each row; .* {kind}"):
        decide(spec("wave", "float32", 3))


def test_a_file_in_another_encoding_than_the_contracts_is_named_as_such(decide, data):
    (data / "a.csv").write_text("Température;maker\n300;a\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.csv is UTF-8, and `data.encoding` is cp1252"):
        decide(spec("Température"), encoding="cp1252", delimiter=";")


def test_a_column_that_no_encoding_gives_is_simply_missing(decide, data):
    (data / "a.csv").write_text("Température;maker\n300;a\n", encoding="cp1252")
    with pytest.raises(InputError, match="needs the column `pressure`, which is not in"):
        decide(spec("pressure"), encoding="cp1252", delimiter=";")


def test_a_file_with_another_delimiter_than_the_contracts_is_named_as_such(decide, data):
    (data / "a.csv").write_text("volts,t0,t1,t2\n1,2,3,4\n")
    with pytest.raises(InputError, match=r"single cell if it is divided at ';', .* `t0` .* ','"):
        decide(spec("wave", "float32", 3), delimiter=";")


def test_a_column_that_one_file_lacks_is_named_with_the_file(decide, data):
    (data / "a.csv").write_text("volts\n1\n")
    (data / "b.csv").write_text("volt\n1\n")
    with pytest.raises(InputError, match=r"`volts`, which is not in .*b.csv; did you mean `volt`"):
        decide(spec("volts"))


def test_an_input_that_no_column_can_be_is_refused(decide, data):
    (data / "a.csv").write_text("image\n1\n")
    with pytest.raises(InputError, match="is neither a number, a text nor a signal per row"):
        decide(spec("image", "float32", 2, 2))


def test_bad_rows_are_set_aside_with_their_numbers(decide, data):
    (data / "a.csv").write_text("volts\n1\nhigh\n3\n")
    _, [rows] = decide(spec("volts"))
    assert rows.numbers.tolist() == [1, 3]
    assert rows.keys.to_pydict() == {"row": [1, 3]}
    assert [str(bad) for bad in rows.bad_rows] == [
        f"{data / 'a.csv'}, row 2, column `volts`: `high` found, expected a number"
    ]
