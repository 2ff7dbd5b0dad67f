"""Provenance stamp of a run: code, lock file, configuration and environment.

The data have their own digest, computed by ingestion; see `common.digests`. The stamp never names
the host, a user, an environment variable or an absolute path.
"""

import dataclasses
import json
import logging
import platform
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata as distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from common.digests import code_digest, file_digest
from common.errors import InputError
from common.guards.redaction import redact_config
from pipeline.config import Config
from pipeline.config_loading import config_digest, config_to_record
from pipeline.lineage.git_state import UNKNOWN, GitState, read_git, read_own_git

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore
    from ml_metadata.proto import metadata_store_pb2

_CONFIG = "config"
# Why a run was a retraining, and on what; written by `production.retraining`.
RETRAINING = "retraining"
CODE_FOLDERS = ("common", "measuring", "models", "serving", "datasets", "pipeline")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Provenance of a run, except its data.

    Attributes:
        use_case: Name of the use case, which is also the pipeline's.
        config_file: File name of the configuration.
        config_digest: SHA-256 of the configuration's values; comments do not count.
        schema_digest: SHA-256 of the curated schema, or `inferred` without one.
        git_commit: Full commit id of Faultline's own sources, or `unknown`.
        git_dirty: Whether files differed from the commit.
        git_note: Why the commit is unknown; empty if it is known.
        code_digest: SHA-256 over the project's Python sources, available without git.
        lock_digest: SHA-256 of `requirements.lock`, or `unknown` without one.
        python: Version of the interpreter.
        platform: Operating system and machine type, such as `Linux x86_64`.
        packages: Version of each direct dependency of the project.
        seed: Seed of splits, initial weights and batches.
        project_commit: Full commit id of the repository with the configuration, or `unknown`; empty
            if the configuration is part of Faultline's own sources.
        project_dirty: Whether files of that repository differed from the commit.
    """

    use_case: str
    config_file: str
    config_digest: str
    schema_digest: str
    git_commit: str
    git_dirty: bool
    git_note: str
    code_digest: str
    lock_digest: str
    python: str
    platform: str
    packages: Mapping[str, str]
    seed: int
    project_commit: str = ""
    project_dirty: bool = False

    @property
    def git_label(self) -> str:
        """The short commit id, with a remark if it does not identify the code completely."""
        if self.git_commit == UNKNOWN:
            return f"{UNKNOWN} commit ({self.git_note}), sources {self.code_digest[:12]}"
        return self.git_commit[:12] + (" with uncommitted changes" if self.git_dirty else "")

    def to_json(self) -> dict[str, Any]:
        """Returns the stamp as a JSON object."""
        return dataclasses.asdict(self) | {"packages": dict(self.packages)}


def collect_provenance(config: Config, config_path: Path, project_dir: Path) -> Provenance:
    """Returns the provenance of a run that starts now.

    Args:
        config: The use case.
        config_path: The file that `config` was loaded from.
        project_dir: The root of Faultline's own sources, with `requirements.lock` and the sources.

    Raises:
        InputError: The curated schema named in the configuration cannot be read.
    """
    git = read_own_git(project_dir)
    if git.note:
        _log.warning("The commit of this run is unknown: %s", git.note)
    lock = project_dir / "requirements.lock"
    project = _read_project(config, project_dir)
    return Provenance(
        use_case=config.name,
        config_file=config_path.name,
        config_digest=config_digest(config),
        schema_digest=_schema_digest(config),
        git_commit=git.commit,
        git_dirty=git.dirty,
        git_note=git.note,
        code_digest=code_digest(project_dir / name for name in CODE_FOLDERS),
        lock_digest=file_digest(lock) if lock.is_file() else UNKNOWN,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=_package_versions(project_dir),
        seed=config.seed,
        project_commit=project.commit,
        project_dirty=project.dirty,
    )


def _read_project(config: Config, project_dir: Path) -> GitState:
    """Returns the state of the repository with the configuration."""
    folder = config.folder.resolve()
    if folder.is_relative_to(project_dir.resolve()):
        return GitState(commit="")
    return read_git(folder, whole_repository=True)


def _schema_digest(config: Config) -> str:
    if config.schema_path is None:
        return "inferred"
    try:
        return file_digest(config.schema_path)
    except OSError as error:
        raise InputError(
            f"schema: cannot read {config.schema_path}: {error.strerror}. Name an existing schema, "
            "or remove the key `schema` to use the inferred one."
        ) from error


def _package_versions(project_dir: Path) -> dict[str, str]:
    names = sorted(Requirement(text).name for text in _requirements(project_dir))
    versions = {}
    for name in names:
        try:
            versions[name] = distributions.version(name)
        except distributions.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _requirements(project_dir: Path) -> list[str]:
    project = project_dir / "pyproject.toml"
    if project.is_file():
        return list(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"])
    # Installed as a wheel, without the project's folder: use the wheel's metadata.
    listed = distributions.requires("faultline") or []
    return [text for text in listed if "extra ==" not in text]


def stamp_run(store: "MetadataStore", run_id: str, provenance: Provenance) -> None:
    """Writes the provenance to the run's context in ML Metadata; creates the context if needed.

    Args:
        store: The metadata store.
        run_id: The run's id, which is also the name of its context.
        provenance: The run's provenance.
    """
    from ml_metadata.proto import metadata_store_pb2

    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    if context is None:
        context = _new_context(store, "pipeline_run", run_id)
        parent = store.get_context_by_type_and_name(
            "pipeline", provenance.use_case
        ) or _new_context(store, "pipeline", provenance.use_case)
        link = metadata_store_pb2.ParentContext(parent_id=parent.id, child_id=context.id)
        store.put_parent_contexts([link])
    for key, value in provenance.to_json().items():
        target = context.custom_properties[key]
        if isinstance(value, int):  # also bool: ML Metadata has no Boolean values
            target.int_value = int(value)
        else:
            target.string_value = value if isinstance(value, str) else json.dumps(value)
    store.put_contexts([context])


def stamp_config(store: "MetadataStore", run_id: str, config: Config) -> None:
    """Writes the configuration to the run's context, which `stamp_run` created.

    Args:
        store: The metadata store.
        run_id: The run's id.
        config: The use case; its secrets are not written.
    """
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    context.custom_properties[_CONFIG].string_value = config_to_record(config)
    store.put_contexts([context])


def config_of(context: "metadata_store_pb2.Context") -> dict[str, Any]:
    """Returns the configuration on a run's context; empty without one."""
    text = context.custom_properties[_CONFIG].string_value
    # Earlier versions of Faultline recorded secrets as they were.
    return redact_config(json.loads(text)) if text else {}


def retraining_of(context: "metadata_store_pb2.Context") -> dict[str, Any]:
    """Returns what a run's context says of the retraining that it was part of; empty without."""
    if RETRAINING not in context.custom_properties:
        return {}
    return dict(json.loads(context.custom_properties[RETRAINING].string_value))


def _new_context(store: "MetadataStore", type_name: str, name: str) -> "metadata_store_pb2.Context":
    from ml_metadata.proto import metadata_store_pb2

    type_id = store.put_context_type(
        metadata_store_pb2.ContextType(name=type_name), can_add_fields=True, can_omit_fields=True
    )
    context = metadata_store_pb2.Context(type_id=type_id, name=name)
    [context.id] = store.put_contexts([context])
    return context


def provenance_of(context: "metadata_store_pb2.Context") -> Provenance | None:
    """Returns the provenance on a run's context, or None without a stamp."""
    values = {
        key: getattr(value, value.WhichOneof("value"))
        for key, value in context.custom_properties.items()
        if value.WhichOneof("value")
    }
    fields = dataclasses.fields(Provenance)
    # Stamps of earlier versions lack the fields that have a default.
    if any(f.default is dataclasses.MISSING and f.name not in values for f in fields):
        return None
    stamped = {f.name: values[f.name] for f in fields if f.name in values}
    stamped["packages"] = json.loads(stamped["packages"])
    for name in {"git_dirty", "project_dirty"} & set(stamped):
        stamped[name] = bool(stamped[name])
    return Provenance(**stamped)
