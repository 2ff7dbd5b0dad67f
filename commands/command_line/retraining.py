"""Commands that train anew on requests with labels."""

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
@click.option("--why", help="Reason to begin a retraining, kept in its journal and in ML Metadata.")
@by_option
@click.option("--dry-run", is_flag=True, help="Begin nothing; print what is missing, as `status`.")
@use_case_options
@click.pass_context
def retrain(
    context: click.Context, /, *, why: str | None, by: str | None, dry_run: bool, **place: Any
) -> None:
    """Train a new model on the latest labelled requests.

    They become the newest span. The gate compares the model with the served one, and the rollout
    follows as the config says. `faultline loop` begins retrainings by itself, as `retraining` of
    the config says. One that was interrupted goes on.

    \b
    faultline retrain --why "two new sensors"
    faultline retrain --dry-run            what would begin one now, and what is missing
    faultline retrain status               what goes on, and why nothing does
    faultline retrain history              all retrainings, what began them and what came of them
    faultline retrain approve --why ...    let a proposed one begin
    faultline retrain decline --why ...    end a proposed one
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
    """Show the retraining that goes on, the last one, and what the automation waits for."""
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
    text="Let a proposed retraining begin.\n\nA running `faultline loop` carries it out; without "
    "one, this command does.",
)


_retrain_decision("decline", is_approved=False, text="End a retraining before it trains.")


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
    """Monitor, retrain and roll out until a signal comes.

    Retrainings begin as `retraining` of the config says, rollouts as `rollout` and `automation` do:
    with `rollout.start: on_push` and level 3, a better model takes over with nobody touching it.
    The gateway runs in a process of its own, `faultline serve --gateway`, or by --serve. Everything
    is kept in the output folder: after a kill, the next loop goes on.

    \b
    faultline loop --config configs/wells.yaml --serve
    faultline retrain status               what it waits for
    """  # noqa: D301 - as above
    quiet_libraries()
    from commands.retraining.loop import LoopOptions, run_loop

    return run_loop(LoopOptions(**options))
