"""Content digest of the data files; the digests of unchanged files are kept between runs."""

import json
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from common.digests import FilesDigest, content_digest, digest_files, local_digest

# A file that was written this recently may be written again without a change of its times.
_MIN_AGE_S = 2


def digest_data(files: Sequence[str], base: str, *, kept_digests: str = "") -> FilesDigest:
    """Returns the digest of the content of data files, local or remote.

    Args:
        files: The files.
        base: The folder that their names are relative to.
        kept_digests: File in which the digests of local files are kept; empty for none.
    """
    if "://" in base:
        return digest_files(files, base, digest_file=_remote_digest)
    if not kept_digests:
        return digest_files(files, base)
    kept = KeptDigests(Path(kept_digests))
    digest = digest_files(files, base, digest_file=kept.digest)
    kept.save()
    return digest


def _remote_digest(path: str) -> tuple[str, int]:
    from tfx.dsl.io import fileio

    return content_digest(fileio.open(path, "rb"))


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
        identity = " ".join(
            str(part)
            for part in (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        )
        kept_identity, digest = self._kept.get(path, ("", ""))
        if kept_identity == identity:
            return digest, status.st_size
        is_settled = time.time() - status.st_ctime > _MIN_AGE_S
        digest, size = local_digest(path)
        if is_settled:
            self._new[path] = [identity, digest]
        return digest, size

    def save(self) -> None:
        """Writes the new digests beside those of the other files that still exist."""
        if not self._new:
            return
        kept = {path: entry for path, entry in _load(self._path).items() if Path(path).exists()}
        draft = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex}")
        draft.write_text(json.dumps(kept | self._new), encoding="utf-8")
        draft.replace(self._path)


def _load(path: Path) -> dict[str, list[str]]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries = kept.items() if isinstance(kept, dict) else ()
    return {path: entry for path, entry in entries if isinstance(entry, list) and len(entry) == 2}
