"""What `kubeflow_runner.py` refuses, without Kubeflow's SDK."""

import dataclasses

import pytest

from common.errors import InputError
from pipeline.config import Beam
from pipeline.config_loading import load_config
from pipeline.running.kubeflow.compiling import Target, make_settings, with_metadata
from tests.e2e.harness import write_wells

URL = "mysql://faultline@mysql/runs"
TARGET = Target(
    image="registry.example/faultline:1",
    metadata_url=URL,
    artifacts="/data/output",
    volumes=("faultline=/data",),
    secrets=("FAULTLINE_METADATA_PASSWORD=metadata:password",),
    config_in_image="/data/wells.yaml",
)


@pytest.fixture
def config_path(tmp_path):
    return write_wells(tmp_path, "")


def test_tasks_are_told_of_server_volume_secret_and_config(config_path):
    config = with_metadata(load_config(config_path), URL)
    settings = make_settings(config_path, config, TARGET)
    assert (settings.config, settings.output) == ("/data/wells.yaml", "/data/output")
    assert settings.metadata_url == URL
    assert [secret.name for secret in settings.secrets] == ["metadata"]


def test_a_file_of_sqlite_is_refused(config_path):
    with pytest.raises(InputError, match="Tasks need a metadata server"):
        make_settings(config_path, load_config(config_path), TARGET)


def test_a_server_without_the_secret_of_its_password_is_refused(config_path):
    config = with_metadata(load_config(config_path), URL)
    target = dataclasses.replace(TARGET, secrets=("OTHER=metadata:password",))
    with pytest.raises(InputError, match="password in the variable FAULTLINE_METADATA_PASSWORD"):
        make_settings(config_path, config, target)


def test_a_bucket_in_the_config_is_refused(config_path):
    config = with_metadata(load_config(config_path), URL)
    config = dataclasses.replace(config, beam=Beam(artifacts="gs://bucket/artifacts"))
    with pytest.raises(InputError, match=r"Remove beam\.artifacts"):
        make_settings(config_path, config, TARGET)


@pytest.mark.parametrize("url", ["http://mysql/runs", "mysql://faultline:hunter2@mysql/runs"])
def test_a_wrong_url_is_refused_without_its_password(config_path, url):
    with pytest.raises(InputError, match="--metadata-url must") as caught:
        with_metadata(load_config(config_path), url)
    assert "hunter2" not in str(caught.value)
