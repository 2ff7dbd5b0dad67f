"""Digests of the content of files: data, schemas, lock files; those of unchanged files are kept."""

import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_CHUNK_BYTES = 1 << 20
_NUM_NAMES_KEPT = 100
# A file that was written this recently may be written again without a change of its times.
_MIN_AGE_S = 2


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

    def raw_properties(self, path: str) -> dict[str, str | int]:
        """Returns the same of raw files from which the data were made.

        Args:
            path: Their path, as it was given.
        """
        properties = self.properties()
        return {
            "raw_path": path,
            "raw_digest": properties["data_digest"],
            "num_raw_files": properties["num_files"],
            "raw_files": properties["source_files"],
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


def digest_local_files(files: Iterable[str], base: str, *, kept_digests: str = "") -> FilesDigest:
    """Returns the digest of the content of local files; reads only files that have changed.

    Args:
        files: Paths of files below `base`.
        base: The folder that their names are relative to.
        kept_digests: File in which the digests are kept between runs; empty for none.
    """
    if not kept_digests:
        return digest_files(files, base)
    kept = KeptDigests(Path(kept_digests))
    digest = digest_files(files, base, digest_file=kept.digest)
    kept.save()
    return digest


class KeptDigests:
    """Digests of local files, valid as long as a file's identity is the same.

    The identity is the path, size, modification and change time, and inode. The kernel sets the
    change time at every write; unlike the modification time, no program can set it back.

    Args:
        path: The JSON file that keeps them; a damaged one counts as empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = _load(path)
        self._new: dict[str, list[str]] = {}

    def digest(self, path: str) -> tuple[str, int]:
        """Returns the SHA-256 and the size of a file; reads the file only if it has changed."""
        path = str(Path(path).absolute())
        status = Path(path).stat()
        kept = self._entry(path, status)
        if kept:
            return kept[1], status.st_size
        is_settled = _is_settled(status)
        digest, size = local_digest(path)
        if is_settled:
            self._new[path] = [_identity(status), digest]
        return digest, size

    def md5(self, path: str) -> str:
        """Returns the MD5 of a file, by which DVC knows it; one pass over it gives both digests."""
        path = str(Path(path).absolute())
        status = Path(path).stat()
        kept = self._entry(path, status)
        if len(kept) > 2:
            return kept[2]
        is_settled = _is_settled(status)
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                sha256.update(chunk)
                md5.update(chunk)
        if is_settled:
            self._new[path] = [_identity(status), sha256.hexdigest(), md5.hexdigest()]
        return md5.hexdigest()

    def _entry(self, path: str, status: os.stat_result) -> list[str]:
        """Returns what is kept of a file: identity, SHA-256, perhaps MD5; empty if it changed."""
        kept = self._new.get(path) or self._kept.get(path) or [""]
        return kept if kept[0] == _identity(status) else []

    def save(self) -> None:
        """Writes the new digests beside those of the other files that still exist."""
        if not self._new:
            return
        kept = {path: entry for path, entry in _load(self._path).items() if Path(path).exists()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex}")
        draft.write_text(json.dumps(kept | self._new), encoding="utf-8")
        draft.replace(self._path)


def _identity(status: os.stat_result) -> str:
    parts = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return " ".join(map(str, parts))


def _is_settled(status: os.stat_result) -> bool:
    return time.time() - status.st_ctime > _MIN_AGE_S


def _load(path: Path) -> dict[str, list[str]]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries = kept.items() if isinstance(kept, dict) else ()
    return {
        path: entry for path, entry in entries if isinstance(entry, list) and len(entry) in {2, 3}
    }


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
