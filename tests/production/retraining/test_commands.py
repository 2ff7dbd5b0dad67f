"""`faultline retrain` without a run: status, proposals, and what it refuses."""

import json

import pytest
from click.testing import CliRunner

from commands.command_line import main
from production.retraining import actions
from production.retraining.state import Phase, Trigger
from tests.production.retraining.worlds import CHAMPION, World

PROPOSED = Trigger(name="cost", by="faultline", why="drift costs an estimated 80 a day")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def _call(world, *arguments, options=()):
    places = ("--config", str(world.config_path), "--output", str(world.folder.root))
    return CliRunner().invoke(main, ["retrain", *options, *arguments, *places])


def _status(world, *options):
    done = _call(world, *options, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_status_says_what_is_missing(world):
    world.ask(1, 0)
    values = _status(world, "status")
    assert (values["served_version"], values["active"]) == (CHAMPION, None)
    assert values["new_labels"] == {"rows": 2, "positives": 1}
    assert values["decision"]["missing"] == [
        "2 new labels with 1 positive, the trigger is 10 with 3 positive"
    ]
    assert "No retraining yet." in _call(world, "status").output


def test_a_dry_run_begins_nothing(world):
    world.ask(*[1] * 10)
    values = _status(world, "--dry-run")
    assert (values["decision"]["action"], values["decision"]["trigger"]["name"]) == (
        *("start", "labels"),
    )
    assert world.journal().read() == ()


def test_a_proposal_is_declined_with_a_reason(world):
    actions.begin(world.journal(), PROPOSED, champion=CHAMPION, is_approved=False)
    shown = _call(world, "status").output
    assert "Retraining t1 waits for approval" in shown
    assert "faultline retrain approve" in shown
    done = _call(world, "decline", "--why", "the pumps are being serviced", "--by", "Ada")
    assert done.exit_code == 0, done.output
    assert "declined by Ada: the pumps are being serviced" in done.output
    assert world.latest().phase is Phase.ENDED
    [one] = json.loads(_call(world, "history", "--json").stdout)
    assert (one["id"], one["result"]["outcome"]) == ("t1", "declined")


def test_a_proposal_that_a_loop_works_on_is_left_to_it(world):
    actions.begin(world.journal(), PROPOSED, champion=CHAMPION, is_approved=False)
    with actions.working(world.folder.retraining("wells")):
        done = _call(world, "approve", "--why", "it is time", "--by", "Ada")
    assert done.exit_code == 0, done.output
    assert "`faultline loop` carries it out" in done.output
    assert world.latest().phase is Phase.APPROVED


def test_a_persons_retraining_beside_a_proposed_one_is_refused(world):
    actions.begin(world.journal(), PROPOSED, champion=CHAMPION, is_approved=False)
    done = _call(world, "--why", "x", "--by", "Ada")
    assert done.exit_code == 2
    assert "retraining t1 waits for approval" in done.output


def test_without_a_reason_nothing_begins(world):
    done = _call(world)
    assert done.exit_code == 2
    assert "Give the reason with --why" in done.output
    assert world.journal().read() == ()


def test_a_config_without_spans_is_refused_before_anything_is_written(world):
    text = world.config_path.read_text()
    (world.root / "wells.csv").write_text("x,faulty\n1.0,1\n")
    world.config_path.write_text(text.replace('"spans/{SPAN}/*.csv", window: 3', "wells.csv"))
    done = _call(world, "--why", "x", "--by", "Ada")
    assert done.exit_code == 2
    assert "A new span needs {SPAN} or {DATE} in data.path" in done.output
    assert not world.folder.retraining("wells").exists()
