"""Compiles a use case for Kubeflow Pipelines: one task a step."""

from pathlib import Path
from typing import Any

import click

from commands.command_line.exits import exits_cleanly
from commands.command_line.options import config_option


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@config_option
@click.option("--image", required=True, help="Image with Faultline, as the cluster pulls it.")
@click.option(
    "--metadata-url",
    help="mysql://USER@HOST:PORT/DATABASE or postgresql://…  [default: that of the config]",
)
@click.option(
    "--artifacts", required=True, help="Output folder of runs in containers, such as /data/output."
)
@click.option(
    "--volume",
    "volumes",
    multiple=True,
    metavar="CLAIM=PATH",
    help="PersistentVolumeClaim that every task mounts at PATH; may be repeated.",
)
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="VARIABLE=NAME:KEY",
    help="Environment variable of every task from a Kubernetes secret; may be repeated.",
)
@click.option(
    "--config-in-image",
    help="Config file in containers.  [default: the same file of the project in the image]",
)
@click.option(
    "-o",
    "--output-file",
    type=click.Path(path_type=Path),
    default=Path("pipeline.yaml"),
    show_default=True,
    help="File for the specification.",
)
@exits_cleanly
def main(config_path: Path, output_file: Path, **options: Any) -> int:
    """Compile a use case for Kubeflow Pipelines, version 2: a task for each step.

    \b
    python kubeflow_runner.py --config configs/taxi.yaml --image registry.example/faultline:1 \\
        --metadata-url mysql://faultline@mysql:3306/faultline \\
        --secret FAULTLINE_METADATA_PASSWORD=metadata:password \\
        --volume faultline=/data --artifacts /data/output -o pipeline.yaml

    Each task is a container that runs `faultline step`; dependencies are those of `faultline run`,
    whose cache, gates and lineage stay the same. Resources and retries come from the section
    `kubeflow` of the config. Nothing is sent anywhere: upload the file to Kubeflow.
    """  # noqa: D301 - click wants the backspace itself, not its two letters
    from pipeline.running.kubeflow.compiling import Target, compile_use_case

    return compile_use_case(config_path, Target(**options), output_file)


if __name__ == "__main__":
    main()
