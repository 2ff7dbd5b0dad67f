import pytest

from common.errors import InputError
from common.output_folder import OutputFolder
from models.features import Numeric
from pipeline.config import Config, Data, Label
from pipeline.reading.data_source import find_source


def _config(tmp_path, **data: object) -> Config:
    return Config(
        name="pumps",
        label=Label(column="failed"),
        data=Data(**data),
        features={"x": Numeric()},
        folder=tmp_path,
    )


def test_a_path_is_relative_to_the_configs_folder(tmp_path):
    (tmp_path / "a.csv").write_text("x,failed\n1,0\n")
    source = find_source(_config(tmp_path, path="a.csv"), OutputFolder(tmp_path / "out"))
    assert (source.base, list(source.patterns.values())) == (str(tmp_path), ["a.csv"])


def test_a_path_with_nothing_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        find_source(_config(tmp_path, path="nowhere.csv"), OutputFolder(tmp_path / "out"))


def test_simulated_data_are_written_below_the_output_folder(tmp_path):
    options = {"num_healthy": 30, "num_faulty": 6}
    config = _config(tmp_path, dataset="signals", options=options)
    source = find_source(config, OutputFolder(tmp_path / "out"))
    assert source.base.startswith(str(tmp_path / "out" / "data" / "pumps"))
    assert list((tmp_path / "out").rglob("*.parquet"))


def test_a_wrong_option_of_a_built_in_data_set_names_the_key(tmp_path):
    config = _config(tmp_path, dataset="signals", options={"num_faulti": 6})
    with pytest.raises(InputError, match=r"data\.dataset, data\.options: .*num_faulty"):
        find_source(config, OutputFolder(tmp_path / "out"))
