"""`faultline replay`: a recorded request, asked again, with all that its answer came from."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group

from commands.queries import Place, open_runs, print_answer
from common.errors import InputError

if TYPE_CHECKING:
    from production.monitoring.replay.recorded import Recorded
    from production.monitoring.replay.rendering import Outcome
    from production.monitoring.replay.replay import Replayer


def replay_request(place: Place, request_id: str) -> int:
    """Replays a request; returns 0, or 1 if an answer is not the recorded one bit for bit.

    Args:
        place: The model.
        request_id: Id of the request.

    Raises:
        InputError: The request was not recorded, or none of its answers can be replayed.
    """
    from common.output_folder import captured_output, log_of_reader
    from production.collection.delivery import check_recorded

    model, folder = place.name(), place.folder
    check_recorded(folder, model)
    log = log_of_reader(folder.reports / "replay.log")
    with captured_output(log):  # TensorFlow's start-up messages
        from production.monitoring.replay.rendering import render_outcome
        from production.monitoring.replay.replay import Replayer

        with closing(Replayer(folder, model)) as replayer:
            outcomes = [_outcome(replayer, one, place, model) for one in replayer.find(request_id)]
    replays = [outcome.replay for outcome in outcomes if outcome.replay is not None]
    if not replays:
        raise InputError(outcomes[0].problem)
    values = [outcome.to_json() for outcome in outcomes]
    print_answer(
        values,
        lambda: Group(*(render_outcome(outcome, model) for outcome in outcomes)),
        as_json=place.as_json,
    )
    return 0 if all(replay.is_same for replay in replays) else 1


def _outcome(replayer: "Replayer", recorded: "Recorded", place: Place, model: str) -> "Outcome":
    from production.monitoring.replay.rendering import Outcome

    replay, problem = None, ""
    try:
        replay = replayer.replay(recorded)
    except InputError as error:
        problem = str(error)
    lineage = _lineage(place.config_path, place.output, f"{model}/{recorded.version}")
    return Outcome(recorded=recorded, replay=replay, problem=problem, lineage=lineage)


def _lineage(config_path: Path | None, output: Path, reference: str) -> Mapping[str, str]:
    """Where a version came from; a version that no run pushed can be replayed all the same."""
    from pipeline.lineage import lineage_of, short_lineage

    try:
        return short_lineage(lineage_of(open_runs(config_path, output), reference))
    except InputError as error:
        return {"lineage": f"not recorded: {error}"}
