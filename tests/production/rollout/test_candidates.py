"""Which versions may take over, by the records of real runs."""

import pytest

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.components.pusher.version_folder import push_version
from production.gateway.traffic import Pin
from production.rollback import Decision, withdraw
from production.rollout.candidates import judge, parse_reference
from tests.production.rollout.pushes import new_store, place, push, record

ADA = Decision(by="Ada", why="alarms on every warm-up")


@pytest.fixture
def folder(tmp_path):
    return OutputFolder(tmp_path)


@pytest.fixture
def store(folder):
    return new_store(folder)


def _pin(version, base="wells"):
    return Pin(base=base, version=version)


def test_a_blessed_version_may_take_over(store, folder):
    push(store, folder, 1)
    candidate = judge(store, folder, _pin(1))
    assert (candidate.verdict, candidate.is_judged) == ("BLESSED", True)


def test_an_inconclusive_version_beside_the_served_one_may_be_shadowed(store, folder):
    push(store, folder, 7, base="wells_shadow", verdict="INCONCLUSIVE")
    candidate = judge(store, folder, _pin(7, "wells_shadow"))
    assert (candidate.verdict, candidate.is_judged) == ("INCONCLUSIVE", False)


@pytest.mark.parametrize("verdict", ["REJECTED", "INCONCLUSIVE"])
def test_any_other_verdict_is_refused(store, folder, verdict):
    push(store, folder, 1, verdict=verdict)
    with pytest.raises(InputError, match=f"verdict on wells/1 is {verdict}; only a BLESSED"):
        judge(store, folder, _pin(1))


def test_the_latest_push_of_a_version_counts(store, folder):
    push(store, folder, 1, verdict="REJECTED")
    record(store, folder, 1, verdict="BLESSED")
    assert judge(store, folder, _pin(1)).verdict == "BLESSED"


def test_a_version_that_no_run_recorded_is_refused(store, folder):
    place(folder, 1)
    with pytest.raises(InputError, match="No run recorded the push of wells/1"):
        judge(store, folder, _pin(1))


def test_a_version_that_is_not_there_is_refused_with_those_that_are(store, folder):
    for version in (1, 2):
        push(store, folder, version)
    with pytest.raises(InputError, match=r"wells has no version 9\. In service: 2, 1\."):
        judge(store, folder, _pin(9))


def test_a_withdrawn_version_is_refused(store, folder):
    for version in (1, 2):
        push(store, folder, version)
    withdraw(store, folder, "wells/2", ADA)
    with pytest.raises(InputError, match=r"wells/2 was withdrawn.*faultline rollback wells/2"):
        judge(store, folder, _pin(2))


def test_a_damaged_version_is_refused(store, folder, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_text("graph")
    version = push_version(model, folder.serving("wells"), now_s=5)
    record(store, folder, 5)
    assert judge(store, folder, _pin(5)).verdict == "BLESSED"
    (version / "saved_model.pb").write_text("grAph")
    with pytest.raises(InputError, match=r"wells/5 is damaged since its push: .*saved_model.pb"):
        judge(store, folder, _pin(5))


def test_references_name_the_model_and_the_version(store, folder):
    push(store, folder, 1)
    assert parse_reference(folder, None) == ("wells", None)
    assert parse_reference(folder, "wells") == ("wells", None)
    assert parse_reference(folder, "wells/1") == ("wells", _pin(1))
    assert parse_reference(folder, "wells_shadow/7") == ("wells", _pin(7, "wells_shadow"))


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("pumps", "No model called pumps was pushed. There are wells."),
        ("wells/new", "A version is a whole number > 0, got 'new'"),
        ("wells/0", "A version is a whole number > 0, got '0'"),
        ("wells_shadow", "Give the version of wells_shadow"),
        ("/1", "Give the name of the model: NAME/1"),
    ],
)
def test_a_reference_that_names_nothing_is_refused(store, folder, reference, message):
    push(store, folder, 1)
    with pytest.raises(InputError, match=message):
        parse_reference(folder, reference)


def test_without_a_name_one_of_several_models_must_be_chosen(store, folder):
    push(store, folder, 1)
    push(store, folder, 1, base="pumps")
    with pytest.raises(InputError, match=r"Several models were pushed: pumps, wells\. Name one"):
        parse_reference(folder, None)
