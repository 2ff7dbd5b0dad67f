"""Runs of a use case's pipeline on an engine up to a given step, with step times."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.output_folder import open_output
from pipeline.config_loading import load_config
from pipeline.reading.data_source import find_source

BEAM_STEPS = ("ArrowExampleGen", "StatisticsGen", "Transform", "Evaluator")


@dataclass(frozen=True, kw_only=True)
class UseCaseRun:
    """Result of a run.

    Attributes:
        name: The use case.
        uris: Folder of each output, by the output's name.
        durations_s: Wall time of each step, in seconds.
    """

    name: str
    uris: dict[str, str]
    durations_s: dict[str, float]


def portable_args(
    endpoint: str,
    *,
    parallelism: int | None = None,
    workers: Sequence[str] = ("--environment_type=LOOPBACK",),
) -> list[str]:
    """Returns Beam's options for a job server.

    Args:
        endpoint: The job server, `HOST:PORT`.
        parallelism: Number of parallel workers, for Flink.
        workers: Environment of the workers; by default this process.
    """
    return [
        "--runner=PortableRunner",
        f"--job_endpoint={endpoint}",
        *workers,
        # Any image will do: without one, TFX packages itself for remote workers at every step.
        "--sdk_container_image=none",
        *([] if parallelism is None else [f"--parallelism={parallelism}"]),
    ]


def run_use_case_on(
    beam_args: Sequence[str],
    config_path: Path,
    output: Path,
    *,
    last_step: str,
    on_start: Callable[[str], None] = lambda _: None,
) -> UseCaseRun:
    """Runs the steps of a use case up to `last_step`, the Beam steps as the options say.

    Args:
        beam_args: Beam's options.
        config_path: The use case's YAML.
        output: The output folder, whose cache is used.
        last_step: Name of the last step to run.
        on_start: Called with a step's name when it starts.
    """
    from common.metadata import connection_config
    from pipeline.create import create_pipeline
    from pipeline.running.runner import compile_pipeline, run_steps
    from pipeline.running.steps import StepState

    config, folder = load_config(config_path), open_output(output)
    connection = connection_config(config.metadata, folder.root, os.environ)
    source = find_source(config, folder, beam_args=beam_args)
    pipeline = create_pipeline(config, source, folder, connection, beam_args)
    uris: dict[str, str] = {}
    durations_s: dict[str, float] = {}
    compiled = compile_pipeline(pipeline, f"engine-{config.name}")
    for step in run_steps(compiled, connection, on_start=on_start):
        durations_s[step.name] = step.duration_s
        uris |= {key: artifacts[0].uri for key, artifacts in step.outputs.items()}
        # A failed step is reported first, then raised.
        if step.name == last_step and step.state is not StepState.FAILED:
            break
    return UseCaseRun(name=config.name, uris=uris, durations_s=durations_s)
