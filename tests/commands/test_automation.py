"""`faultline automation`: what its commands print and keep."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from commands.automation import Order, decide, print_automation_report, print_queue
from commands.queries import Place
from common.errors import InputError
from common.output_folder import OutputFolder
from production.collection.labels import label_history
from tests.production.collection.recorded import Stream, record

CONFIG = """
name: pump
label: {column: failed}
data: {path: data.csv}
features:
  pressure: {kind: numeric}
automation: {level: human_inspection}
"""


@pytest.fixture
def place(tmp_path):
    config = tmp_path / "pump.yaml"
    config.write_text(CONFIG)
    return Place(model=None, config_path=config, output=tmp_path / "output", as_json=True)


@pytest.fixture
def collected(place):
    """Two alarms of this moment; the id of the second looks like markup."""
    collected = OutputFolder(place.output).collected("pump")
    stream, now = Stream(collected), datetime.now(UTC)
    alarm = {"probability": 0.9, "decision": 1}
    first = record("r-1", **alarm, time=now - timedelta(seconds=1))
    stream.write(first, record("[bold]r-2", **alarm, time=now))
    return collected


def answer(capsys):
    printed = capsys.readouterr()
    return json.loads(printed.out), printed.err


def test_the_queue_lists_what_waits_and_how_to_decide(place, collected, capsys):
    assert print_queue(place, days=1, limit=1) == 0
    values, text = answer(capsys)
    assert [item["request_id"] for item in values] == ["r-1", "[bold]r-2"]
    assert "r-1" in text
    assert "[bold]r-2" not in text
    assert "2 predictions waiting, 1 of them shown." in text
    print_queue(place, days=1, limit=5)
    assert "[bold]r-2" in answer(capsys)[1]


def test_a_decision_is_kept_with_its_reason(place, collected, capsys):
    order = Order(request_id="r-1", row=None, label="1", by="Ada", why="it leaks")
    assert decide(place, order) == 0
    values, text = answer(capsys)
    assert (values["is_positive"], values["change"]) == (True, "new")
    assert "r-1: a fault. The label is kept." in text
    assert label_history(collected)["source"].to_pylist() == ["decided by Ada: it leaks"]
    print_queue(place, days=1, limit=5)
    assert "1 prediction waiting" in answer(capsys)[1]


def test_a_label_without_a_meaning_is_refused(place, collected):
    order = Order(request_id="r-1", row=None, label="7", by="Ada", why="x")
    with pytest.raises(InputError, match=r"`7` found, .*`1`, `0`. List all values .* label.values"):
        decide(place, order)
    assert label_history(collected).num_rows == 0


def test_the_report_rates_the_decided_predictions(place, collected, capsys):
    for request_id, label in (("r-1", "1"), ("[bold]r-2", "0")):
        decide(place, Order(request_id=request_id, row=0, label=label, by="Ada", why="seen"))
    capsys.readouterr()
    assert print_automation_report(place) == 0
    values, text = answer(capsys)
    shares = [rate["share"] for rate in values["of_predictions"]]
    # Level 0 leaves both alarms to people, level 1 everything; both are certain at level 2.
    assert shares == [None, None, 0.5, 0.5]
    assert "1 of 2: 50.0%" in text


def test_without_recorded_requests_the_error_says_how_to_record(place):
    with pytest.raises(InputError, match="`faultline serve --gateway` always records them"):
        print_queue(place, days=1, limit=1)
