"""`faultline rollout`, `rollback` and `withdraw` on an output folder without models in it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from commands.command_line import main
from common.guards.manifests import make_manifest
from common.output_folder import OutputFolder
from common.signing.signatures import sign_folder
from pipeline.components.pusher.version_folder import _write_manifest
from pipeline.config_loading import load_config
from pipeline.production_options.rollout import CanaryStep
from production.rollout.actions import open_journal
from production.rollout.gateway_config import keep_gateway_config
from production.rollout.metadata import EXECUTION_TYPE
from production.rollout.state import Phase
from tests.production.controller.fakes import FakeGateway, make_rig, running
from tests.production.rollout.pushes import new_store, push
from tests.signed_versions import make_pair

PROJECT = Path(__file__).resolve().parents[2]
CONFIG = """
name: wells
label: {column: failed}
data: {path: data.csv}
features: {pressure: {kind: numeric}}
"""
WHY = ("--why", "trained on May", "--by", "Ada")


@pytest.fixture
def folder(tmp_path):
    folder = OutputFolder(tmp_path)
    store = new_store(folder)
    for version in (100, 200):
        push(store, folder, version)
    return folder


@pytest.fixture
def faultline(folder):
    def call(*arguments):
        return CliRunner().invoke(main, [*arguments, "--output", str(folder.root)])

    return call


@pytest.fixture
def gateway(folder, faultline):
    """A gateway without processes, which follows the journal beside the commands."""
    assert faultline("rollout", "start", "wells/200", *WHY).exit_code == 0
    rig = make_rig(folder)
    with running(rig):
        yield rig.gateway


def _state(folder):
    return open_journal(folder, "wells").state()


def test_a_rollout_is_started_and_recorded(folder, faultline):
    done = faultline("rollout", "start", *WHY)
    assert done.exit_code == 0, done.output
    assert "Rollout r1 to wells/200 running: step 1 of 3, 5 %. Ada: trained on May" in done.output
    assert "applies at the next `faultline serve --gateway`" in done.output
    assert "Evidence for promotion takes about " in done.output
    events = [
        execution.custom_properties["event"].string_value
        for execution in new_store(folder).get_executions_by_type(EXECUTION_TYPE)
    ]
    assert events == ["begin", "start"]


def test_a_second_rollout_is_refused_before_its_version_is_judged(folder, faultline):
    faultline("rollout", "start", "wells/200", *WHY)
    for reference in ("wells", "wells/100", "wells/200", "wells/7"):
        done = faultline("rollout", "start", reference, *WHY)
        assert done.exit_code == 2
        assert "a model has one rollout at a time" in done.output


def test_a_rollout_is_started_with_the_config_of_the_gateway(folder, faultline):
    config = load_config(PROJECT / "configs" / "signals.yaml")
    faultline("rollout", "start", "wells/200", *WHY)
    faultline("rollout", "abort", "wells", *WHY)
    steps = (CanaryStep(percent=40),)
    changed = replace(config, rollout=replace(config.rollout, steps=steps))
    keep_gateway_config(folder, "wells", changed)
    done = faultline("rollout", "start", "wells/200", *WHY)
    assert "step 1 of 1, 40 %" in done.output


def test_the_answer_as_json_is_the_entry_of_the_journal(folder, faultline):
    done = faultline("rollout", "start", "wells/200", "--strategy", "blue_green", "--json", *WHY)
    values = json.loads(done.stdout)
    assert (values["sequence"], values["by"], values["gateway"]) == (2, "Ada", False)
    assert (values["recorded"], values["applied_s"]) == (True, None)
    assert values["state"]["rollout"]["strategy"] == "blue_green"


def test_a_person_takes_a_rollout_to_its_end(folder, faultline):
    faultline("rollout", "start", *WHY)
    for action, phase in [
        ("hold", Phase.HELD),
        ("approve", Phase.RUNNING),
        ("advance", Phase.RUNNING),
        ("advance", Phase.RUNNING),
        ("advance", Phase.PROMOTED),
        ("rollback", Phase.ROLLED_BACK),
    ]:
        done = faultline("rollout", action, "wells", *WHY)
        assert done.exit_code == 0, done.output
        assert _state(folder).rollout.phase is phase
    assert _state(folder).stable.version == 100
    assert "faultline withdraw wells/200 --why" in done.output
    faultline("rollout", "start", *WHY)
    assert faultline("rollout", "abort", *WHY).exit_code == 0
    assert _state(folder).rollout.phase is Phase.ABORTED


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("start", "wells/300"), "wells has no version 300. In service: 200, 100."),
        (("start", "pumps/1"), "No model called pumps was pushed. There are wells."),
        (("advance",), "wells has had no rollout yet. Start one: faultline rollout start"),
        (("start", "wells/200", "--by", " "), "--by is empty"),
        (("start", "wells/200", "--by", ""), "--by is empty"),
    ],
)
def test_what_cannot_be_done_is_refused_with_words(folder, faultline, arguments, words):
    done = faultline("rollout", arguments[0], *WHY, *arguments[1:])
    assert (done.exit_code, words in done.output) == (2, True), done.output
    assert not open_journal(folder, "wells").path.exists()


def test_a_second_rollout_is_refused(folder, faultline):
    faultline("rollout", "start", *WHY)
    done = faultline("rollout", "start", "wells/100", *WHY)
    assert (done.exit_code, "a model has one rollout at a time" in done.output) == (2, True)


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found"), OSError("No username")])
def test_an_account_without_a_name_is_told_to_give_one(folder, faultline, monkeypatch, error):
    def getuser():
        raise error

    monkeypatch.setattr("getpass.getuser", getuser)
    for command in (("rollout", "start"), ("rollback", "wells"), ("withdraw", "wells/200")):
        done = faultline(*command, "--why", "trained on May")
        assert (done.exit_code, "Say who decides with --by" in done.output) == (2, True)
    assert not open_journal(folder, "wells").path.exists()


def test_a_reason_is_required(faultline):
    done = faultline("rollout", "start", "wells/200")
    assert (done.exit_code, "Missing option '--why'" in done.output) == (2, True)


def test_an_inconclusive_model_goes_to_shadow_and_waits_for_a_person(folder, faultline):
    push(new_store(folder), folder, 300, base="wells_shadow", verdict="INCONCLUSIVE")
    done = faultline("rollout", "start", "wells_shadow/300", "--strategy", "canary", *WHY)
    assert done.exit_code == 2
    assert "clients see none of its answers before a person approves it" in done.output
    assert faultline("rollout", "start", "wells_shadow/300", *WHY).exit_code == 0
    assert _state(folder).active.strategy == "shadow"
    refused = faultline("rollout", "advance", *WHY)
    assert (refused.exit_code, "faultline rollout approve wells" in refused.output) == (2, True)
    assert faultline("rollout", "approve", *WHY).exit_code == 0
    assert faultline("rollout", "advance", *WHY).exit_code == 0
    assert _state(folder).stable.base == "wells_shadow"


def test_the_status_says_what_is_served_and_what_comes_next(folder, faultline):
    assert "No rollout yet" in faultline("rollout", "status").output
    faultline("rollout", "start", *WHY)
    text = faultline("rollout", "status").output
    assert "wells: wells/100 is served (no gateway runs)" in text
    assert "Rollout r1 to wells/200: canary, running" in text
    assert "wells/200 answers 5 % of the keys; 100 % of the requests are copied" in text
    assert "Next: 25 % of the keys" in text
    [values] = json.loads(faultline("rollout", "status", "--json").stdout)
    assert (values["gateway"], values["rollout"]["phase"]) == (False, "running")


def test_the_history_lists_every_transition_the_newest_first(folder, faultline):
    faultline("rollout", "start", *WHY)
    faultline("rollout", "hold", "--why", "the shift ends", "--by", "Bob")
    values = json.loads(faultline("rollout", "history", "--json").stdout)
    assert [entry["event"] for entry in values] == ["hold", "start", "begin"]
    assert (values[0]["by"], values[0]["why"]) == ("Bob", "the shift ends")
    assert values[0]["previous"] == values[1]["digest"]
    assert "the shift ends" in faultline("rollout", "history", "wells").output


def test_a_running_gateway_has_applied_it_when_the_command_ends(folder, faultline, gateway):
    done = faultline("rollout", "advance", *WHY)
    assert done.exit_code == 0, done.output
    assert gateway.shares[-1] == (100, 25)
    assert "Applied by the gateway in 0." in done.output
    values = json.loads(faultline("rollout", "rollback", "--json", *WHY).stdout)
    assert values["gateway"]
    assert values["applied_s"] < 5
    assert gateway.shares[-1] == (100, 0)


def test_a_gateway_that_cannot_follow_is_an_error_of_the_command(folder, monkeypatch, faultline):
    from production.controller import controller as loop

    monkeypatch.setattr(loop, "_RETRY_S", 0.0)
    faultline("rollout", "start", *WHY)
    faultline("rollout", "abort", *WHY)
    broken = FakeGateway(broken={_state(folder).rollout.candidate})
    with running(make_rig(folder, broken)):
        done = faultline("rollout", "start", "wells/200", *WHY)
    assert done.exit_code == 1
    assert "The gateway could not follow: wells/200 does not load: no such op" in done.output
    assert _state(folder).rollout.phase is Phase.ROLLED_BACK


def test_withdrawing_the_candidate_ends_its_rollout_before_the_folder_moves(
    folder, faultline, gateway
):
    done = faultline("withdraw", "wells/200", *WHY)
    assert done.exit_code == 0, done.output
    assert gateway.shares[-1] == (100, 0)
    assert _state(folder).rollout.phase is Phase.ABORTED
    assert "Behind a gateway: wells/100" in done.output
    assert "Applied by the gateway in 0." in done.output


def test_a_rollback_goes_the_way_of_the_gateway(folder, faultline):
    for _ in range(4):
        faultline("rollout", "advance" if _state(folder) else "start", *WHY)
    assert _state(folder).stable.version == 200
    done = faultline("rollback", "wells", *WHY)
    assert done.exit_code == 0, done.output
    assert _state(folder).stable.version == 100
    assert open_journal(folder, "wells").read()[-1].note.event == "repin"
    assert not (folder.serving("wells") / "200").exists()


def test_a_rollback_without_a_gateway_or_rollouts_writes_no_journal(folder, faultline):
    assert faultline("rollback", "wells", *WHY).exit_code == 0
    assert not folder.rollouts("wells").exists()


def _trust(folder, tmp_path):
    """Lets the gateway's config trust one key; returns that key."""
    pair = make_pair(tmp_path / "keys")
    path = tmp_path / "wells.yaml"
    path.write_text(CONFIG + f"signing: {{public_keys: [{pair.public}]}}")
    keep_gateway_config(folder, "wells", load_config(path))
    return pair.read()


def _sign(folder, version, key):
    """Signs a version as its push would have, in the record of its files too."""
    base = folder.serving("wells")
    draft = (base / str(version)).rename(base / f"wells@{version}")
    sign_folder(draft, key)
    _write_manifest(base, version, make_manifest(draft))
    draft.rename(base / str(version))


def test_a_rollout_of_a_version_that_the_config_does_not_trust_is_refused(
    folder, faultline, tmp_path
):
    folder.rollouts("wells").mkdir(parents=True)
    key = _trust(folder, tmp_path)
    done = faultline("rollout", "start", "wells/200", *WHY)
    assert done.exit_code == 2
    assert "trusts signed models only" in done.output
    assert "wells/200 has no signature" in done.output
    assert _state(folder) is None
    _sign(folder, 200, key)
    done = faultline("rollout", "start", "wells/200", *WHY)
    assert done.exit_code == 0, done.output


def test_a_rollback_to_a_version_that_the_config_does_not_trust_moves_no_file(
    folder, faultline, tmp_path
):
    folder.rollouts("wells").mkdir(parents=True)
    key = _trust(folder, tmp_path)
    done = faultline("rollback", "wells", *WHY)
    assert done.exit_code == 2
    assert "wells/100 has no signature" in done.output
    assert (folder.serving("wells") / "200").is_dir()
    _sign(folder, 100, key)
    assert faultline("rollback", "wells", *WHY).exit_code == 0
    assert not (folder.serving("wells") / "200").exists()
