"""Versions that leave service and come back, in a real metadata store and real folders."""

import pytest

from common.errors import InputError
from common.metadata import open_store, sqlite_connection
from common.output_folder import OutputFolder
from pipeline.components.pusher.version_folder import (
    push_version,
    served_versions,
    withdrawn_versions,
)
from pipeline.components.pusher.withdrawn import withdrawn_model_ids, withdrawn_notes
from pipeline.lineage import lineage_of, list_runs
from production import rollback
from production.rollback import Decision, roll_back, withdraw
from tests.pipeline.records import Recorder, provenance

ADA = Decision(by=" Ada ", why="alarms on every warm-up")


@pytest.fixture
def folder(tmp_path):
    return OutputFolder(tmp_path)


@pytest.fixture
def base(folder):
    return folder.serving("wells")


@pytest.fixture
def store(tmp_path):
    return open_store(sqlite_connection(tmp_path / "metadata.db"))


def _record(store, base, version):
    """A run of the two steps that matter here."""
    run = Recorder(store, f"run-{version}", provenance())
    trainer = run.step("Trainer", outputs={"model": ("Model", {})})
    pushed = {"pushed": 1, "pushed_version": version, "pushed_destination": str(base / version)}
    return trainer | run.step(
        "Pusher",
        inputs={"model": trainer["model"]},
        outputs={"pushed_model": ("PushedModel", pushed)},
    )


@pytest.fixture
def models(store, base):
    """Three versions, 1 to 3, pushed by as many runs; the runs' artifacts by version."""
    made = {}
    for version in ("1", "2", "3"):
        (base / version).mkdir(parents=True)
        (base / version / "saved_model.pb").write_text(f"graph {version}")
        made[int(version)] = _record(store, base, version)
    return made


def _notes(store, made, version):
    [artifact] = store.get_artifacts_by_id([made[version]["pushed_model"]])
    return {key: value.string_value for key, value in artifact.custom_properties.items()}


def test_a_rollback_withdraws_the_served_version_and_says_who_and_why(store, folder, base, models):
    change = roll_back(store, folder, "wells", ADA)
    assert (change.before, change.after, change.withdrawn) == (3, 2, (3,))
    assert (served_versions(base), withdrawn_versions(base)) == ([1, 2], [3])
    assert (base / ".withdrawn" / "3" / "saved_model.pb").read_text() == "graph 3"
    notes = _notes(store, models, 3)
    assert (notes["withdrawn_by"], notes["withdrawn_why"]) == ("Ada", "alarms on every warm-up")
    assert notes["withdrawn_at"].endswith("Z")
    assert "withdrawn_by" not in _notes(store, models, 2)


def test_a_rollback_past_several_versions_withdraws_them_all(store, folder, base, models):
    change = roll_back(store, folder, "wells/1", ADA)
    assert change.withdrawn == (2, 3)
    assert (served_versions(base), withdrawn_versions(base)) == ([1], [2, 3])


def test_until_the_last_rename_the_served_version_is_the_one_from_before(
    store, folder, base, models, monkeypatch
):
    seen = []
    move = rollback.settle_versions.__globals__["withdraw_version"]

    def moved(base, version):
        move(base, version)
        seen.append(served_versions(base)[-1])

    monkeypatch.setitem(rollback.settle_versions.__globals__, "withdraw_version", moved)
    roll_back(store, folder, "wells/1", ADA)
    # Version 2 goes first: were it 3, a server would load 2 for a moment.
    assert seen == [3, 1]


def test_what_a_killed_rollback_left_undone_the_next_command_does(
    store, folder, base, models, monkeypatch
):
    def dies_once_it_is_recorded(store, base):
        if withdrawn_model_ids(store):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(rollback, "settle_versions", dies_once_it_is_recorded)
        with pytest.raises(KeyboardInterrupt):
            roll_back(store, folder, "wells", ADA)
    assert served_versions(base) == [1, 2, 3]
    with pytest.raises(InputError, match="wells/3 was withdrawn already"):
        withdraw(store, folder, "wells/3", ADA)
    assert (served_versions(base), withdrawn_versions(base)) == ([1, 2], [3])


def test_a_withdrawn_version_is_put_back_and_the_record_says_so(store, folder, base, models):
    roll_back(store, folder, "wells/1", ADA)
    change = roll_back(store, folder, "wells/3", Decision(by="Bob", why="it was the sensor"))
    assert (change.before, change.after, change.restored, change.withdrawn) == (1, 3, 3, ())
    assert (served_versions(base), withdrawn_versions(base)) == ([1, 3], [2])
    notes = _notes(store, models, 3)
    assert (notes["restored_by"], notes["restored_why"]) == ("Bob", "it was the sensor")
    assert not any(key.startswith("withdrawn") for key in notes)
    assert withdrawn_model_ids(store) == {models[2]["model"]}


def test_the_version_that_is_put_back_replaces_those_above_it(store, folder, base, models):
    withdraw(store, folder, "wells/1", ADA)
    change = roll_back(store, folder, "wells/1", ADA)
    assert (change.after, change.withdrawn, change.restored) == (1, (2, 3), 1)
    assert (served_versions(base), withdrawn_versions(base)) == ([1], [2, 3])


def test_one_version_is_withdrawn_and_the_next_lower_one_is_served(store, folder, base, models):
    assert withdraw(store, folder, "wells/3", ADA).after == 2
    change = withdraw(store, folder, "wells/1", ADA)
    assert (change.before, change.after) == (2, 2)
    assert (served_versions(base), withdrawn_versions(base)) == ([2], [1, 3])


def test_the_pusher_is_told_each_withdrawn_model_by_its_files(store, folder, base, models):
    assert withdrawn_notes(store, [base]) == {}
    roll_back(store, folder, "wells", ADA)
    [(digest, notes)] = withdrawn_notes(store, [base])["wells"].items()
    assert len(digest) == 64
    assert notes["withdrawn_version"] == "wells/3"
    assert (notes["withdrawn_by"], notes["withdrawn_why"]) == ("Ada", "alarms on every warm-up")


def test_a_withdrawn_model_is_no_baseline_but_one_that_is_in_service_is(store, folder, models):
    assert withdrawn_model_ids(store) == set()
    roll_back(store, folder, "wells/1", ADA)
    assert withdrawn_model_ids(store) == {models[2]["model"], models[3]["model"]}


def test_runs_and_lineage_name_who_and_why(store, folder, base, models):
    roll_back(store, folder, "wells", ADA)
    newest, before, _ = list_runs(store)
    assert newest.withdrawn["version"] == "wells/3"
    assert (newest.withdrawn["by"], newest.withdrawn["why"]) == ("Ada", "alarms on every warm-up")
    assert before.withdrawn is None
    facts = lineage_of(store, "wells/3").facts
    assert (facts["withdrawn_by"], facts["withdrawn_why"]) == ("Ada", "alarms on every warm-up")
    assert (facts["in_place"], facts["kept_in"]) == (False, str(base / ".withdrawn" / "3"))
    assert lineage_of(store, "latest").name == "wells/2"


@pytest.mark.parametrize(
    ("command", "reference", "message"),
    [
        (roll_back, "pumps", r"No model called pumps was pushed .*There are wells\."),
        (withdraw, "pumps/1", r"No model called pumps was pushed"),
        (roll_back, "wells/9", r"wells has no version 9\. In service: 3, 2, 1; withdrawn: none\."),
        (withdraw, "wells/9", r"wells has no version 9\. In service: 3, 2, 1; withdrawn: none\."),
        (roll_back, "wells/x", r"A version is a whole number, got 'x'"),
        (roll_back, "wells/3", r"wells/3 is the version that is served"),
        (withdraw, "wells", r"Give a version of wells: NAME/VERSION\. In service: 3, 2, 1"),
    ],
)
def test_a_wrong_reference_is_refused_and_nothing_moves(
    store, folder, models, command, reference, message
):
    base = folder.serving("wells")
    with pytest.raises(InputError, match=message):
        command(store, folder, reference, ADA)
    assert (served_versions(base), withdrawn_versions(base)) == ([1, 2, 3], [])


@pytest.mark.parametrize(("command", "reference"), [(roll_back, "wells"), (withdraw, "wells/1")])
def test_the_only_version_stays_in_service(store, folder, base, models, command, reference):
    roll_back(store, folder, "wells/1", ADA)
    with pytest.raises(InputError, match=r"no other version to serve.*In service: 1; withdrawn: 3"):
        command(store, folder, reference, ADA)
    assert served_versions(base) == [1]


def test_a_version_that_no_run_recorded_is_left_alone(store, folder, base, models):
    (base / "4").mkdir()
    with pytest.raises(InputError, match="No run recorded the push of wells/4"):
        withdraw(store, folder, "wells/4", ADA)
    assert served_versions(base) == [1, 2, 3, 4]


def test_a_damaged_version_is_not_rolled_back_to(store, folder, base, models, tmp_path):
    for version in (4, 5):
        model = tmp_path / f"model-{version}"
        model.mkdir()
        (model / "saved_model.pb").write_text(f"graph {version}")
        push_version(model, base, now_s=version)
    (base / "4" / "saved_model.pb").write_text("half")
    with pytest.raises(InputError, match=r"wells/4 is damaged since its push: saved_model.pb has"):
        roll_back(store, folder, "wells", ADA)
    assert served_versions(base) == [1, 2, 3, 4, 5]


def test_a_version_without_a_model_is_not_rolled_back_to(store, folder, base, models):
    (base / "2" / "saved_model.pb").unlink()
    with pytest.raises(InputError, match="wells/2 cannot be served"):
        roll_back(store, folder, "wells", ADA)


@pytest.mark.parametrize(("by", "why", "option"), [(" ", "seen", "--by"), ("Ada", "", "--why")])
def test_a_decision_says_who_and_why(store, folder, by, why, option):
    for command in (roll_back, withdraw):
        with pytest.raises(InputError, match=f"{option} is empty"):
            command(store, folder, "wells/2", Decision(by=by, why=why))


def test_a_record_in_a_folder_that_was_moved_still_counts(store, folder, base, models, tmp_path):
    moved = OutputFolder(tmp_path / "moved")
    moved.serving("wells").parent.mkdir(parents=True)
    base.rename(moved.serving("wells"))
    roll_back(store, moved, "wells", ADA)
    assert withdrawn_versions(moved.serving("wells")) == [3]
