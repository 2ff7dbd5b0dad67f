import pytest

from common.errors import InputError
from pipeline.notebooks.data import read_data
from tests.e2e.harness import CONFIG

_ROWS = (
    "pressure,temperature,maker,faulty\n1.5,300,a,0\n2.5,,b,1\nhigh,310,a,0\n4,320,a,\n5,330,b,1\n"
)


@pytest.fixture
def config(tmp_path):
    (tmp_path / "wells.csv").write_text(_ROWS, encoding="utf-8")
    path = tmp_path / "wells.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.mark.tensorflow
def test_rows_are_read_by_the_contract_and_those_that_do_not_fit_are_told(config, tmp_path):
    data = read_data(str(config), str(tmp_path / "output"))
    assert data.table.column("pressure").to_pylist() == [1.5, 2.5, 5.0]
    assert data.table.column("temperature").to_pylist() == [300.0, None, 330.0]
    assert data.labels.tolist() == [0, 1, 1]
    assert (data.num_bad, data.num_unlabelled, data.is_complete) == (1, 1, True)
    [bad] = data.describe_bad_rows().to_dict("records")
    assert (bad["file"], bad["row"], bad["column"]) == ("wells.csv", 3, "pressure")
    assert bad["why"].startswith("`high` found, expected a number")


@pytest.mark.tensorflow
def test_the_first_rows_are_said_not_to_be_all(config, tmp_path):
    data = read_data(str(config), str(tmp_path / "output"), max_rows=2)
    assert data.table.num_rows == 2
    assert not data.is_complete
    assert "raise max_rows" in data.describe().loc["all rows", ""]


def test_no_rows_are_an_error_that_says_so(config, tmp_path):
    with pytest.raises(InputError, match="max_rows must be at least 1, got 0"):
        read_data(str(config), str(tmp_path / "output"), max_rows=0)
