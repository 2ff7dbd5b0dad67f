"""Writes a model into the next version folder of a served model, whole or not at all."""

import filecmp
import os
import shutil
import uuid
from pathlib import Path

# TensorFlow Serving looks at folders whose names are numbers; this one it never sees.
_INCOMING = ".incoming-"


def push_version(model: Path, base: Path, *, now_s: int) -> Path:
    """Copies a model into a new version folder, which appears with all its files at once.

    What a killed push left behind is removed. Where the newest version already holds the same
    files, byte for byte, that version is the answer: a push that was killed after the model was in
    place, but before it was recorded, does not serve the model twice.

    Args:
        model: Folder of a SavedModel.
        base: Base path of the served model; its versions are the folders below.
        now_s: Seconds since the Unix epoch: the new version, unless one is as high already.

    Returns:
        The version's folder.

    Raises:
        FileNotFoundError: `model` holds no `saved_model.pb`.
    """
    if not (model / "saved_model.pb").is_file():
        raise FileNotFoundError(f"No saved_model.pb in {model}: nothing that could be served")
    base.mkdir(parents=True, exist_ok=True)
    for leftover in base.glob(f"{_INCOMING}*"):
        shutil.rmtree(leftover)
    served = served_versions(base)
    if served and _same_files(model, base / str(served[-1])):
        return base / str(served[-1])
    incoming = base / f"{_INCOMING}{uuid.uuid4().hex}"
    shutil.copytree(model, incoming)
    _sync_tree(incoming)
    version = base / str(max(now_s, served[-1] + 1 if served else 0))
    incoming.rename(version)
    _sync(base)
    return version


def served_versions(base: Path) -> list[int]:
    """Returns the versions below a base path, in rising order."""
    if not base.is_dir():
        return []
    return sorted(int(path.name) for path in base.iterdir() if path.name.isdecimal())


def _same_files(one: Path, other: Path) -> bool:
    names = _files(one)
    return names == _files(other) and all(
        filecmp.cmp(one / name, other / name, shallow=False) for name in names
    )


def _files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def _sync_tree(folder: Path) -> None:
    """Puts files and folders on the disk: a rename must not outlive its content."""
    for path in [folder, *folder.rglob("*")]:
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
