"""Runs a use case with its data-parallel steps on Flink, Spark, Dataflow or any Beam runner."""

from pathlib import Path

import click

from commands.command_line.exits import exits_cleanly
from commands.command_line.options import config_option, json_option, output_option


@click.command(
    context_settings={
        "ignore_unknown_options": True,
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    }
)
@config_option
@output_option
@click.option(
    "--engine",
    type=click.Choice(["local", "flink", "spark", "dataflow"]),
    help="Preset of Beam options: flink and spark use a job server on localhost:8099 and workers "
    "in this process.  [default: `beam.engine` of the config]",
)
@click.option("--dry_run", is_flag=True, help="Print which step would run where, and exit.")
@json_option
@click.argument("beam_options", nargs=-1, type=click.UNPROCESSED)
@exits_cleanly
def main(
    config_path: Path,
    output: Path,
    engine: str | None,
    dry_run: bool,
    as_json: bool,
    beam_options: tuple[str, ...],
) -> int:
    """Run a use case: its Beam steps on an engine, the other steps in this process.

    \b
    python beam_runner.py --engine flink
    python beam_runner.py --runner=PortableRunner --job_endpoint=localhost:8099 \\
        --environment_type=LOOPBACK
    python beam_runner.py --engine dataflow --project=my-project --region=europe-west1 \\
        --temp_location=gs://my-bucket/tmp --sdk_container_image=my/image:1 --dry_run

    BEAM_OPTIONS are passed unchanged to every Beam step. They override `beam.options` of the
    config, which override the preset of --engine. All options are checked before anything starts.
    Exit codes are those of `faultline run`.
    """  # noqa: D301 - click wants the backspace itself, not its two letters
    from pipeline.running import engine_run as run

    if dry_run:
        return run.dry_run(config_path, output, engine=engine, given=beam_options)
    return run.run_on_engine(
        config_path, output, engine=engine, given=beam_options, as_json=as_json
    )


if __name__ == "__main__":
    main()
