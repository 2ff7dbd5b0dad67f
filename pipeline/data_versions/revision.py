"""Data of an earlier revision, fetched into the output folder."""

import os
import re
import shutil
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from common.digests import KeptDigests
from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.data_versions.fetching import fetch_outputs
from pipeline.data_versions.inputs import digests_file, input_files, named_paths
from pipeline.data_versions.outputs import TrackedOutput, is_tracking_file
from pipeline.data_versions.recording import Checkout, place_of, record_files
from pipeline.data_versions.repository import (
    Repository,
    find_dvc_root,
    open_repository,
    outputs_in,
    with_pipelines,
)
from pipeline.lineage.restoring.data_versions import DataState, VersionedData

_PLACEHOLDER = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, kw_only=True)
class FetchedData:
    """Data of an earlier revision.

    Attributes:
        config: The config with the paths of the fetched data; for reading them only.
        checkout: The files of the revision.
        original: The config as it was.
    """

    config: Config
    checkout: Checkout
    original: Config

    def versions(self, folder: OutputFolder) -> list[VersionedData]:
        """Returns the fetched data that a run reads.

        Args:
            folder: The output folder, which keeps digests of unchanged files.

        Raises:
            InputError: No data found, or a file that git has itself was changed.
        """
        files = [
            file for file in input_files(self.config) if file.is_relative_to(self.checkout.folder)
        ]
        kept = KeptDigests(digests_file(self.original, folder))
        place = self.original.folder
        versions = record_files(self.checkout, files, config_folder=place, kept=kept)
        kept.save()
        return versions + _versions_in_git(self.checkout, files, self.original)


def fetch_revision(config: Config, revision: str, folder: OutputFolder) -> FetchedData:
    """Returns the data of a use case as they were at a revision; the working copy is untouched.

    The files that git has at the revision, and the data that DVC records for it, go to a folder
    named after the commit. Data that are there already are not fetched again.

    Args:
        config: The use case.
        revision: A commit, a tag or a branch of the repository with the data.
        folder: The output folder.

    Raises:
        InputError: The data are in no repository with DVC, the revision is unknown or does not
            track them, `dvc` is missing, or the remote lacks them.
    """
    repository = _repository_of(config)
    commit = repository.commit_of(revision)
    checkout = _export(repository, commit, folder)
    paths = [path for path in named_paths(config) if path.is_relative_to(repository.root)]
    wanted = _wanted(checkout, map(repository.name_of, paths))
    if not wanted:
        raise InputError(_untracked(checkout, config, revision))
    fetch_outputs(checkout, wanted, revision, KeptDigests(folder.kept_digests))
    return FetchedData(config=_moved(config, checkout), checkout=checkout, original=config)


def _repository_of(config: Config) -> Repository:
    path = config.data.path
    if path is None or "://" in path:
        raise InputError(
            "--data-rev takes data under DVC, which data.path names by a path of this machine; "
            f"data.path is {path or 'not set'}. Leave out --data-rev."
        )
    whole = Path(os.path.normpath(config.folder.absolute() / path))
    root = find_dvc_root(whole)
    repository = open_repository(root) if root else None
    if repository is None or not repository.head:
        missing = "commit" if repository else "folder `.dvc` at or above it"
        raise InputError(
            f"--data-rev takes data in a git repository with DVC, and there is no {missing} for "
            f"data.path, {whole}. Put the data under DVC (`dvc init`, `dvc add`, `git commit`), or "
            "leave out --data-rev."
        )
    return repository


def _export(repository: Repository, commit: str, folder: OutputFolder) -> Checkout:
    """Returns a folder with the files that git has at a commit; it is written once."""
    target = folder.data_versions / commit
    if not target.is_dir():
        folder.data_versions.mkdir(parents=True, exist_ok=True)
        draft = folder.data_versions / f".incoming-{uuid.uuid4().hex}"
        try:
            draft.mkdir()
            repository.export(commit, draft)
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    names = [name for name in repository.names_at(commit) if is_tracking_file(name)]
    contents = repository.contents_at(commit, with_pipelines(names))
    outputs = outputs_in(names, contents.get)
    return Checkout(repository=repository, folder=target, outputs=outputs, commit=commit)


def _wanted(checkout: Checkout, names: Iterable[str]) -> list[TrackedOutput]:
    """Returns the outputs that the config's paths are, are part of, or may match."""
    chosen: dict[str, TrackedOutput] = {}
    for name in names:
        whole = checkout.output_of(name)
        chosen |= {whole.path: whole} if whole else {}
        chosen |= {
            path: output
            for path, output in checkout.outputs.items()
            if may_match(path, name, is_folder=output.is_folder)
        }
    return [chosen[path] for path in sorted(chosen)]


def may_match(path: str, pattern: str, *, is_folder: bool) -> bool:
    """Whether a path of the config may mean an output, or files of it.

    Args:
        path: Path of the output in the repository.
        pattern: A file, a folder, a glob, or a path with spans, in the repository.
        is_folder: Whether the output is a folder.

    >>> may_match("data/2.csv", "data/{SPAN}.csv", is_folder=False)
    True
    >>> may_match("data/pictures", "data/*.csv", is_folder=True)
    False
    """
    if f"{path}/".startswith(f"{pattern}/") or pattern == ".":
        return True
    parts, globs = path.split("/"), _PLACEHOLDER.sub("*", pattern).split("/")
    for part, one in zip(parts, globs, strict=False):
        if one == "**":
            return True
        if part != one and not fnmatchcase(part.lower(), one.lower()):
            return False
    return len(parts) == len(globs) or (is_folder and len(parts) < len(globs))


def _untracked(checkout: Checkout, config: Config, revision: str) -> str:
    path = str(config.data.path)
    names = [checkout.repository.name_of(p) for p in named_paths(config)[:1]]
    in_git = any(
        may_match(name, pattern, is_folder=False)
        for pattern in names
        for name in checkout.repository.names_at(checkout.commit)
    )
    what = "git itself has its files" if in_git else "nothing is recorded there"
    return (
        f"--data-rev {revision}: DVC did not track data.path, {path}, at commit "
        f"{checkout.commit[:12]}; {what}. Give a revision at which a .dvc file or dvc.lock records "
        "it; `git log -- '*.dvc' '*dvc.lock'` lists them."
    )


def _moved(config: Config, checkout: Checkout) -> Config:
    """Returns a config whose paths of data, labels and events are those of the fetched files."""

    def moved(name: str | None) -> str | None:
        if name is None or "://" in name:
            return name
        path = Path(os.path.normpath(Path(config.folder, name).absolute()))
        if not path.is_relative_to(checkout.repository.root):
            return str(path)
        return str(checkout.folder / checkout.repository.name_of(path))

    recordings = config.data.recordings
    if recordings is not None:
        recordings = replace(
            recordings, labels=moved(recordings.labels), events=moved(recordings.events)
        )
    data = replace(config.data, path=moved(config.data.path), recordings=recordings)
    return replace(config, data=data)


def _versions_in_git(
    checkout: Checkout, files: Iterable[Path], config: Config
) -> list[VersionedData]:
    """Returns the files that git has itself, such as a table of labels beside recordings."""
    names = [file.relative_to(checkout.folder).as_posix() for file in files]
    own = [name for name in names if checkout.output_of(name) is None]
    repository = checkout.repository
    # Of a link, git compares where it points to and not what is there.
    read = {part for name in own for part in (name, _followed(checkout.folder, name))}
    if changed := repository.changed_in(checkout.folder, checkout.commit, read):
        raise InputError(
            f"--data-rev: {checkout.folder / changed[0]} was changed after it was fetched. Remove "
            f"the folder {checkout.folder} and repeat the command, which fetches it again."
        )
    origin = repository.origin()
    return [
        VersionedData(
            path=name,
            state=DataState.RECORDED,
            md5="",
            revision=checkout.commit,
            tracked_by="git",
            remote="",
            url="",
            repository=str(repository.root),
            origin=origin,
            place=place_of(checkout, name, config.folder),
        )
        for name in own
    ]


def _followed(folder: Path, name: str) -> str:
    """Returns the path of what a file of a fetched revision is a link to, or its own.

    Raises:
        InputError: It is a link to a file elsewhere, which is of no revision.
    """
    place, root = Path(os.path.realpath(folder / name)), Path(os.path.realpath(folder))
    if not place.is_relative_to(root):
        raise InputError(
            f"--data-rev: git has {name} as a link to {place}, outside the revision, so that its "
            "content is of no revision. Put the file itself into git or DVC."
        )
    return place.relative_to(root).as_posix()
