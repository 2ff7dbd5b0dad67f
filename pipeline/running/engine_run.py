"""Runs whose data-parallel steps execute on an engine."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from common.errors import InputError
from common.output_folder import OutputFolder, captured_output, open_output
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.remote.checks import check_endpoint, find_problems
from pipeline.remote.engines import EngineOptions, combine_options
from pipeline.remote.package import build_wheel
from pipeline.running.run import run_use_case
from pipeline.running.stages.place import PROJECT_DIR


def run_on_engine(
    config_path: Path,
    output: Path,
    *,
    engine: str | None,
    given: Sequence[str],
    as_json: bool,
) -> int:
    """Runs a use case with its Beam steps on an engine; see `run_use_case`.

    Args:
        config_path: The use case's config file.
        output: Folder for all output of runs.
        engine: `local`, `flink`, `spark` or `dataflow`; None for the config's.
        given: Beam options from the command line.
        as_json: Print the summary as JSON on standard output and text on standard error.

    Raises:
        InputError: An option is invalid, or an engine does not respond.
    """
    config = load_config(config_path)
    folder = open_output(output)
    options = combine_options(engine, config.beam, given)
    refuse(problems_of(config, folder, options))
    check_endpoint(options)
    options = with_code(options, folder)
    return run_use_case(config_path, output, as_json=as_json, beam_args=options.args)


def dry_run(config_path: Path, output: Path, *, engine: str | None, given: Sequence[str]) -> int:
    """Prints what `run_on_engine` would do; arguments and errors are the same.

    Neither the data nor the engine need to exist.
    """
    config = load_config(config_path)
    folder = open_output(output)
    options = combine_options(engine, config.beam, given)
    problems = problems_of(config, folder, options)
    if not problems:
        options = with_code(options, folder)
    with (
        captured_output(folder.root / "dry_run.log") as (out, _),
        os.fdopen(os.dup(out), "w") as text,
    ):
        from ml_metadata.proto import metadata_store_pb2

        from pipeline.create import create_pipeline
        from pipeline.reading.files.locations import Source
        from pipeline.remote.dry_run import print_dry_run

        source = Source(base=str(folder.data), patterns={"data": "*"})
        connection = metadata_store_pb2.ConnectionConfig()
        pipeline = create_pipeline(config, source, folder, connection, options.args)
        console = Console(file=text, soft_wrap=True, highlight=False)
        print_dry_run(pipeline, options, console, build_job=not problems)
    refuse(problems)
    return 0


def problems_of(config: Config, folder: OutputFolder, options: EngineOptions) -> list[str]:
    """Returns the problems with the options for a use case; see `find_problems`."""
    return find_problems(
        options,
        data=config.data.path or str(folder.data),
        artifacts=config.beam.artifacts or str(folder.artifacts),
    )


def refuse(problems: Sequence[str]) -> None:
    """Reports the problems as one error.

    Raises:
        InputError: There are problems.
    """
    if problems:
        raise InputError("\n       ".join(problems))


def with_code(options: EngineOptions, folder: OutputFolder) -> EngineOptions:
    """Adds the project's wheel to the options, for workers without access to local files.

    Args:
        options: The requested options.
        folder: The output folder, in which the wheels are kept.
    """
    if not options.shares_files:
        wheel = build_wheel(PROJECT_DIR, folder.root / "packages")
        return replace(options, args=(*options.args, f"--extra_package={wheel}"))
    if not options.values.get("sdk_container_image"):
        # Any name stops TFX from packaging itself for workers that share the files.
        return replace(options, args=(*options.args, "--sdk_container_image=none"))
    return options
