"""Saved models of a person's own that make the first layers of the network."""

from pathlib import Path

from common.digests import digest_local_files, file_digest
from common.errors import InputError
from models.features import Image, of_kind
from pipeline.config import Config


def backbone_digests(config: Config) -> dict[str, str]:
    """Returns the digest of the backbone of each picture that has one.

    Raises:
        InputError: There is no such file or folder; names the YAML key.
    """
    pictures = of_kind(config.model_spec.features, Image)
    return {
        name: _digest(f"features.{name}.backbone", Path(image.backbone))
        for name, image in pictures.items()
        if image.backbone is not None
    }


def _digest(key: str, path: Path) -> str:
    if path.is_file():
        return file_digest(path)
    files = sorted(str(file) for file in path.rglob("*") if file.is_file())
    if not files:
        raise InputError(
            f"{key}: there is no model at {path}. Give a `.keras` file or the folder of a "
            "SavedModel, relative to the YAML's folder."
        )
    return digest_local_files(files, str(path)).digest
