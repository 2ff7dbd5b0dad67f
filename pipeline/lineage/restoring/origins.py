"""Origins of a run's code and configuration under version control."""

import dataclasses
import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from common.git.calls import run_git
from common.git.urls import show_url
from pipeline.config import Config

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore
    from ml_metadata.proto import metadata_store_pb2

_KEY = "origins"
_GIT_ERRORS = (FileNotFoundError, NotADirectoryError, subprocess.SubprocessError)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A folder or file under version control; all fields are empty without git.

    Attributes:
        repository: Top folder of the repository.
        url: URL that it was cloned from, without credentials, or empty.
        path: Path of the folder or file in the repository.
        commit: Its commit.
        changed: Whether it differed from the commit, or was not part of it.
    """

    repository: str = ""
    url: str = ""
    path: str = ""
    commit: str = ""
    changed: bool = False


@dataclass(frozen=True, kw_only=True)
class Origins:
    """Origins of a run.

    Attributes:
        code: Faultline's own sources.
        config: The config file; it counts as changed if its schema was.
    """

    code: Origin = field(default_factory=Origin)
    config: Origin = field(default_factory=Origin)


def collect_origins(config: Config, config_path: Path, project_dir: Path) -> Origins:
    """Returns the origins of a run that starts now.

    Args:
        config: The use case.
        config_path: The file that `config` was loaded from.
        project_dir: The root of Faultline's own sources.
    """
    files = [config_path, *([config.schema_path] if config.schema_path else [])]
    return Origins(code=_origin(project_dir, "."), config=_config_origin(config_path, files))


def _config_origin(config_path: Path, files: Iterable[Path]) -> Origin:
    origin = _origin(config_path.parent, config_path.name)
    if not origin.repository:
        return origin
    changed = any(_differs(config_path.parent, file) for file in files)
    return replace(origin, changed=changed)


def _origin(folder: Path, name: str) -> Origin:
    """Returns the origin of a file or of `.`, the folder itself; an empty one if git has it not."""
    try:
        if not _git(folder, "ls-files", "--", name):
            # Inside another repository, perhaps, but not part of it.
            return Origin()
        prefix = _git(folder, "rev-parse", "--show-prefix")
        return Origin(
            repository=_git(folder, "rev-parse", "--show-toplevel"),
            url=_url(folder),
            path=prefix.rstrip("/") if name == "." else f"{prefix}{name}",
            commit=_git(folder, "rev-parse", "--verify", "--quiet", "HEAD"),
        )
    except _GIT_ERRORS:
        return Origin()


def _differs(folder: Path, file: Path) -> bool:
    """Whether a file differs from the commit; one outside the repository is in no commit."""
    try:
        status = _git(folder, "status", "--porcelain", "--ignored", "--", str(file.absolute()))
        return bool(status)
    except _GIT_ERRORS:
        return True


def _url(folder: Path) -> str:
    try:
        return show_url(_git(folder, "remote", "get-url", "origin"))
    except _GIT_ERRORS:
        return ""


def _git(folder: Path, *arguments: str) -> str:
    return run_git(folder, *arguments).decode(errors="surrogateescape").strip("\n")


def has_commit(repository: str, commit: str) -> bool:
    """Whether a folder of this machine is a repository with that commit."""
    try:
        run_git(Path(repository), "cat-file", "-e", f"{commit}^{{commit}}")
    except _GIT_ERRORS:
        return False
    return True


def stamp_origins(store: "MetadataStore", run_id: str, origins: Origins) -> None:
    """Writes the origins to the run's context, which `stamp_run` created.

    Args:
        store: The metadata store.
        run_id: The run's id.
        origins: Where its code and configuration are under version control.
    """
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    context.custom_properties[_KEY].string_value = json.dumps(dataclasses.asdict(origins))
    store.put_contexts([context])


def origins_of(context: "metadata_store_pb2.Context") -> Origins:
    """Returns the origins on a run's context; empty ones if they were not recorded."""
    if _KEY not in context.custom_properties:
        return Origins()
    values: Mapping[str, Mapping[str, str]] = json.loads(
        context.custom_properties[_KEY].string_value
    )
    return Origins(code=_from_json(values["code"]), config=_from_json(values["config"]))


def _from_json(values: Mapping[str, str]) -> Origin:
    return Origin(**dict(values))  # type: ignore[arg-type]
