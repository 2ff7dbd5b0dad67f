"""What a run in separate steps may be told besides its config."""

import pytest

from common.errors import InputError
from pipeline.config_loading import load_config
from pipeline.running.stepping.overrides import Overrides, check_run_id
from tests.e2e.harness import CONFIG, write_wells


@pytest.fixture
def config(tmp_path):
    text = CONFIG.replace("path: wells.csv", "path: span-{SPAN}/*.csv\n  window: 2")
    return load_config(write_wells(tmp_path, "", text))


def test_nothing_given_changes_nothing(config):
    assert Overrides().apply(config) == config


def test_each_value_replaces_its_key(config):
    url = "mysql://faultline@db/runs"
    changed = Overrides(window=5, span=9, seed=0, metadata_url=url).apply(config)
    assert (changed.data.window, changed.data.last_span, changed.seed) == (5, 9, 0)
    assert changed.metadata.url == url
    assert changed.data.path == config.data.path


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (Overrides(window=0), "--window 0.*window"),
        (Overrides(seed=-5), "--seed -5.*seed"),
        (Overrides(metadata_url="ftp://db"), "--metadata-url ftp://db.*mysql://USER@HOST"),
    ],
)
def test_a_value_that_the_config_does_not_take_is_named(config, overrides, message):
    with pytest.raises(InputError, match=message):
        overrides.apply(config)


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", ".hidden", "a.span-3", "x" * 101])
def test_an_id_that_is_no_name_of_a_run_is_refused(run_id):
    with pytest.raises(InputError, match="--run must be"):
        check_run_id(run_id)


def test_kubeflows_ids_are_ids_of_runs():
    assert check_run_id("7d3c1b1e-0f6a-4a53-9d0e-2f4f3f0c6a11")
