"""Outputs that DVC tracks: the content of `.dvc` and `dvc.lock` files.

References:
    https://dvc.org/doc/user-guide/project-structure (the fields of these files).
"""

import hashlib
import json
import logging
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

LOCK_FILE, PIPELINE_FILE, SUFFIX = "dvc.lock", "dvc.yaml", ".dvc"
FOLDER_SUFFIX = ".dir"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrackedOutput:
    """A file or folder that DVC tracks.

    Attributes:
        path: Its path in the repository.
        md5: The digest that DVC records; of a folder, with the suffix `.dir`. Empty if the file
            that records it is damaged.
        tracked_by: The file that records it, in the repository, such as `data/x.csv.dvc`.
        listing: MD5 by path below a folder, where the file itself lists them; else None.
        remote: Name of the remote of this output; empty for the default one.
        is_legacy: Whether the digest is that of DVC before 3.0, which reads CRLF of text as LF.
    """

    path: str
    md5: str
    tracked_by: str
    listing: Mapping[str, str] | None = None
    remote: str = ""
    is_legacy: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.md5.endswith(FOLDER_SUFFIX)


def is_tracking_file(name: str) -> bool:
    """Whether a file of this path may record outputs of DVC."""
    base = posixpath.basename(name)
    return base == LOCK_FILE or (base.endswith(SUFFIX) and base != SUFFIX)


def outputs_of(name: str, read: Callable[[str], bytes | None]) -> list[TrackedOutput]:
    """Returns the outputs that a tracking file records; a file that is damaged has none.

    Args:
        name: Path of the `.dvc` or `dvc.lock` file in the repository.
        read: Returns the content of a file of the repository, or None without one.
    """
    folder = posixpath.dirname(name)
    document = _load(name, read(name))
    if posixpath.basename(name) != LOCK_FILE:
        wdir = str(document.get("wdir", "."))
        return list(_outputs(document, posixpath.join(folder, wdir), name))
    stages = _mapping(document.get("stages") if "schema" in document else document)
    if not stages:
        return []
    pipeline = posixpath.join(folder, PIPELINE_FILE)
    declared = _mapping(_load(pipeline, read(pipeline)).get("stages"))
    outputs: list[TrackedOutput] = []
    for stage, locked in stages.items():
        wdir = _stage_folder(_mapping(declared.get(str(stage).partition("@")[0])))
        if "${" in wdir:
            _log.warning("%s: stage %s has a template in `wdir`; not read.", pipeline, stage)
            continue
        outputs += _outputs(_mapping(locked), posixpath.join(folder, wdir), name)
    return outputs


def unread_outputs(
    names: Iterable[str], read: Callable[[str], bytes | None]
) -> dict[str, TrackedOutput]:
    """Returns what is tracked by files that record no output, without an MD5.

    Such a file is damaged, as by a conflict of git, or incomplete. A `.dvc` file has the name of
    its output; beside a `dvc.lock`, `dvc.yaml` names the outputs of the stages.

    Args:
        names: Paths of tracking files in the repository.
        read: Returns the content of a file of the repository, or None without one.
    """
    return {
        path: TrackedOutput(path=path, md5="", tracked_by=name)
        for name in names
        if not outputs_of(name, read)
        for path in (
            [name.removesuffix(SUFFIX)] if name.endswith(SUFFIX) else _declared_paths(name, read)
        )
    }


def _declared_paths(lock: str, read: Callable[[str], bytes | None]) -> Iterator[str]:
    folder = posixpath.dirname(lock)
    pipeline = posixpath.join(folder, PIPELINE_FILE)
    for stage in _mapping(_load(pipeline, read(pipeline)).get("stages")).values():
        outs = _mapping(stage).get("outs")
        for out in outs if isinstance(outs, list) else []:
            # An output with options is a mapping from its path to these.
            for path in out if isinstance(out, Mapping) else [out]:
                place = posixpath.join(folder, _stage_folder(_mapping(stage)), str(path))
                yield posixpath.normpath(place)


def _stage_folder(stage: Mapping[str, Any]) -> str:
    """Returns the working folder of a stage, or of what a `foreach` stage repeats."""
    return str(stage.get("wdir") or _mapping(stage.get("do")).get("wdir") or ".")


def _load(name: str, content: bytes | None) -> Mapping[str, Any]:
    if content is None:
        return {}
    try:
        document = YAML(typ="safe").load(content.decode())
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        _log.warning("%s cannot be read, so its outputs count as untracked: %s", name, error)
        return {}
    return _mapping(document)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _outputs(document: Mapping[str, Any], folder: str, name: str) -> Iterator[TrackedOutput]:
    outs = document.get("outs")
    for out in outs if isinstance(outs, list) else []:
        fields = _mapping(out)
        path = str(fields.get("path") or "")
        place = posixpath.normpath(posixpath.join(folder, path))
        listing = _listing(fields.get("files"))
        # Of data in a versioned bucket, DVC lists the files in place of a digest of the folder.
        md5 = str(fields.get("md5") or (folder_md5(listing) if listing else ""))
        # Outputs outside the repository, and those with another kind of digest, cannot be compared.
        if not path or not md5 or "://" in path or place.startswith(("/", "..")):
            continue
        yield TrackedOutput(
            path=place,
            md5=md5,
            tracked_by=name,
            listing=listing,
            remote=str(fields.get("remote") or ""),
            is_legacy=fields.get("hash") is None and listing is None,
        )


def _listing(files: object) -> Mapping[str, str] | None:
    if not isinstance(files, list):
        return None
    entries = [_mapping(entry) for entry in files]
    return {str(entry.get("relpath", "")): str(entry.get("md5", "")) for entry in entries}


def folder_md5(listing: Mapping[str, str]) -> str:
    """Returns the digest that DVC gives to a folder.

    Args:
        listing: MD5 of each file, by its path below the folder.
    """
    content = listing_bytes(listing)
    return hashlib.md5(content, usedforsecurity=False).hexdigest() + FOLDER_SUFFIX


def listing_bytes(listing: Mapping[str, str]) -> bytes:
    """Returns a folder's listing as DVC stores it: a JSON list, sorted by path."""
    entries = [{"md5": listing[path], "relpath": path} for path in sorted(listing)]
    return json.dumps(entries).encode()


def parse_listing(content: bytes, md5: str) -> Mapping[str, str] | None:
    """Returns the listing of a folder, or None if it is not the one with that digest.

    Args:
        content: A file of DVC's cache.
        md5: The digest of the folder, with its suffix.
    """
    if hashlib.md5(content, usedforsecurity=False).hexdigest() + FOLDER_SUFFIX != md5:
        return None
    try:
        return _listing(json.loads(content))
    except ValueError:
        return None
