"""Atomic writes of a model into the next version folder of a served model."""

import filecmp
import shutil
import tempfile
import uuid
from pathlib import Path

from common.digests import KeptDigests, digest_files, local_digest
from common.errors import StepFailedError
from common.guards.durable_files import sync
from common.guards.manifests import DigestFile, Manifest, find_change, make_manifest
from common.guards.stopping import check_not_stopped
from common.signing.keys import PrivateKey
from common.signing.signatures import SIGNATURE_FILE, sign_folder, subject_of
from common.signing.verification import SignatureError, Verifier

# TensorFlow Serving looks at folders whose names are numbers; this one it never sees.
_INCOMING = ".incoming-"
# Nor this one, which keeps the versions that were taken out of service.
_WITHDRAWN = ".withdrawn"
# Beside the base paths: `NAME/VERSION.json` is the manifest of a version's files.
_MANIFESTS = ".manifests"


def push_version(
    model: Path,
    base: Path,
    *,
    now_s: int,
    published: Manifest | None = None,
    key: PrivateKey | None = None,
) -> Path:
    """Copies a model into a new version folder, which appears with all its files at once.

    What a killed push left behind is removed. Where the newest version already holds the same
    files, byte for byte, that version is the answer: a push that was killed after the model was in
    place, but before it was recorded, does not serve the model twice. With a key, the newest
    version must have its signature too; else the model is pushed again, signed.

    Args:
        model: Folder of a SavedModel.
        base: Base path of the served model; its versions are the folders below.
        now_s: Seconds since the Unix epoch: the new version, unless one is as high already.
        published: The model's files as the Trainer published them and the gate judged them; None
            to take them as they are.
        key: Signs the version; None to push without a signature.

    Returns:
        The version's folder.

    Raises:
        FileNotFoundError: `model` holds no `saved_model.pb`.
        StepFailedError: What would be pushed is not what was published.
        Stopped: Somebody asked this process to stop.
    """
    if not (model / "saved_model.pb").is_file():
        raise FileNotFoundError(f"No saved_model.pb in {model}: nothing that could be served")
    base.mkdir(parents=True, exist_ok=True)
    for leftover in base.glob(f"{_INCOMING}*"):
        shutil.rmtree(leftover)
    newest = newest_if_same(model, base)
    if newest is not None and (key is None or _is_signed_by(newest, key)):
        _check_published(newest, published)
        _write_manifest(base, int(newest.name), make_manifest(newest))
        return newest
    # The number of a withdrawn version is not given again: it names one model for ever.
    last = max(served_versions(base) + withdrawn_versions(base), default=-1)
    version = base / str(max(now_s, last + 1))
    holder = base / f"{_INCOMING}{uuid.uuid4().hex}"
    holder.mkdir()
    try:
        # A signature names the folder that it signs.
        incoming = holder / subject_of(base.name, int(version.name))
        _fill(incoming, model, published, key)
        _write_manifest(base, int(version.name), make_manifest(incoming))
        check_not_stopped()
        incoming.rename(version)
    finally:
        # A signed copy that is not pushed could be put into service by anybody who may rename it.
        shutil.rmtree(holder)
    sync(base)
    return version


def _fill(folder: Path, model: Path, published: Manifest | None, key: PrivateKey | None) -> None:
    """Copies a model, and signs the copy if there is a key.

    The copy is checked, as the model may have changed while it was copied: before it is signed,
    since a signature would vouch for what was not judged, and after.
    """
    shutil.copytree(model, folder)
    if key is not None:
        _check_published(folder, published)
        sign_folder(folder, key)
    _sync_tree(folder)
    _check_published(folder, published)


def _is_signed_by(version: Path, key: PrivateKey) -> bool:
    with tempfile.TemporaryDirectory(prefix="faultline-key-") as scratch:
        public = Path(scratch) / "key.pub"
        public.write_bytes(key.public_pem)
        try:
            Verifier([public]).verify(version)
        except SignatureError:
            return False
    return True


def find_damaged_versions(base: Path, *, kept_digests: Path | None = None) -> dict[int, str]:
    """Returns the versions in service whose files changed since the push, each with the change.

    Args:
        base: Base path of the served model.
        kept_digests: File in which digests of unchanged files are kept; None to read every file.
    """
    kept = KeptDigests(kept_digests) if kept_digests else None
    digest_file = kept.digest if kept else local_digest
    changes = {
        version: find_version_damage(base, version, digest_file=digest_file)
        for version in served_versions(base)
    }
    if kept:
        kept.save()
    return {version: change for version, change in changes.items() if change}


def find_version_damage(base: Path, version: int, *, digest_file: DigestFile = local_digest) -> str:
    """Describes how a version differs from what was pushed; empty if it does not.

    Args:
        base: Base path of the served model.
        version: A version in service or withdrawn. One without a manifest, which an earlier version
            of Faultline pushed, is not checked.
        digest_file: Returns the SHA-256 and the size of a file.
    """
    path = _manifest_path(base, version)
    if not path.is_file():
        return ""
    try:
        manifest = Manifest.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, TypeError, AttributeError):
        return f"its manifest {path} cannot be read"
    withdrawn = withdrawn_folder(base, version)
    folder = withdrawn if withdrawn.is_dir() else base / str(version)
    return find_change(folder, manifest, digest_file=digest_file)


def _check_published(folder: Path, published: Manifest | None) -> None:
    signature = folder / SIGNATURE_FILE
    if published is not None and signature.is_file():
        # The signature is of the push alone; whether it fits shows where it is verified.
        entry = (signature.stat().st_size, "")
        published = Manifest({**published.files, SIGNATURE_FILE: entry})
    change = "" if published is None else find_change(folder, published)
    if change:
        raise StepFailedError(
            f"The model is not the one that was judged: {change}. Nothing was pushed. Run again: "
            "the Trainer will be repeated."
        )


def _write_manifest(base: Path, version: int, manifest: Manifest) -> None:
    """Writes the manifest of a version before the version appears."""
    path = _manifest_path(base, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".incoming")
    draft.write_text(manifest.to_json() + "\n", encoding="utf-8")
    sync(draft)
    draft.replace(path)
    sync(path.parent)


def _manifest_path(base: Path, version: int) -> Path:
    return base.parent / _MANIFESTS / base.name / f"{version}.json"


def served_versions(base: Path) -> list[int]:
    """Returns the versions below a base path, in rising order."""
    if not base.is_dir():
        return []
    return sorted(int(path.name) for path in base.iterdir() if path.name.isdecimal())


def newest_if_same(model: Path, base: Path) -> Path | None:
    """Returns the newest version below a base path if it holds the same files, else None.

    A signature does not count: that of each version is its own.
    """
    served = served_versions(base)
    if served and _same_files(model, base / str(served[-1])):
        return base / str(served[-1])
    return None


def model_digest(folder: Path) -> str:
    """Returns the SHA-256 of the names and content of a model's files, without a signature."""
    return digest_files(map(str, (folder / name for name in _files(folder))), str(folder)).digest


def withdrawn_versions(base: Path) -> list[int]:
    """Returns the versions that were taken out of service, in rising order."""
    return served_versions(base / _WITHDRAWN)


def withdrawn_folder(base: Path, version: int) -> Path:
    """Returns where a version is kept that was taken out of service."""
    return base / _WITHDRAWN / str(version)


def withdraw_version(base: Path, version: int) -> None:
    """Moves a version out of what a server watches: one rename, so it is whole in one place."""
    kept = withdrawn_folder(base, version)
    kept.parent.mkdir(exist_ok=True)
    _move(base / str(version), kept)


def restore_version(base: Path, version: int) -> None:
    """Moves a withdrawn version back to where a server finds it."""
    _move(withdrawn_folder(base, version), base / str(version))


def _move(source: Path, target: Path) -> None:
    source.rename(target)
    sync(target.parent)
    sync(source.parent)


def _same_files(one: Path, other: Path) -> bool:
    names = _files(one)
    return names == _files(other) and all(
        filecmp.cmp(one / name, other / name, shallow=False) for name in names
    )


def _files(folder: Path) -> list[Path]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(file for file in files if file != Path(SIGNATURE_FILE))


def _sync_tree(folder: Path) -> None:
    """Puts files and folders on the disk: a rename must not outlive its content."""
    for path in [folder, *folder.rglob("*")]:
        sync(path)
