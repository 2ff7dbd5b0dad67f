"""A saved model of a person's own is found beside the YAML, and its content decides the cache."""

from pathlib import Path

import pytest

from common.errors import InputError
from models.features import Image
from pipeline.config import Config, Data, Label
from pipeline.wiring.backbones import backbone_digests


def config_with(folder: Path, backbone: str | None) -> Config:
    return Config(
        name="parts",
        label=Label(column="faulty"),
        data=Data(path="parts.parquet"),
        features={"photo": Image(height=8, width=8, backbone=backbone)},
        folder=folder,
    )


def test_the_path_is_relative_to_the_yaml_and_only_the_content_counts(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "saved" / "variables").mkdir(parents=True)
        (tmp_path / name / "saved" / "saved_model.pb").write_bytes(b"graph")
        (tmp_path / name / "saved" / "variables" / "data").write_bytes(b"1")
    one, other = (config_with(tmp_path / name, "saved") for name in ("a", "b"))
    assert one.model_spec.features["photo"].backbone == str(tmp_path / "a" / "saved")
    assert one.features["photo"].backbone == "saved"
    assert backbone_digests(one) == backbone_digests(other)
    (tmp_path / "b" / "saved" / "variables" / "data").write_bytes(b"2")
    assert backbone_digests(one) != backbone_digests(other)


def test_a_file_is_a_backbone_too_and_no_backbone_has_no_digest(tmp_path):
    (tmp_path / "own.keras").write_bytes(b"layers")
    assert set(backbone_digests(config_with(tmp_path, "own.keras"))) == {"photo"}
    assert backbone_digests(config_with(tmp_path, None)) == {}


def test_a_backbone_that_is_not_there_is_named_with_its_key(tmp_path):
    with pytest.raises(InputError, match=r"features.photo.backbone: there is no model at .*gone"):
        backbone_digests(config_with(tmp_path, "gone"))
