import json

import pytest

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.prediction.served_config import find_served_config


@pytest.fixture
def configs(tmp_path):
    folder = tmp_path / "configs"
    folder.mkdir()
    for file in ("wells.yaml", "old.yaml", "new.yaml"):
        (folder / file).touch()
    return folder


def _push(root, name, version="7"):
    (root / "serving" / name / version).mkdir(parents=True)


def _record(root, run_id, use_case, config_file):
    folder = root / "runs" / run_id
    folder.mkdir(parents=True)
    stamp = {"use_case": use_case, "config_file": config_file}
    (folder / "summary.json").write_text(json.dumps({"provenance": stamp}), encoding="utf-8")


def test_the_config_of_the_only_served_use_case_is_the_one_named_after_it(tmp_path, configs):
    _push(tmp_path, "wells")
    _push(tmp_path, "wells_shadow")
    (tmp_path / "serving" / "pumps").mkdir()  # without a version: not served
    (tmp_path / "serving" / "notes.txt").touch()
    absent = tmp_path / "absent"
    path = find_served_config(OutputFolder(tmp_path), [absent, configs])
    assert path == configs / "wells.yaml"


def test_the_config_that_the_latest_run_of_the_use_case_recorded_comes_first(tmp_path, configs):
    _push(tmp_path, "wells")
    _record(tmp_path, "20261124-010101-wells", "wells", "old.yaml")
    _record(tmp_path, "20261125-010101-wells", "wells", "new.yaml")
    _record(tmp_path, "20261126-010101-wells_deep", "wells_deep", "old.yaml")
    assert find_served_config(OutputFolder(tmp_path), [configs]) == configs / "new.yaml"


def test_of_several_served_use_cases_the_names_are_listed(tmp_path, configs):
    _push(tmp_path, "wells")
    _push(tmp_path, "pumps")
    with pytest.raises(InputError, match=r"served: pumps, wells\. Choose one with --config\."):
        find_served_config(OutputFolder(tmp_path), [configs])


def test_without_a_pushed_model_or_its_config_the_error_asks_for_it(tmp_path, configs):
    with pytest.raises(InputError, match=r"No model was pushed below .* with --config\."):
        find_served_config(OutputFolder(tmp_path), [configs])
    _push(tmp_path, "pumps")
    with pytest.raises(InputError, match=r"No config of `pumps` at .*pumps\.yaml\. .*--config"):
        find_served_config(OutputFolder(tmp_path), [configs])
