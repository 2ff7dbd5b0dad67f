"""Digests of the content of files: data, schemas, lock files."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_CHUNK_BYTES = 1 << 20
_NUM_NAMES_KEPT = 100


@dataclass(frozen=True, kw_only=True)
class FilesDigest:
    """The content of a set of files, whatever their times and the folder that holds them.

    Attributes:
        digest: SHA-256 over each file's name and content, in the order of the names.
        names: The files, relative to the folder, in that order.
        num_bytes: Their sizes together.
    """

    digest: str
    names: tuple[str, ...]
    num_bytes: int

    def properties(self) -> dict[str, str | int]:
        """Returns what to note on an `Examples` artifact, for lineage to tell.

        At most 100 names: a property is no place for a year of hourly files.
        """
        return {
            "data_digest": self.digest,
            "num_files": len(self.names),
            "num_bytes": self.num_bytes,
            "source_files": json.dumps(self.names[:_NUM_NAMES_KEPT]),
        }


def local_digest(path: str) -> tuple[str, int]:
    """Returns the SHA-256 and the size in bytes of a local file."""
    return content_digest(Path(path).open("rb"))


def digest_files(
    files: Iterable[str], base: str, *, digest_file: Callable[[str], tuple[str, int]] = local_digest
) -> FilesDigest:
    """Returns the digest of the content of `files`, read in pieces.

    Args:
        files: Paths of files below `base`.
        base: The folder that their names are relative to.
        digest_file: Returns the SHA-256 and the size of a file.
    """
    named = sorted((os.path.relpath(file, base), file) for file in files)
    whole, num_bytes = hashlib.sha256(), 0
    for name, file in named:
        digest, size = digest_file(file)
        whole.update(f"{name}\0{digest}\n".encode())
        num_bytes += size
    return FilesDigest(
        digest=whole.hexdigest(), names=tuple(name for name, _ in named), num_bytes=num_bytes
    )


def content_digest(file: IO[bytes]) -> tuple[str, int]:
    """Returns the SHA-256 and the size in bytes of an open file, and closes it."""
    digest, size = hashlib.sha256(), 0
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def file_digest(path: Path) -> str:
    """Returns the SHA-256 of a file of this machine."""
    return content_digest(path.open("rb"))[0]


def code_digest(paths: Iterable[Path]) -> str:
    """Returns the SHA-256 over sources, the same on every machine and in every folder.

    Args:
        paths: Files, and folders whose Python files and templates of pages (`.j2`) count,
            subfolders included.

    Raises:
        FileNotFoundError: One of `paths` is neither a file nor a folder.
    """
    sources = sorted(source for path in paths for source in _sources(path))
    digest = hashlib.sha256()
    for name, content in sources:
        # Each part with its length, so that no text can pass from one file to the next unseen.
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _sources(path: Path) -> list[tuple[str, bytes]]:
    if path.is_file():
        return [(path.name, path.read_bytes())]
    if not path.is_dir():
        raise FileNotFoundError(f"No source file or folder {path}")
    return [
        (f"{path.name}/{source.relative_to(path).as_posix()}", source.read_bytes())
        for source in path.rglob("*")
        if source.suffix in {".py", ".j2"}
    ]
