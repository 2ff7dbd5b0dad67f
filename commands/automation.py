"""`faultline automation`: the queue of predictions for people, and the report on the levels."""

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from commands.queries import Place, deciding_person, print_answer
from common.guards.terminal import escape
from common.output_folder import OutputFolder, open_output

if TYPE_CHECKING:
    from pipeline.config import Config


def print_queue(place: Place, *, days: float, limit: int) -> int:
    """Prints the predictions that wait for a person; returns 0.

    Args:
        place: The model.
        days: How far back to look.
        limit: Most predictions to print as text.

    Raises:
        InputError: The config cannot be read, or no request to the model was recorded.
    """
    from production.automation.inspection import waiting_items
    from production.automation.rendering import queue_table
    from production.collection.delivery import check_recorded

    folder, config, model = _open(place)
    check_recorded(folder, model)
    since = datetime.now(UTC) - timedelta(days=days)
    items = waiting_items(folder.collected(model), config.automation, since=since)
    values = [item.to_json() for item in items]
    print_answer(values, lambda: queue_table(items, limit=limit), as_json=place.as_json)
    return 0


@dataclass(frozen=True, kw_only=True)
class Order:
    """A person's decision on one prediction.

    Attributes:
        request_id: Id of the request.
        row: Row of the request; None if it has one row only.
        label: The label, in the config's words.
        by: Who decides; None for the name of the login.
        why: The reason.
    """

    request_id: str
    row: int | None
    label: str
    by: str | None
    why: str


def decide(place: Place, order: Order) -> int:
    """Keeps a person's decision as a label; returns 0.

    Raises:
        InputError: The request was not recorded, or the value is no label; nothing is kept.
    """
    from pipeline.reading.ingest_spec import make_ingest_spec
    from production.automation.inspection import Inspection, inspect
    from production.collection.delivery import check_recorded

    folder, config, model = _open(place)
    check_recorded(folder, model)
    values = vars(order) | {"by": deciding_person(order.by)}
    decided = inspect(folder.collected(model), Inspection(**values), make_ingest_spec(config))
    meaning = "a fault" if decided.is_positive else "no fault"
    changes = {
        "new": "is kept",
        "corrected": "replaces an earlier one, which stays in the history",
        "unchanged": "was there already",
    }
    text = f"{order.request_id}: {meaning}. The label {changes[decided.change]}."
    print_answer(values | dataclasses.asdict(decided), lambda: escape(text), as_json=place.as_json)
    return 0


def print_automation_report(place: Place) -> int:
    """Prints how often each level of automation would have been right; returns 0.

    Raises:
        InputError: The config or the journal of rollouts cannot be read.
    """
    from pipeline.reading.ingest_spec import make_ingest_spec
    from production.automation.rendering import report_tables
    from production.automation.report import make_report
    from production.collection.labels import are_positive

    folder, config, model = _open(place)
    tell = partial(are_positive, spec=make_ingest_spec(config))
    report = make_report(folder, model, config.automation, tell)
    print_answer(report.to_json(), lambda: report_tables(report), as_json=place.as_json)
    return 0


def _open(place: Place) -> "tuple[OutputFolder, Config, str]":
    from production.rollout.gateway_config import gateway_config

    folder = open_output(place.output)
    config = place.config()
    model = place.model or config.name
    of_gateway = gateway_config(folder, model) if place.config_path is None else None
    if of_gateway is not None:  # which may have been started with another config
        config = dataclasses.replace(config, automation=of_gateway.automation)
    return folder, config, model
