"""`faultline rollback` and `faultline withdraw`: versions that leave service, and come back."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.markup import escape

from commands.queries import deciding_person, open_runs, print_answer
from commands.rollout import Outcome, follow, record
from common.errors import StepFailedError
from common.output_folder import OutputFolder, exclusive, open_output
from pipeline.config import SHADOW_SUFFIX
from pipeline.config_loading import load_config


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """What a person asks for.

    Attributes:
        reference: `NAME` or `NAME/VERSION`.
        why: The reason.
        by: Who decides; None for the name of the login.
    """

    reference: str
    why: str
    by: str | None


def roll_back(order: Order, config_path: Path | None, output: Path, *, as_json: bool) -> int:
    """Goes back to an older version of a served model; returns the exit code.

    Args:
        order: The model, and who decides why.
        config_path: The YAML that names a metadata server, or None for the output's SQLite file.
        output: The output folder.
        as_json: JSON on standard output instead of text.
    """
    from production import rollback

    return _carry_out(rollback.roll_back, order, config_path, output, as_json=as_json)


def withdraw(order: Order, config_path: Path | None, output: Path, *, as_json: bool) -> int:
    """Takes a version out of service; arguments and result as of `roll_back`."""
    from production import rollback

    return _carry_out(rollback.withdraw, order, config_path, output, as_json=as_json)


def _carry_out(
    change_versions: Callable[..., Any],
    order: Order,
    config_path: Path | None,
    output: Path,
    *,
    as_json: bool,
) -> int:
    from pipeline.components.pusher.signing import check_trusted
    from production import rollback
    from production.rollout.actions import follow_change, open_journal
    from production.rollout.gateway_config import gateway_config
    from production.rollout.state import label

    store = open_runs(config_path, output)
    decision = rollback.Decision(by=deciding_person(order.by), why=order.why)
    folder = open_output(output)
    outcomes: list[Outcome] = []

    def move_traffic(change: rollback.Change) -> None:
        model = change.name.removesuffix(SHADOW_SUFFIX)
        config = load_config(config_path) if config_path else gateway_config(folder, model)
        if config is not None and change_versions is rollback.roll_back:
            check_trusted(folder.serving(change.name), change.after, config)
        is_rollback = change_versions is rollback.roll_back
        entry = follow_change(folder, change, decision, is_rollback=is_rollback)
        if entry is None:
            return
        outcome = follow(folder, entry)
        if outcome.is_served and (outcome.problem or outcome.seconds is None):
            problem = outcome.problem or outcome.words
            raise StepFailedError(f"The gateway still needs the version: {problem} No file moved.")
        outcomes.append(outcome)

    with exclusive(folder):
        change = change_versions(store, folder, order.reference, decision, prepare=move_traffic)
    values = dataclasses.asdict(change)
    lines = [_text(change, folder)]
    model = change.name.removesuffix(SHADOW_SUFFIX)
    state = open_journal(folder, model).state()
    if state is not None:
        lines.append(f"Behind a gateway: {escape(label(state.stable))}")
    if outcomes:
        lines += filter(None, [outcomes[0].words, record(config_path, output, model)])
    print_answer(values, lambda: "\n".join(lines), as_json=as_json)
    return 0


def _text(change: Any, folder: OutputFolder) -> str:
    name = escape(change.name)
    lines = [f"Withdrawn: {name}/{version}" for version in change.withdrawn]
    if change.restored is not None:
        lines.append(f"Put back: {name}/{change.restored}")
    served = f"Served now: {name}/{change.after} in {escape(str(folder.serving(change.name)))}"
    same = " (unchanged)" if change.after == change.before else ""
    return "\n".join([*lines, served + same])
