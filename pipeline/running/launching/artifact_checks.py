"""Digests of artifacts: recorded when a step publishes, checked by everyone who reads.

Of artifacts in a bucket only names and sizes are recorded: reading the files back would cost as
much as the step. The bucket's own checksums guard their content.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from common.digests import KeptDigests, local_digest
from common.errors import StepFailedError
from common.guards.manifests import (
    MANIFEST_KEY,
    Manifest,
    find_change,
    find_size_change,
    make_manifest,
    read_manifest,
)
from pipeline.components.names import DAMAGE

_Artifact: TypeAlias = metadata_store_pb2.Artifact

# What decides over a push: small, and read as a whole each time.
_ALWAYS_READ = {"Model", "ModelBlessing", "InfraBlessing", "ModelEvaluation"}
_NO_DIGEST = "it was written without a digest, by an earlier version of Faultline"


class DamagedArtifactError(StepFailedError):
    """An artifact that a step reads differs from the one that was published."""


class ArtifactChecks:
    """Records and checks the digests of artifacts.

    A file is read again only if its size, times or inode differ from those at the last check.

    Args:
        kept_digests: File in which digests of unchanged files are kept between runs; None to read
            every file.
    """

    def __init__(self, kept_digests: Path | None) -> None:
        self._kept = KeptDigests(kept_digests) if kept_digests else None

    def record(self, artifact: _Artifact) -> None:
        """Notes the manifest of an artifact's files among its custom properties."""
        manifest = (
            make_manifest(Path(artifact.uri))
            if is_local(artifact.uri)
            else Manifest(
                {name: (size, "") for name, size in _sizes_in_bucket(artifact.uri).items()}
            )
        )
        artifact.custom_properties[MANIFEST_KEY].string_value = manifest.to_json()

    def find_damage(self, artifact: _Artifact, *, needs_digest: bool = False) -> str:
        """Describes how an artifact differs from the published one; empty if it does not.

        Args:
            artifact: An artifact in ML Metadata's own form, with its type's name.
            needs_digest: Whether an artifact without a digest counts as damaged.
        """
        manifest = read_manifest(artifact.custom_properties)
        if manifest is None:
            return _NO_DIGEST if needs_digest else ""
        if not is_local(artifact.uri):
            return find_size_change(_sizes_in_bucket(artifact.uri), manifest)
        path = Path(artifact.uri)
        if not path.exists():
            return "its files are missing"
        kept = None if artifact.type in _ALWAYS_READ else self._kept
        digest_file = local_digest if kept is None else kept.digest
        return find_change(path, manifest, digest_file=digest_file)

    def find_damaged(
        self, artifacts: Iterable[_Artifact], *, needs_digest: bool = False
    ) -> dict[int, str]:
        """Returns the damage of each damaged artifact by its id; arguments as of `find_damage`."""
        damage = {
            int(one.id): self.find_damage(one, needs_digest=needs_digest) for one in artifacts
        }
        return {artifact_id: text for artifact_id, text in damage.items() if text}

    def save(self) -> None:
        """Keeps the digests of unchanged files for the next run."""
        if self._kept is not None:
            self._kept.save()


def is_local(uri: str) -> bool:
    """Whether an artifact is on a file system of this machine."""
    return "://" not in uri


def _sizes_in_bucket(uri: str) -> dict[str, int]:
    """Returns the size in bytes of each file of an artifact, named as in a manifest."""
    from tfx.dsl.io import fileio  # an unchanged run does without it

    if not fileio.exists(uri):
        return {}
    if not fileio.isdir(uri):
        return {".": int(fileio.stat(uri).length)}
    files = [f"{folder}/{name}" for folder, _, names in fileio.walk(uri) for name in names]
    return {file.removeprefix(f"{uri}/"): int(fileio.stat(file).length) for file in files}


def give_up(store: MetadataStore, damage: dict[int, str]) -> None:
    """Takes damaged artifacts out of what steps may find, and notes the damage on them.

    Args:
        store: The metadata store.
        damage: What `ArtifactChecks.find_damaged` returned.
    """
    artifacts = store.get_artifacts_by_id(sorted(damage))
    for artifact in artifacts:
        artifact.state = _Artifact.ABANDONED
        artifact.custom_properties[DAMAGE].string_value = damage[int(artifact.id)]
    store.put_artifacts(artifacts)


def protos_of(artifacts: Iterable[Any]) -> list[_Artifact]:
    """Returns TFX's artifacts in ML Metadata's own form, with the name of their type."""
    protos = []
    for artifact in artifacts:
        proto = _Artifact()
        proto.CopyFrom(artifact.mlmd_artifact)
        proto.type = artifact.type_name
        protos.append(proto)
    return protos
