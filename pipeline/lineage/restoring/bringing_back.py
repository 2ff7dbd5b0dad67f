"""The commands that bring back the code, the data and the environment of a run, and repeat it."""

import posixpath
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

from pipeline.lineage.git_state import UNKNOWN
from pipeline.lineage.graph import Run
from pipeline.lineage.restoring.data_versions import DataState, VersionedData
from pipeline.lineage.restoring.origins import Origin, has_commit

CODE, DATA, ENVIRONMENT, RUN, NOTES = "code", "data", "environment", "run", "notes"
_CODE_FOLDER, _PROJECT_FOLDER, _OUTPUT = "faultline", "project", "output"


def bring_back(run: Run, *, trained_in: str = "") -> dict[str, str | list[str]]:
    """Returns a shell command each for code, data and environment, one that runs, and notes.

    The commands are for an empty folder. What they cannot bring back has no command but a note.

    Args:
        run: The run that trained the model, or one with the same code, config, data and model.
        trained_in: The id of the run that trained the model, if that is another one.

    Returns:
        The commands by subject, and `notes`; empty if the run has no stamp.
    """
    stamp = run.provenance
    if stamp is None:
        return {}
    code, config = run.origins.code, run.origins.config
    is_own = bool(config.repository) and config.repository == code.repository
    # A person puts a config that no repository has into the folder of the project.
    folder = _CODE_FOLDER if is_own else _PROJECT_FOLDER
    place = posixpath.join(folder, config.path or stamp.config_file)
    commands: dict[str, str | list[str]] = {}
    if code.repository and stamp.git_commit != UNKNOWN:
        clones = [_clone(code, stamp.git_commit, _CODE_FOLDER)]
        if config.repository and not is_own:
            clones.append(_clone(config, config.commit, _PROJECT_FOLDER))
        commands[CODE] = " && ".join(clones)
    config_folder = posixpath.dirname(place)
    if data := list(_data_commands(run, config_folder)):
        commands[DATA] = " && ".join(data)
    if CODE in commands:
        commands[ENVIRONMENT] = f"make -C {_CODE_FOLDER} setup"
        # The runner's own folder comes first on Python's path, whatever else is installed.
        commands[RUN] = (
            f"cd {_CODE_FOLDER} && .venv/bin/python local_runner.py "
            f"--config {shlex.quote(_from_code(place))} --output ../{_OUTPUT}"
        )
    notes = [
        *_run_notes(run, trained_in),
        *_code_notes(run),
        *_data_notes(run, config_folder),
        *_environment_notes(run),
    ]
    return commands | {NOTES: notes}


def _from_code(place: str) -> str:
    """Returns a path as seen from the folder of the code."""
    return posixpath.relpath(place, _CODE_FOLDER)


def _clone(origin: Origin, commit: str, folder: str) -> str:
    source = _repository(origin.repository, origin.url, commit)
    return (
        f"git clone --quiet --no-checkout {shlex.quote(source)} {folder} && "
        f"git -C {folder} checkout --quiet --detach {commit}"
    )


def _repository(path: str, url: str, commit: str) -> str:
    """Returns the repository on this machine if it still has the commit, else its URL."""
    return path if not url or has_commit(path, commit) else url


def _data_commands(run: Run, config_folder: str) -> Iterator[str]:
    for version in run.data_versions:
        target = _target(version, config_folder)
        if version.state is DataState.RECORDED and target:
            source = _repository(version.repository, version.origin, version.revision)
            yield (
                f"dvc get --force --rev {version.revision} -o {shlex.quote(target)} "
                f"{shlex.quote(source)} {shlex.quote(version.path)}"
            )


def _target(version: VersionedData, config_folder: str) -> str:
    """Returns where the config looks for data; empty if it is outside the new folder."""
    target = posixpath.normpath(posixpath.join(config_folder, version.place))
    return "" if PurePosixPath(target).parts[:1] in {("..",), ("/",)} else target


def _run_notes(run: Run, trained_in: str) -> Iterator[str]:
    if trained_in not in {"", run.id}:
        yield (
            f"The commands are those of run {run.id}: it took the model of {trained_in} from the "
            "cache, with the same code, config and environment, and more of it is committed."
        )


def _code_notes(run: Run) -> Iterator[str]:
    stamp, config = run.provenance, run.origins.config
    assert stamp is not None  # noqa: S101 - the caller checked it
    if stamp.git_commit == UNKNOWN:
        yield f"The commit of the code is unknown: {stamp.git_note}."
    elif stamp.git_dirty:
        yield (
            f"The code had uncommitted changes: commit {stamp.git_commit[:12]} does not give its "
            f"sources, whose digest is {stamp.code_digest[:12]}. Commit before a run that is to be "
            "repeatable."
        )
    elif not run.origins.code.repository:
        yield f"Check out commit {stamp.git_commit[:12]} of Faultline's repository."
    if not config.repository:
        yield (
            f"{stamp.config_file} and its schema were under no version control. Put them into "
            f"{_PROJECT_FOLDER}/; the digest of the config's values is {stamp.config_digest[:12]}."
        )
    elif config.changed:
        yield (
            f"{config.path} or its schema was not committed as it was: commit "
            f"{config.commit[:12]} has other values, or none. The digest of the config's values is "
            f"{stamp.config_digest[:12]}."
        )


def _data_notes(run: Run, config_folder: str) -> Iterator[str]:
    data = run.config.get("data") or {}
    for version in run.data_versions:
        if version.state is not DataState.RECORDED:
            yield f"No command brings back {version.text()}."
        elif not _target(version, config_folder):
            yield (
                f"The config looks for {version.path} outside its repository. Get it with `dvc get "
                f"--rev {version.revision[:12]}`, and change data.path."
            )
    if run.data_versions:
        return
    if data.get("dataset"):
        yield f"The run makes its data itself: the built-in data set {data['dataset']}."
    elif data:
        yield (
            "The data were not under DVC, so no command brings them back. The lineage above "
            "shows their files and digest."
        )


def _environment_notes(run: Run) -> Iterator[str]:
    stamp = run.provenance
    assert stamp is not None  # noqa: S101 - as above
    if stamp.lock_digest != UNKNOWN:
        yield (
            f"Set-up installs requirements.lock, whose SHA-256 was {stamp.lock_digest[:12]}. The "
            f"run had Python {stamp.python} on {stamp.platform}."
        )
    yield f"The config sets the seed, {stamp.seed}."
