"""Manifests: size and digest of each file of an artifact, so that a reader sees every change."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from common.digests import local_digest

# Custom property of an artifact in ML Metadata. Lineage does not show names with this prefix.
MANIFEST_KEY = "__manifest"

DigestFile = Callable[[str], tuple[str, int]]


@dataclass(frozen=True)
class Manifest:
    """The files of an artifact when it was published.

    Attributes:
        files: Size in bytes and SHA-256 by file name, relative to the artifact's folder; an
            artifact that is one file has the name `.`. An empty digest leaves the content open.
    """

    files: Mapping[str, tuple[int, str]]

    def to_json(self) -> str:
        """Returns this manifest as one line of JSON, equal for equal manifests."""
        return json.dumps(self.files, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Returns the manifest that `to_json` wrote."""
        return cls({name: (size, digest) for name, (size, digest) in json.loads(text).items()})

    def below(self, folder: str) -> "Manifest":
        """Returns the part of a subfolder, with names relative to it."""
        prefix = f"{folder}/"
        return Manifest(
            {
                name.removeprefix(prefix): entry
                for name, entry in self.files.items()
                if name.startswith(prefix)
            }
        )


def make_manifest(path: Path, *, digest_file: DigestFile = local_digest) -> Manifest:
    """Returns the manifest of a folder or a file.

    Args:
        path: The artifact.
        digest_file: Returns the SHA-256 and the size of a file.
    """
    entries = {name: digest_file(str(file)) for name, file in _files(path).items()}
    return Manifest({name: (size, digest) for name, (digest, size) in entries.items()})


def find_change(path: Path, manifest: Manifest, *, digest_file: DigestFile = local_digest) -> str:
    """Describes the first difference between an artifact and its manifest; empty if there is none.

    Names and sizes are compared first. Content is read only where these agree.

    Args:
        path: The artifact.
        manifest: Its manifest.
        digest_file: Returns the SHA-256 and the size of a file.
    """
    try:
        return _compare(_files(path), manifest, digest_file)
    except OSError as error:
        return f"{error.filename or path} cannot be read ({error.strerror or error})"


def find_size_change(sizes: Mapping[str, int], manifest: Manifest) -> str:
    """Describes the first difference in names and sizes; empty if there is none.

    Args:
        sizes: The size in bytes of each file of the artifact, named as in a manifest.
        manifest: Its manifest.
    """
    for name in sorted(manifest.files.keys() - sizes.keys()):
        return f"{name} is missing"
    for name in sorted(sizes.keys() - manifest.files.keys()):
        return f"{name} was added"
    for name, (size, _) in sorted(manifest.files.items()):
        if sizes[name] != size:
            return f"{name} has {sizes[name]:,} bytes instead of {size:,}"
    return ""


def _compare(files: Mapping[str, Path], manifest: Manifest, digest_file: DigestFile) -> str:
    sizes = {name: file.stat().st_size for name, file in files.items()}
    if change := find_size_change(sizes, manifest):
        return change
    for name, (_, digest) in sorted(manifest.files.items()):
        if digest and digest_file(str(files[name]))[0] != digest:
            return f"the content of {name} changed"
    return ""


def _files(path: Path) -> dict[str, Path]:
    if path.is_file():
        return {".": path}
    return {
        file.relative_to(path).as_posix(): file for file in path.rglob("*") if not file.is_dir()
    }


def read_manifest(properties: Mapping[str, Any]) -> Manifest | None:
    """Returns the manifest among an artifact's custom properties, or None without one.

    Args:
        properties: `custom_properties` of an artifact in ML Metadata's own form.
    """
    if MANIFEST_KEY not in properties:  # reading a key of a protobuf map would make it
        return None
    return Manifest.from_json(properties[MANIFEST_KEY].string_value)
