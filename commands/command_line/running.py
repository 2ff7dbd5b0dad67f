"""Commands that run the pipeline, and that look after its folder and environment."""

from pathlib import Path
from typing import Any

import click

from commands.command_line.exits import exits_cleanly, quiet_libraries
from commands.command_line.options import (
    PROJECT_DIR,
    config_option,
    json_option,
    output_option,
    server_option,
)
from commands.command_line.program import main


@main.command()
@config_option
@click.option(
    "--data-rev",
    metavar="REV",
    help="Run on data of this git revision, which `dvc` fetches; the working copy is untouched.",
)
@output_option
@json_option
@exits_cleanly
def run(config_path: Path, data_rev: str | None, output: Path, as_json: bool) -> int:
    """Run a use case from raw data to a blessed, pushed model.

    Steps whose inputs, parameters and code are unchanged come from the cache. A model without
    skill, or worse than the last blessed model, is rejected: the command exits with code 3 and the
    served model is unchanged. The same holds for an inconclusive verdict, unless
    `gate.on_inconclusive` is `shadow`: then the model is pushed to the shadow folder (exit code 0).
    """
    from pipeline.running.run import run_use_case

    return run_use_case(config_path, output, as_json=as_json, data_revision=data_rev)


@main.command()
@click.argument("step_id", metavar="STEP")
@click.option("--run", "run_id", required=True, help="Id of the run, of your choice.")
@output_option
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="YAML file of the use case; for `begin`.",
)
@click.option("--metadata-url", help="Replaces `metadata.url` of the config; for `begin`.")
@click.option(
    "--window", type=int, help="Replaces `data.window` of the config; -1 does not. For `begin`."
)
@click.option(
    "--span", type=int, help="Replaces `data.last_span` of the config; -1 does not. For `begin`."
)
@click.option("--seed", type=int, help="Replaces `seed` of the config; for `begin`.")
@click.option("--steps", help="Digest of the steps that will be started; for `begin`.")
@exits_cleanly
def step(step_id: str, run_id: str, output: Path, **options: Any) -> int:
    """Run one step of a run in a separate process.

    STEP is `begin`, then the id of each step, such as Trainer, then `end`, which prints the summary
    that `faultline run` prints. The steps share the output folder and the metadata store. A step
    waits for no other: it refuses to start before those that it depends on have ended. Steps that
    do not depend on each other may run at the same time. Each may be repeated.

    \b
    faultline step begin --run trial-1 --config configs/taxi.yaml
    faultline step ArrowExampleGen --run trial-1
    faultline step end --run trial-1
    """  # noqa: D301 - as above
    from commands.running.step import run_part

    return run_part(step_id, run_id, output, options)


@main.command()
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    required=True,
    help="Number of runs of each use case to keep.",
)
@click.option("--dry-run", is_flag=True, help="Remove nothing; print the folders and their size.")
@server_option
@output_option
@json_option
@exits_cleanly
def clean(**options: Any) -> int:
    """Remove what old runs left: folders, reports, artifacts.

    Served and withdrawn versions stay, and so does everything that the kept runs, the served model
    and the next comparison need. The history stays complete: `runs` and `lineage` still show every
    run.

    \b
    faultline clean --keep 5 --dry-run
    faultline clean --keep 5
    """  # noqa: D301 - as above
    quiet_libraries()
    from commands.clean import clean_output

    return clean_output(**options)


@main.command()
@output_option
@json_option
@exits_cleanly
def doctor(output: Path, as_json: bool) -> int:
    """Check that this machine can run the pipeline. Exits with code 1 if it cannot."""
    from commands.queries import print_doctor

    return print_doctor(output, PROJECT_DIR / "requirements.lock", as_json=as_json)


@main.command()
@click.option(
    "--output-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; by default the bill is printed.",
)
@click.option(
    "--lock",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Lock file whose packages are all listed, such as that of an image.",
)
@exits_cleanly
def sbom(output_file: Path | None, lock: Path | None) -> int:
    """Write a software bill of materials, as CycloneDX JSON.

    It lists each package of requirements.lock that runs need on this platform: version, hashes,
    dependencies, and the licence that the installed package declares. Each model carries the bill
    of the environment that it was trained in, in assets.extra/sbom.cdx.json.

    \b
    faultline sbom --output-file faultline.cdx.json
    """  # noqa: D301 - as above
    from commands.queries import print_bill

    return print_bill(
        lock or PROJECT_DIR / "requirements.lock", output_file, whole=lock is not None
    )
