"""Commands for rollouts, and for decisions that the automation leaves to people."""

from pathlib import Path
from typing import Any

import click

from commands.command_line.exits import exits_cleanly, quiet_libraries
from commands.command_line.options import (
    by_option,
    deciding_options,
    json_option,
    model_options,
    output_option,
    why_option,
)
from commands.command_line.program import main


@main.group()
def rollout() -> None:
    """Let a pushed model take over from the served one, in steps.

    `faultline serve --gateway` sends requests to both models as the rollout says. Without a running
    gateway, an action applies when the next one starts.

    \b
    faultline rollout start wells/1795485203 --why "trained on May"
    faultline rollout status               show the step, the evidence and what comes next
    faultline rollout advance --why ...    take the next step; after the last one, promote
    faultline rollout hold --why ...       stay at this step
    faultline rollout approve --why ...    let a waiting or held rollout continue
    faultline rollout rollback --why ...   serve the previous version again, even after promotion
    faultline rollout abort --why ...      end the rollout without a verdict
    faultline rollout history              list who decided what, when and why
    """  # noqa: D301 - as above


@rollout.command("start")
@click.argument("reference", metavar="[NAME[/VERSION]]", required=False)
@click.option(
    "--strategy",
    type=click.Choice(["shadow", "canary", "blue_green"]),
    help="How the model takes over.  [default: `rollout.strategy` of the config]",
)
@why_option
@by_option
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="YAML with the `rollout` options.  [default: the config that the model's run recorded]",
)
@output_option
@json_option
@exits_cleanly
def rollout_start(strategy: Any, **options: Any) -> int:
    """Start the rollout of VERSION, by default the newest.

    The version must be BLESSED, in service and undamaged. An INCONCLUSIVE one, NAME_shadow/VERSION,
    starts in shadow mode and is promoted only after `faultline rollout approve`. A model has one
    rollout at a time.
    """
    quiet_libraries()
    from commands.rollout import Order, start_rollout

    return start_rollout(Order(**options), strategy)


@rollout.command("status")
@click.argument("model", metavar="[NAME]", required=False)
@output_option
@json_option
@exits_cleanly
def rollout_status(model: str | None, output: Path, *, as_json: bool) -> int:
    """Show what is served of NAME, the step of its rollout, the evidence and what comes next."""
    from commands.rollout import print_status

    return print_status(model, output, as_json=as_json)


@rollout.command("history")
@click.argument("model", metavar="[NAME]", required=False)
@output_option
@json_option
@exits_cleanly
def rollout_history(model: str | None, output: Path, *, as_json: bool) -> int:
    """List every transition of NAME, the newest first, with who decided it and why."""
    from commands.rollout import print_history

    return print_history(model, output, as_json=as_json)


def _rollout_action(name: str, action: Any, text: str) -> None:
    """Adds a command that takes an action on the rollout of a model."""

    @rollout.command(name, help=text)
    @click.argument("reference", metavar="[NAME]", required=False)
    @deciding_options
    @exits_cleanly
    def command(**options: Any) -> int:
        quiet_libraries()
        from commands.rollout import Order, take_action

        return take_action(Order(**options), action)


_rollout_action(
    "advance", "advance", "Take the next step of NAME now; after the last one, promote."
)


_rollout_action("hold", "hold", "Keep NAME at the current step until `approve` or `advance`.")


_rollout_action(
    "approve",
    "approve",
    "Let a rollout of NAME continue that waits for a person or is held.\n\nIt takes the step that "
    "a waiting rollout asks for. It also approves the promotion of a model whose verdict is "
    "INCONCLUSIVE.",
)


_rollout_action(
    "abort",
    "abort",
    "End the rollout of NAME without a verdict; the served version is unchanged.",
)


_rollout_action(
    "rollback",
    "roll_back",
    "Serve the version that NAME had before the rollout.\n\nAfter a promotion too, as long as that "
    "version is in service. No file moves; `faultline rollback` also takes the newer version out "
    "of service.",
)


@main.group()
def automation() -> None:
    """Decide predictions that the automation leaves to people.

    `automation.level` of the config says how much is decided without a person: 0 human_inspection,
    1 shadow_mode, 2 human_in_the_loop, 3 full_automation.

    \b
    faultline automation queue             list predictions that wait for a person
    faultline automation decide REQUEST --label 1 --why "bearing is loose"
    faultline automation report            compare what each level would have decided
    """  # noqa: D301 - as above


@automation.command("queue")
@click.option(
    "--days",
    type=click.FloatRange(0, 36_500),
    default=7,
    show_default=True,
    help="Days to look back.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Lines to print."
)
@model_options
@exits_cleanly
def automation_queue(days: float, limit: int, **options: Any) -> int:
    """List the predictions that wait for a person, the oldest first.

    At level 0 these are all alarms, at level 2 the uncertain predictions. From level 1 on, requests
    on which the two models of a rollout differ are listed too: their labels are the evidence that
    tells which model is right. --json prints all of them.
    """
    from commands.automation import print_queue
    from commands.queries import Place

    return print_queue(Place(**options), days=days, limit=limit)


@automation.command("decide")
@click.argument("request_id", metavar="REQUEST")
@click.option("--label", required=True, help="The label, in the words of the training data.")
@click.option("--row", type=click.IntRange(min=0), help="Row of the request, from 0.")
@click.option("--why", required=True, help="Reason, kept with the label.")
@by_option
@model_options
@exits_cleanly
def automation_decide(request_id: str, **options: Any) -> int:
    """Decide one prediction: your decision becomes the label of REQUEST.

    It is a label like those of `faultline labels`: evidence in rollouts, and training data of
    `faultline span`. The same decision again changes nothing; another one corrects it.
    """
    from commands.automation import Order, decide
    from commands.queries import Place

    names = ("label", "row", "why", "by")
    order = Order(request_id=request_id, **{name: options.pop(name) for name in names})
    return decide(Place(**options), order)


@automation.command("report")
@model_options
@exits_cleanly
def automation_report(**options: Any) -> int:
    """Compare the levels: what each would have decided, and how it turned out.

    A rollout counts once it was promoted or rolled back, a prediction once it has a label.
    """
    quiet_libraries()
    from commands.automation import print_automation_report
    from commands.queries import Place

    return print_automation_report(Place(**options))
