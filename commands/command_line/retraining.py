"""Commands that retrain on labelled requests."""

from typing import Any

import click

from commands.command_line.exits import exits_cleanly, quiet_libraries
from commands.command_line.options import (
    by_option,
    output_option,
    use_case_option,
    use_case_options,
    why_option,
)
from commands.command_line.program import main


@main.group(invoke_without_command=True)
@click.option("--why", help="Reason for the retraining, kept in its journal and in ML Metadata.")
@by_option
@click.option("--dry-run", is_flag=True, help="Start nothing; print what `status` prints.")
@use_case_options
@click.pass_context
def retrain(
    context: click.Context, /, *, why: str | None, by: str | None, dry_run: bool, **place: Any
) -> None:
    """Train a new model on the latest labelled requests.

    The requests become the newest span. The gate compares the new model with the served one, and
    the rollout follows the config. `faultline loop` starts retrainings by itself, by the config's
    section `retraining`. An interrupted retraining continues.

    \b
    faultline retrain --why "two new sensors"
    faultline retrain --dry-run            show whether one would start now, and what is missing
    faultline retrain status               show the retraining in progress, or why there is none
    faultline retrain history              list all retrainings with trigger and result
    faultline retrain approve --why ...    start a proposed retraining
    faultline retrain decline --why ...    decline a proposed retraining
    """  # noqa: D301 - as above
    # Options before a subcommand apply to it too.
    context.default_map = dict.fromkeys(retrain.commands, place | {"why": why, "by": by})
    if context.invoked_subcommand is not None:
        return
    if dry_run:
        _retrain_status(**place)
    if why is None:
        raise click.UsageError("Give the reason with --why, or --dry-run to see what is missing.")
    _begin_retraining(why, by, **place)


@exits_cleanly
def _begin_retraining(why: str, by: str | None, **place: Any) -> int:
    quiet_libraries()
    from commands.retraining.retrain import Order, Place, begin_retraining

    return begin_retraining(Place(**place), Order(why=why, by=by))


@exits_cleanly
def _retrain_status(**place: Any) -> int:
    quiet_libraries()
    from commands.retraining.retrain import Place, print_status

    return print_status(Place(**place))


@retrain.command("status")
@use_case_options
def retrain_status(**place: Any) -> None:
    """Show the current and the last retraining, and what the automation waits for."""
    _retrain_status(**place)


@retrain.command("history")
@use_case_options
@exits_cleanly
def retrain_history(**place: Any) -> int:
    """List all retrainings, the newest first: trigger, data, result."""
    from commands.retraining.retrain import Place, print_history

    return print_history(Place(**place))


def _retrain_decision(name: str, *, is_approved: bool, text: str) -> None:
    """Adds a command that decides on a proposed retraining."""

    @retrain.command(name, help=text)
    @why_option
    @by_option
    @use_case_options
    @exits_cleanly
    def command(why: str, by: str | None, **place: Any) -> int:
        quiet_libraries()
        from commands.retraining.retrain import Order, Place, decide_proposal

        return decide_proposal(Place(**place), Order(why=why, by=by), is_approved=is_approved)


_retrain_decision(
    "approve",
    is_approved=True,
    text="Start a proposed retraining.\n\nA running `faultline loop` carries it out; without "
    "one, this command does.",
)


_retrain_decision(
    "decline",
    is_approved=False,
    text="Decline a proposed retraining, or end one before it trains.",
)


@main.command()
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(min=0.5),
    default=60.0,
    show_default=True,
    help="Seconds between two looks at the recorded requests.",
)
@click.option("--serve", "has_server", is_flag=True, help="Start `serve --gateway` too.")
@use_case_option
@output_option
@exits_cleanly
def loop(**options: Any) -> int:
    """Monitor, retrain and roll out until stopped.

    The config's section `retraining` decides when retrainings start, `rollout` and `automation` how
    models are rolled out: with `rollout.start: on_push` and level 3, a better model takes over
    without a person. The gateway runs as a separate `faultline serve --gateway`, or is started by
    --serve. All state is in the output folder: after a kill, the next loop continues.

    \b
    faultline loop --config configs/wells.yaml --serve
    faultline retrain status               show what the loop waits for
    """  # noqa: D301 - as above
    quiet_libraries()
    from commands.retraining.loop import LoopOptions, run_loop

    return run_loop(LoopOptions(**options))
