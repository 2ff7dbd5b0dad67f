"""`faultline step`: one step of a run in a process of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import InputError
from pipeline.running.stepping.begin import RunRequest, begin_run
from pipeline.running.stepping.end import end_run
from pipeline.running.stepping.files import BEGIN, END
from pipeline.running.stepping.overrides import AS_IN_CONFIG, Overrides, check_run_id
from pipeline.running.stepping.step import run_one_step


def run_part(step: str, run_id: str, output: Path, options: Mapping[str, Any]) -> int:
    """Runs `begin`, a step, or `end`, and returns the exit code.

    Args:
        step: `begin`, `end`, or the id of a step.
        run_id: The run.
        output: The output folder.
        options: The options of `begin` by name; None where they are not given.

    Raises:
        InputError: An option is missing or has no effect, or as the step says.
        StepFailedError: As the step says.
    """
    check_run_id(run_id)
    if step == BEGIN:
        return begin_run(_request(run_id, options), output)
    given = [name for name, value in options.items() if value is not None]
    if given:
        names = ", ".join(f"--{name.removesuffix('_path').replace('_', '-')}" for name in given)
        raise InputError(f"{names}: only for `begin`, whose values all steps of the run take.")
    return end_run(run_id, output) if step == END else run_one_step(step, run_id, output)


def _request(run_id: str, options: Mapping[str, Any]) -> RunRequest:
    if options["config_path"] is None:
        raise InputError("`begin` needs --config, the YAML file of the use case.")
    return RunRequest(
        config_path=options["config_path"],
        run_id=run_id,
        overrides=Overrides(
            window=_given(options["window"]),
            span=_given(options["span"]),
            seed=options["seed"],
            metadata_url=options["metadata_url"],
        ),
        steps=options["steps"] or "",
    )


def _given(value: int | None) -> int | None:
    """Returns the value of an option that -1 leaves to the config."""
    return None if value == AS_IN_CONFIG else value
