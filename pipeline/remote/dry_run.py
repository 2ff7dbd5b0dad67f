"""Dry run of a run on an engine."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.guards.redaction import redact_args
from pipeline.remote.engines import EngineOptions


@dataclass(frozen=True)
class JobEnvironment:
    """Environment of a job's workers.

    Attributes:
        image: The worker image.
        files: Files staged for the workers, by their staged names.
    """

    image: str
    files: tuple[str, ...]


def print_dry_run(
    pipeline: Any, options: EngineOptions, console: Console, *, build_job: bool
) -> None:
    """Prints each step's engine, the full options, code package, worker image, and built job.

    Args:
        pipeline: The output of `create_pipeline`.
        options: The Beam options of the run.
        console: Console for the output.
        build_job: Whether the options are complete enough to build a Dataflow job.
    """
    table = Table(box=None, pad_edge=False)
    for header in ("step", "engine"):
        table.add_column(header)
    for component in pipeline.components:
        engine = options.runner if _runs_on_beam(component) else "this process"
        table.add_row(component.id, engine)
    console.print(table)
    console.print("\noptions of the Beam steps")
    for arg in redact_args(options.args):
        console.print(f"  {escape(arg)}")
    values = options.values
    console.print(f"code package  {escape(values.get('extra_package', 'none: same files'))}")
    console.print(f"worker image  {escape(values.get('sdk_container_image', 'none'))}")
    if build_job and options.runner == "DataflowRunner":
        for environment in dataflow_environments(options):
            console.print(
                f"Dataflow job  image {escape(environment.image)}, "
                f"stages {escape(', '.join(environment.files))}"
            )


def _runs_on_beam(component: Any) -> bool:
    from tfx.dsl.components.base.executor_spec import BeamExecutorSpec

    return isinstance(getattr(component, "executor_spec", None), BeamExecutorSpec)


def dataflow_environments(options: EngineOptions) -> Iterator[JobEnvironment]:
    """Yields the environments of a job that Beam's DataflowRunner builds and does not submit.

    The job reads examples, as in the first half of StatisticsGen. No credentials are looked up and
    nothing is sent.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.portability.api import beam_runner_api_pb2

    from common.example_files import read_batches
    from common.internals.beam import look_for_no_credentials

    look_for_no_credentials()
    beam_options = PipelineOptions([*options.args, "--dry_run=True", "--no_auth"])
    pipeline = beam.Pipeline(options=beam_options)
    location = f"{options.values['temp_location']}/examples"
    _ = pipeline | beam.Create([location]) | beam.FlatMap(read_batches)
    job = pipeline.run().job
    for environment in job.proto_pipeline.components.environments.values():
        payload = beam_runner_api_pb2.DockerPayload.FromString(environment.payload)
        roles = [
            beam_runner_api_pb2.ArtifactStagingToRolePayload.FromString(item.role_payload)
            for item in environment.dependencies
        ]
        yield JobEnvironment(payload.container_image, tuple(role.staged_name for role in roles))
