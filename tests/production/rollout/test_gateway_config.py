"""The config of a gateway, kept for commands that are given none."""

import os

import pytest

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.config_loading import load_config
from production.rollout.gateway_config import gateway_config, keep_gateway_config

CONFIG = """
name: wells
label: {column: failed}
data: {path: data.csv}
features: {pressure: {kind: numeric}}
automation: {level: 2}
"""


@pytest.fixture
def folder(tmp_path):
    folder = OutputFolder(tmp_path)
    folder.rollouts("wells").mkdir(parents=True)
    return folder


def test_a_config_is_kept_for_its_owner_only(folder, tmp_path):
    assert gateway_config(folder, "wells") is None
    (tmp_path / "wells.yaml").write_text(CONFIG)
    config = load_config(tmp_path / "wells.yaml")
    umask = os.umask(0)
    try:
        keep_gateway_config(folder, "wells", config)
    finally:
        os.umask(umask)
    assert gateway_config(folder, "wells").automation == config.automation
    [path] = folder.rollouts("wells").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    keep_gateway_config(folder, "wells", None)
    assert gateway_config(folder, "wells") is None


def test_the_keys_of_a_kept_config_are_found_from_any_folder(folder, tmp_path):
    (tmp_path / "wells.yaml").write_text(CONFIG + "signing: {public_keys: [keys/model-key.pub]}")
    keep_gateway_config(folder, "wells", load_config(tmp_path / "wells.yaml"))
    kept = gateway_config(folder, "wells")
    assert kept.signing.public_keys == (str(tmp_path / "keys" / "model-key.pub"),)


@pytest.mark.parametrize("content", [b"", b"\xff", b"{}", b'{"later": 1}'])
def test_a_config_that_cannot_be_read_is_named(folder, content):
    path = folder.rollouts("wells") / "config.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"config\.json cannot be read.*faultline serve --gateway"):
        gateway_config(folder, "wells")
