"""Checks of engine options before a run starts."""

import argparse
import difflib
import re
import socket
from collections.abc import Iterator
from typing import Any

from common.errors import InputError
from common.internals.beam import add_arguments
from pipeline.remote.engines import EngineOptions

ENDPOINT_TIMEOUT_S = 5.0
_BUCKET = re.compile(r"gs://[a-z0-9][-._a-z0-9]{1,61}[a-z0-9](/|$)")
_START = {
    "PortableRunner": "Start a job server (docs/engines.md), or name another --job_endpoint.",
    "FlinkRunner": "Start the Flink cluster, or name another --flink_master.",
    "SparkRunner": "Start the Spark cluster, or name another --spark_master_url.",
}


def find_problems(options: EngineOptions, *, data: str, artifacts: str) -> list[str]:
    """Returns the problems with the options of a run, one sentence each.

    Args:
        options: The requested options.
        data: Location of the data, a path or a URL.
        artifacts: Location of the artifacts, a path or a URL.
    """
    return [*_misspelt(options), *_missing(options), *_local_paths(options, data, artifacts)]


def check_endpoint(options: EngineOptions) -> None:
    """Checks that an engine is reachable.

    Raises:
        InputError: No response within 5 s.
    """
    for problem in _silent_endpoint(options):
        raise InputError(problem)


def _misspelt(options: EngineOptions) -> Iterator[str]:
    known = known_options()
    for arg in options.args:
        if not arg.startswith("--"):
            yield f"`{arg}` is not an option; Beam's options look like --name=value."
            continue
        name = arg.removeprefix("--").partition("=")[0]
        if name in known or (options.endpoint and name in _JOB_SERVER_OPTIONS):
            continue
        near = difflib.get_close_matches(name, [*known, *_JOB_SERVER_OPTIONS], n=1)
        hint = f"Did you mean --{near[0]}?" if near else "See Beam's PipelineOptions."
        yield f"Beam has no option --{name}. {hint}"


def known_options() -> set[str]:
    """Returns the names of all options of Beam's Python SDK."""
    from apache_beam.options.pipeline_options import PipelineOptions

    parser = argparse.ArgumentParser(add_help=False, conflict_handler="resolve")
    for kind in _all_subclasses(PipelineOptions):
        add_arguments(kind, parser)
    return {name.removeprefix("--") for name in parser._option_string_actions}


def _all_subclasses(kind: Any) -> Iterator[Any]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _all_subclasses(subclass)


# Options of the Java job servers of Flink and Spark, which the Python SDK does not declare.
_JOB_SERVER_OPTIONS = (
    "attached_mode",
    "bundle_size",
    "checkpointing_interval",
    "execution_mode_for_batch",
    "files_to_stage",
    "max_bundle_size",
    "max_bundle_time_mills",
    "max_parallelism",
    "number_of_execution_retries",
    "object_reuse",
    "parallelism",
    "re_iterable_group_by_key_result",
    "retain_docker_containers",
    "spark_history_dir",
    "storage_level",
)


def _missing(options: EngineOptions) -> Iterator[str]:
    values = options.values
    if options.runner == "PortableRunner" and not values.get("job_endpoint"):
        yield "PortableRunner needs --job_endpoint=HOST:PORT, where the job server listens."
    if options.runner == "DataflowRunner":
        for name, example in (
            ("project", "--project=my-project"),
            ("region", "--region=europe-west1"),
            ("temp_location", "--temp_location=gs://my-bucket/tmp"),
        ):
            if not values.get(name):
                yield f"DataflowRunner needs --{name}; such as {example}."
        bucket = values.get("temp_location")
        if bucket and not _BUCKET.match(bucket):
            yield f"--temp_location={bucket} is not a bucket; expected gs://BUCKET/FOLDER."
    if needs_image(options) and not values.get("sdk_container_image"):
        yield (
            "The workers run in containers and need an image: build the Dockerfile's target "
            "`worker`, push it, and give --sdk_container_image=REGISTRY/NAME:TAG; or, for workers "
            "on this machine, --environment_type=LOOPBACK."
        )


def needs_image(options: EngineOptions) -> bool:
    """Whether the engine starts its workers in containers."""
    kind = options.values.get("environment_type", "DOCKER").upper()
    embedded = options.is_local or options.values.get("job_endpoint") == "embed"
    return options.runner == "DataflowRunner" or (not embedded and kind == "DOCKER")


def _local_paths(options: EngineOptions, data: str, artifacts: str) -> Iterator[str]:
    if options.shares_files:
        return
    for what, path, remedy in (
        ("data", data, "put it into a bucket and name that in `data.path`"),
        ("artifacts", artifacts, "name a bucket in `beam.artifacts`"),
    ):
        if "://" not in path:
            yield (
                f"The {what} in {path} cannot be reached by workers on other machines "
                f"({options.runner}): {remedy}."
            )


def _silent_endpoint(options: EngineOptions) -> Iterator[str]:
    endpoint = options.endpoint
    if endpoint is None:
        return
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdigit():
        yield f"`{endpoint}` is not HOST:PORT."
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ENDPOINT_TIMEOUT_S).close()
    except OSError as error:
        yield (
            f"Nothing answers at {endpoint} ({error.strerror or error}). {_START[options.runner]}"
        )
