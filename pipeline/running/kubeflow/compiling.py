"""Compiles a use case for Kubeflow Pipelines."""

from dataclasses import dataclass, replace
from pathlib import Path

import click
from pydantic import ValidationError

from common.errors import InputError
from common.output_folder import captured_output
from pipeline.agreement import check_agreement
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.running.kubeflow.settings import (
    Secret,
    Settings,
    Volume,
    check_output,
    config_in_image,
)
from pipeline.running.kubeflow.specification import check_sdk, write_specification
from pipeline.running.kubeflow.tasks import TaskPlan, plan_tasks
from pipeline.running.stages.place import PROJECT_DIR
from pipeline.running.stepping.preview import preview_graph


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a person says of the cluster.

    Attributes:
        image: The image with Faultline.
        metadata_url: Location of ML Metadata, or None for that of the config.
        artifacts: The output folder of runs in containers.
        volumes: Volumes as `CLAIM=PATH`.
        secrets: Environment variables from secrets, as `VARIABLE=NAME:KEY`.
        config_in_image: The config file in containers; None if the image has it.
    """

    image: str
    metadata_url: str | None
    artifacts: str
    volumes: tuple[str, ...]
    secrets: tuple[str, ...]
    config_in_image: str | None


def compile_use_case(config_path: Path, target: Target, path: Path) -> int:
    """Writes the specification of a use case and prints what is in it.

    Args:
        config_path: The use case's config file on this machine.
        target: What the person says of the cluster.
        path: The file to write.

    Raises:
        InputError: The config or an option is invalid, or Kubeflow's SDK is missing.
    """
    check_sdk()
    if path.suffix != ".yaml":
        raise InputError(f"-o must name a file that ends in .yaml, got {path}.")
    config = load_config(config_path)
    check_agreement(config, config_path)
    config = with_metadata(config, target.metadata_url)
    settings = make_settings(config_path, config, target)
    with captured_output(Path("/dev/null")):
        graph = preview_graph(config)
        plan = plan_tasks(config, graph, settings)
        write_specification(plan, settings, path)
    _print(plan, path)
    return 0


def with_metadata(config: Config, url: str | None) -> Config:
    """Returns the config with the location of ML Metadata, if it is given.

    Raises:
        InputError: It is no such location, or holds a password.
    """
    if url is None:
        return config
    try:
        return replace(config, metadata=replace(config.metadata, url=url))
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InputError(f"--metadata-url {reason}.") from None


def make_settings(config_path: Path, config: Config, target: Target) -> Settings:
    """Returns what the tasks need to know of the cluster.

    Raises:
        InputError: An option or the config does not fit a cluster.
    """
    volumes = tuple(Volume.parse(text) for text in target.volumes)
    if config.metadata.url is None:
        raise InputError(
            "Tasks need a metadata server: an SQLite file on a network volume may be damaged by "
            "two tasks at once. Give --metadata-url mysql://USER@HOST:PORT/DATABASE or "
            "postgresql://…, or set metadata.url in the config."
        )
    if config.beam.artifacts is not None:
        raise InputError(
            f"beam.artifacts is {config.beam.artifacts}, but tasks on Kubeflow keep artifacts in "
            "--artifacts. Remove beam.artifacts from the config."
        )
    secrets = tuple(Secret.parse(text) for text in target.secrets)
    variable = config.metadata.password_env
    if variable not in {secret.variable for secret in secrets}:
        raise InputError(
            f"Each task needs the metadata server's password in the variable {variable}. Keep it "
            "in a Kubernetes secret and give --secret VARIABLE=NAME:KEY with that variable."
        )
    return Settings(
        image=target.image,
        config=target.config_in_image or config_in_image(config_path, PROJECT_DIR),
        output=check_output(target.artifacts, volumes),
        metadata_url=target.metadata_url or "",
        volumes=volumes,
        secrets=secrets,
    )


def _print(plan: TaskPlan, path: Path) -> None:
    parameters = ", ".join(f"{name} ({value})" for name, value in plan.parameters.items())
    click.echo(f"{path}: {len(plan.tasks) + 1} tasks; parameters {parameters}")
