"""The queue for people: which predictions wait at each level, and decisions as labels."""

from datetime import timedelta

import pytest

from common.errors import InputError
from pipeline.config_loading import load_config
from pipeline.production_options.automation import AutomationOptions
from pipeline.reading.ingest_spec import make_ingest_spec
from production.automation.inspection import Inspection, inspect, waiting_items
from production.automation.rendering import queue_table
from production.collection.labels import add_labels, label_history, make_labels
from tests.production.collection.recorded import NOON, Stream, batch_of, record, write_closed

CONFIG = """
name: pump
label: {column: failed, positive: ja, values: [ja, nein]}
data: {path: data.csv}
features:
  pressure: {kind: numeric}
"""
START = NOON - timedelta(hours=1)


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "pump.yaml"
    path.write_text(CONFIG)
    return make_ingest_spec(load_config(path))


@pytest.fixture
def collected(tmp_path):
    """An alarm, a quiet answer, an uncertain one, one that the candidate disagrees with, errors."""
    records = [
        record("alarm", probability=0.9, decision=1, key="p7"),
        record("quiet", probability=0.1, seconds=1),
        # Log-odds -0.405 against 0 of the threshold.
        record("uncertain", probability=0.4, seconds=2),
        record("differing", probability=0.1, seconds=3),
        record("differing", "candidate", probability=0.9, decision=1, seconds=3),
        record("alarm", "candidate", probability=0.9, decision=1),
        record("failed", status="INTERNAL", probability=None, decision=None),
        record("no threshold", probability=0.5, threshold=None, seconds=4),
    ]
    write_closed(tmp_path, [batch_of(records)])
    return tmp_path


def waiting(collected, level, **options):
    options = AutomationOptions(level=level, **options)
    return [
        (item.request_id, item.reason) for item in waiting_items(collected, options, since=START)
    ]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (0, [("alarm", "alarm")]),
        (1, [("differing", "differing")]),
        (2, [("uncertain", "uncertain"), ("differing", "differing")]),
        (3, [("differing", "differing")]),
    ],
)
def test_each_level_has_its_queue(collected, level, expected):
    assert waiting(collected, level) == expected


def test_uncertain_is_a_distance_in_log_odds(collected):
    assert ("uncertain", "uncertain") not in waiting(collected, 2, uncertain=0.4)
    assert ("uncertain", "uncertain") in waiting(collected, 2, uncertain=0.41)


def test_an_item_says_what_the_client_got(collected):
    [item] = waiting_items(collected, AutomationOptions(level=0), since=START)
    assert item.to_json() == {
        "request_id": "alarm",
        "row": 0,
        "time": NOON.isoformat(),
        "key": "p7",
        "version": 100,
        "probability": pytest.approx(0.9),
        "decision": 1,
        "threshold": 0.5,
        "reason": "alarm",
    }


def test_what_was_answered_just_now_waits_too(collected):
    stream = Stream(collected, "stable-2")
    stream.write(record("fresh", probability=0.8, decision=1, seconds=9))
    assert waiting(collected, 0) == [("alarm", "alarm"), ("fresh", "alarm")]


def test_older_requests_are_left_out(collected):
    options = AutomationOptions(level=0)
    assert waiting_items(collected, options, since=NOON + timedelta(days=1)) == []


def test_without_records_nothing_waits(tmp_path):
    assert waiting(tmp_path, 0) == []


def decide(collected, spec, *, request="alarm", row=None, label="ja", why="oil on the floor"):
    order = Inspection(request_id=request, row=row, label=label, by="Ada", why=why)
    return inspect(collected, order, spec)


def test_a_decision_is_a_label_and_leaves_the_queue(collected, spec):
    decided = decide(collected, spec)
    assert (decided.is_positive, decided.change) == (True, "new")
    assert waiting(collected, 0) == []
    [label] = label_history(collected).to_pylist()
    assert (label["request_id"], label["row"], label["label"]) == ("alarm", 0, "ja")
    assert label["source"] == "decided by Ada: oil on the floor"


def test_the_same_decision_again_changes_nothing(collected, spec):
    decide(collected, spec)
    assert decide(collected, spec, why="once more").change == "unchanged"
    assert label_history(collected).num_rows == 1


def test_another_decision_corrects_and_keeps_the_history(collected, spec):
    decide(collected, spec)
    decided = decide(collected, spec, label="nein")
    assert (decided.is_positive, decided.change) == (False, "corrected")
    assert label_history(collected)["label"].to_pylist() == ["ja", "nein"]


def test_a_label_that_came_by_file_leaves_the_queue(collected):
    add_labels(collected, make_labels(["alarm"], ["nein"]), source="x.csv")
    assert waiting(collected, 0) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"request": "nobody"}, "No request with the id nobody is recorded"),
        ({"label": "vielleicht"}, "--label 'vielleicht': "),
        ({"label": ""}, "--label '': "),
        ({"row": 3}, "Request alarm has no row 3. Recorded: 0."),
        ({"why": " "}, "--why is empty"),
    ],
)
def test_a_wrong_decision_is_refused_and_nothing_kept(collected, spec, options, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        decide(collected, spec, **options)
    assert label_history(collected).num_rows == 0


def test_of_several_rows_one_must_be_named(collected, spec):
    rows = [record("batch", row=row, decision=1, probability=0.9) for row in (0, 1)]
    write_closed(collected, [batch_of(rows)], stem="stable-3")
    with pytest.raises(InputError, match="Request batch has 2 rows"):
        decide(collected, spec, request="batch")
    assert decide(collected, spec, request="batch", row=1).change == "new"
    assert waiting(collected, 0) == [("alarm", "alarm"), ("batch", "alarm")]


def test_the_records_of_both_arms_are_read_once(collected):
    # The mirrored copy of an alarm is not another item.
    items = waiting_items(collected, AutomationOptions(level=0), since=START)
    assert [item.version for item in items] == [100]


def test_an_alarm_whose_probability_nobody_asked_for_is_listed(tmp_path):
    write_closed(tmp_path, [batch_of([record("bare", probability=None, decision=1)])])
    [item] = waiting_items(tmp_path, AutomationOptions(level=0), since=START)
    assert item.probability is None
    [row, _] = queue_table([item], limit=1).renderables
    assert list(row.columns[5].cells) == [""]
