"""Outputs of DVC fetched into the files of an earlier revision."""

import logging
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from common.digests import KeptDigests
from common.errors import InputError
from pipeline.data_versions.content import find_difference
from pipeline.data_versions.outputs import TrackedOutput
from pipeline.data_versions.program import DvcFailedError, find_dvc, get_data
from pipeline.data_versions.recording import Checkout
from pipeline.data_versions.settings import read_settings

# A start of `dvc` takes one to three seconds, so it fetches many outputs of a folder at once.
_MIN_BATCH = 4
_progress = logging.getLogger("faultline.progress")


def fetch_outputs(
    checkout: Checkout, wanted: Iterable[TrackedOutput], revision: str, kept: KeptDigests
) -> None:
    """Fetches the outputs that are not there, or not as they were recorded.

    Args:
        checkout: The folder that they go to, with the files that git has at the revision.
        wanted: The outputs.
        revision: The revision as the user wrote it.
        kept: Digests of unchanged files.

    Raises:
        InputError: `dvc` is missing, or could not fetch an output.
    """
    cache = read_settings(checkout.repository.dvc_root).cache

    def differs(output: TrackedOutput, place: Path) -> str:
        if not place.exists():
            return "it is not there"
        files = [file for file in place.rglob("*") if file.is_file()] if place.is_dir() else []
        return find_difference(output, place, files, cache=cache, kept=kept)

    missing = [one for one in wanted if differs(one, checkout.folder / one.path)]
    if missing:
        dvc = find_dvc()
    for path, outputs in _batches(missing, checkout):
        _progress.info("fetching %s at %s", path, revision)
        draft = _draft_beside(checkout.folder / path, checkout.folder)
        try:
            _get(dvc, checkout, path, revision, draft)
            for output in outputs:
                part = draft / PurePosixPath(output.path).relative_to(path)
                if difference := differs(output, part):
                    raise InputError(
                        f"--data-rev {revision}: what DVC fetched for {output.path} is damaged: "
                        f"{difference}. Check the remote with `dvc status --cloud`."
                    )
                _move(part, checkout.folder / output.path)
        finally:
            _remove(draft)
    kept.save()


def _batches(
    missing: Sequence[TrackedOutput], checkout: Checkout
) -> Iterator[tuple[str, list[TrackedOutput]]]:
    """Yields what one call of `dvc` fetches: an output, or a folder with many that are needed."""
    by_folder: dict[str, list[TrackedOutput]] = {}
    for output in missing:
        by_folder.setdefault(str(PurePosixPath(output.path).parent), []).append(output)
    for folder, outputs in by_folder.items():
        num_below = sum(path.startswith(f"{folder}/") for path in checkout.outputs)
        if len(outputs) >= _MIN_BATCH and 2 * len(outputs) >= num_below > 0:
            yield folder, outputs
        else:
            yield from ((output.path, [output]) for output in outputs)


def _move(part: Path, place: Path) -> None:
    _remove(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    part.rename(place)


def _draft_beside(place: Path, folder: Path) -> Path:
    """Returns the path of a draft; its folder exists, and is no link to a folder elsewhere."""
    real = Path(os.path.realpath(place.parent))
    if not real.is_relative_to(os.path.realpath(folder)):
        raise InputError(
            f"--data-rev: {place.parent} is a link to {real}, outside the fetched revision. Data "
            "below a link cannot be fetched without touching that folder."
        )
    real.mkdir(parents=True, exist_ok=True)
    return real / f".incoming-{uuid.uuid4().hex}"


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _get(dvc: str, checkout: Checkout, path: str, revision: str, target: Path) -> None:
    repository = checkout.repository
    try:
        get_data(dvc, repository.root, path, commit=checkout.commit, target=target)
    except DvcFailedError as error:
        output = checkout.outputs.get(path)
        name, url = read_settings(repository.dvc_root).remote(output.remote if output else "")
        what = f"{path} with MD5 {output.md5}" if output else f"the files of {path}"
        remote = f"the remote {name} ({url})" if name else "a remote, for none is set,"
        raise InputError(
            f"--data-rev {revision}: DVC could not fetch {what}: "
            f"{error}. Perhaps neither {remote} nor DVC's cache of {repository.root} has it: run "
            "`dvc push` where the data are, then repeat this command."
        ) from error
