"""What tasks on Kubeflow are told of the cluster."""

import pytest

from common.errors import InputError
from pipeline.running.kubeflow.settings import (
    Secret,
    Volume,
    check_output,
    config_in_image,
)

VOLUME = Volume(claim="faultline", path="/data")


def test_a_volume_is_a_claim_and_a_folder():
    assert Volume.parse("faultline=/data/") == VOLUME


@pytest.mark.parametrize(
    "text",
    ["faultline", "faultline=data", "faultline=/", "Fault_line=/data", "faultline=/data/../etc"],
)
def test_another_form_of_a_volume_is_refused(text):
    with pytest.raises(InputError, match="CLAIM=PATH"):
        Volume.parse(text)


def test_a_secret_is_a_variable_and_a_key_of_a_kubernetes_secret():
    assert Secret.parse("PASSWORD=metadata:pass.word") == Secret(
        variable="PASSWORD", name="metadata", key="pass.word"
    )


@pytest.mark.parametrize("text", ["hunter2", "PASSWORD=hunter2", "1A=metadata:key", "A=B C:key"])
def test_another_form_of_a_secret_is_refused_and_not_repeated(text):
    # It may be the password itself.
    with pytest.raises(InputError, match="VARIABLE=NAME:KEY") as caught:
        Secret.parse(text)
    assert text not in str(caught.value)


def test_the_output_folder_is_in_a_volume():
    assert check_output("/data/output/", (VOLUME,)) == "/data/output"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("s3://bucket/output", "must be a folder in a volume"),
        ("gs://bucket/output", "must be a folder in a volume"),
        ("output", "absolute path"),
        ("/data/../output", r"without `\.\.`"),
        ("/database/output", "in no volume"),
    ],
)
def test_an_output_folder_that_not_every_task_sees_is_refused(output, message):
    with pytest.raises(InputError, match=message):
        check_output(output, (VOLUME,))


def test_the_image_has_the_configs_of_the_project(tmp_path):
    config = tmp_path / "configs" / "pumps.yaml"
    assert config_in_image(config, tmp_path) == "/app/configs/pumps.yaml"


def test_a_config_outside_the_project_needs_its_place_in_containers(tmp_path):
    with pytest.raises(InputError, match="--config-in-image"):
        config_in_image(tmp_path / "pumps.yaml", tmp_path / "project")
