"""The data under DVC that a run reads, compared with what DVC and git record of them."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from common.digests import KeptDigests
from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.data_versions.content import find_difference
from pipeline.data_versions.inputs import digests_file, input_files, named_paths
from pipeline.data_versions.outputs import TrackedOutput, unread_outputs
from pipeline.data_versions.repository import (
    Repository,
    find_dvc_root,
    open_repository,
    outputs_in,
    with_pipelines,
)
from pipeline.data_versions.settings import read_settings
from pipeline.lineage.restoring.data_versions import DataState, VersionedData
from pipeline.reading.files.listing import NoDataError


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """Files of a repository on this machine, with the outputs that they should be.

    Attributes:
        repository: The repository.
        folder: The folder of the files: the working copy, or the copy of an earlier revision.
        outputs: The outputs, by path in the repository.
        commit: The commit of the files, or empty for the working copy.
    """

    repository: Repository
    folder: Path
    outputs: Mapping[str, TrackedOutput]
    commit: str = ""

    def output_of(self, name: str) -> TrackedOutput | None:
        """Returns the output that a file of the repository is, or is part of; or None."""
        path = PurePosixPath(name)
        places = (str(place) for place in (path, *path.parents))
        return next((self.outputs[place] for place in places if place in self.outputs), None)

    def recorded(self, outputs: Iterable[TrackedOutput]) -> set[str]:
        """Returns the paths of the outputs whose digests the commit records."""
        chosen = list(outputs)
        if self.commit:
            return {output.path for output in chosen}
        if not self.repository.head:
            return set()
        names = with_pipelines(sorted({output.tracked_by for output in chosen}))
        contents = self.repository.contents_at(self.repository.head, names)
        committed = outputs_in((name for name in names if name in contents), contents.get)
        return {
            output.path
            for output in chosen
            if (one := committed.get(output.path)) is not None and one.md5 == output.md5
        }


def record_inputs(config: Config, folder: OutputFolder) -> list[VersionedData]:
    """Returns the data under DVC that a run of a use case reads from the working copy.

    Data in a folder without DVC cost a look for the folder `.dvc`.

    Args:
        config: The use case.
        folder: The output folder, which keeps digests of unchanged files.

    Raises:
        InputError: No data found.
    """
    named = named_paths(config)
    if not any(map(find_dvc_root, (*named, *(path.resolve() for path in named)))):
        return []
    versions = []
    for root, files in _by_repository(_present_files(config)).items():
        kept = KeptDigests(digests_file(config, folder))
        versions += record_files(
            _working_copy(root, files), files, config_folder=config.folder, kept=kept
        )
        kept.save()
    return versions


def _by_repository(files: Iterable[Path]) -> dict[Path, list[Path]]:
    """Returns the files that DVC tracks, by the folder that holds its `.dvc`.

    A path is taken as it is written first: DVC's own files may be links into its cache. Links are
    followed, first those of the folder, only where no repository tracks the path.
    """
    found: dict[Path, list[Path]] = {}
    left = list(files)
    for follow in (_as_written, _through_folders, Path.resolve):
        placed: dict[Path, dict[Path, Path]] = {}
        roots: dict[Path, Path | None] = {}  # by folder
        for file in left:
            place = follow(file)
            if place.parent not in roots:
                roots[place.parent] = find_dvc_root(place.parent)
            if root := roots[place.parent]:
                placed.setdefault(root, {})[place] = file
        tracked: set[Path] = set()
        for root, by_place in placed.items():
            checkout = _working_copy(root, by_place)
            here = [one for one in by_place if checkout.output_of(checkout.repository.name_of(one))]
            if here:
                found.setdefault(root, []).extend(here)
            tracked.update(by_place[one] for one in here)
        left = [file for file in left if file not in tracked and file.resolve() != file]
    return {root: sorted(set(places)) for root, places in found.items()}


def _as_written(file: Path) -> Path:
    return file


def _through_folders(file: Path) -> Path:
    return file.parent.resolve() / file.name


def _working_copy(root: Path, files: Iterable[Path]) -> Checkout:
    """Returns the working copy of a repository, with the outputs that may track some files."""
    repository = open_repository(root)
    names = relevant(repository.tracking_files(), map(repository.name_of, files))
    return Checkout(
        repository=repository,
        folder=repository.root,
        outputs={
            **unread_outputs(names, repository.read),
            **outputs_in(names, repository.read),
        },
    )


def _present_files(config: Config) -> list[Path]:
    try:
        return input_files(config)
    except NoDataError as error:
        raise InputError(
            f"{str(error).rstrip('.')}. If DVC tracks them, `dvc pull` brings them back; otherwise "
            "correct `data.path`, which is relative to the config's folder."
        ) from error


def relevant(tracking: Iterable[str], files: Iterable[str]) -> list[str]:
    """Returns the tracking files that may track one of some files.

    A `.dvc` file tracks what is in or below its folder. Stages may write anywhere.

    Args:
        tracking: Tracking files.
        files: Files of the repository, or folders.
    """
    parents = {str(parent) for file in files for parent in PurePosixPath(file).parents}
    return [
        name
        for name in tracking
        if not name.endswith(".dvc") or str(PurePosixPath(name).parent) in parents
    ]


def record_files(
    checkout: Checkout, files: Iterable[Path], *, config_folder: Path, kept: KeptDigests
) -> list[VersionedData]:
    """Returns the outputs that some files belong to; files that DVC does not track are left out.

    Args:
        checkout: Where the files are, and the outputs there.
        files: The files that are read.
        config_folder: The folder of the config.
        kept: Digests of unchanged files.
    """
    parts: dict[str, list[Path]] = {}
    for file in files:
        output = checkout.output_of(file.relative_to(checkout.folder).as_posix())
        if output is not None:
            parts.setdefault(output.path, []).append(file)
    chosen = [checkout.outputs[path] for path in sorted(parts)]
    if not chosen:
        return []
    settings = read_settings(checkout.repository.dvc_root)
    origin, recorded = checkout.repository.origin(), checkout.recorded(chosen)
    versions = []
    for output in chosen:
        place = checkout.folder / output.path
        difference = find_difference(
            output, place, parts[output.path], cache=settings.cache, kept=kept
        )
        state = DataState.MODIFIED
        if not difference:
            is_recorded = output.path in recorded
            state = DataState.RECORDED if is_recorded else DataState.UNCOMMITTED
            difference = "" if is_recorded else _why_uncommitted(checkout, output)
        remote, url = settings.remote(output.remote)
        versions.append(
            VersionedData(
                path=output.path,
                state=state,
                md5="" if state is DataState.MODIFIED else output.md5,
                revision=revision_of(checkout) if state is DataState.RECORDED else "",
                tracked_by=output.tracked_by,
                remote=remote,
                url=url,
                repository=str(checkout.repository.root),
                origin=origin,
                place=place_of(checkout, output.path, config_folder),
                difference=difference,
            )
        )
    return versions


def revision_of(checkout: Checkout) -> str:
    """Returns the commit whose files a checkout has."""
    return checkout.commit or checkout.repository.head


def place_of(checkout: Checkout, path: str, config_folder: Path) -> str:
    """Returns where a config looks for a file of the repository, relative to the config."""
    return os.path.relpath(checkout.repository.root / path, config_folder.absolute())


def _why_uncommitted(checkout: Checkout, output: TrackedOutput) -> str:
    head = checkout.repository.head
    if not head:
        return f"which {output.tracked_by} records; no commit does"
    return f"which {output.tracked_by} records, and commit {head[:12]} does not"
