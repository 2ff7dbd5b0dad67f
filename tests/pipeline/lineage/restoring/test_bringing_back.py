from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.lineage.graph import Run
from pipeline.lineage.restoring.bringing_back import bring_back
from pipeline.lineage.restoring.data_versions import DataState, VersionedData
from pipeline.lineage.restoring.origins import Origin, Origins
from tests.pipeline.records import provenance

CODE = Origin(repository="/home/ada/faultline", path="", commit="c0ffee")
CONFIG = Origin(repository="/home/ada/wells", path="configs/wells.yaml", commit="decade")
DATA = VersionedData(
    path="data/x.csv",
    state=DataState.RECORDED,
    md5="abc",
    revision="decade",
    tracked_by="data/x.csv.dvc",
    remote="store",
    url="/srv/store",
    repository="/home/ada/wells",
    origin="",
    place="../data/x.csv",
)


def _run(*data, code=CODE, config=CONFIG, stamp=None, record=None):
    return Run(
        id="run-1",
        use_case="wells",
        created=datetime(2026, 11, 1, tzinfo=UTC),
        provenance=stamp or provenance(commit="c0ffee"),
        steps=(),
        config=record or {"data": {"path": "../data/x.csv"}},
        data_versions=data,
        origins=Origins(code=code, config=config),
    )


def test_code_project_data_and_environment_have_a_command_each():
    commands = bring_back(_run(DATA))
    notes = commands.pop("notes")
    assert commands == {
        "code": (
            "git clone --quiet --no-checkout /home/ada/faultline faultline && "
            "git -C faultline checkout --quiet --detach c0ffee && "
            "git clone --quiet --no-checkout /home/ada/wells project && "
            "git -C project checkout --quiet --detach decade"
        ),
        "data": "dvc get --force --rev decade -o project/data/x.csv /home/ada/wells data/x.csv",
        "environment": "make -C faultline setup",
        "run": (
            "cd faultline && .venv/bin/python local_runner.py "
            "--config ../project/configs/wells.yaml --output ../output"
        ),
    }
    assert notes == [
        "Set-up installs requirements.lock, whose SHA-256 was lock-digest. The run had Python "
        "3.11.7 on Linux x86_64.",
        "The config sets the seed, 7.",
    ]


def test_a_config_in_the_repository_of_the_code_needs_no_second_clone():
    commands = bring_back(_run(DATA, config=replace(CONFIG, repository=CODE.repository)))
    assert str(commands["code"]).count("git clone") == 1
    assert " -o faultline/data/x.csv " in commands["data"]
    assert "--config configs/wells.yaml " in commands["run"]


def test_a_repository_that_is_not_here_is_cloned_from_its_url():
    code = replace(CODE, url="https://host/faultline.git")
    data = replace(DATA, origin="https://host/wells.git")
    commands = bring_back(_run(data, code=code))
    assert "--no-checkout https://host/faultline.git faultline" in commands["code"]
    assert commands["data"].endswith(" https://host/wells.git data/x.csv")


@pytest.mark.parametrize("state", [DataState.MODIFIED, DataState.UNCOMMITTED])
def test_modified_data_have_no_command_but_a_note(state):
    data = replace(DATA, state=state, md5="", revision="", difference="its MD5 is def")
    commands = bring_back(_run(data))
    assert "data" not in commands
    assert any("No command brings back data/x.csv: " in note for note in commands["notes"])


def test_paths_with_spaces_are_quoted():
    data = replace(DATA, path="data/my x.csv", place="../data/my x.csv")
    assert "-o 'project/data/my x.csv' " in bring_back(_run(data))["data"]


def test_data_outside_the_new_folder_have_a_note_instead_of_a_command():
    commands = bring_back(_run(replace(DATA, place="../../../elsewhere/x.csv")))
    assert "data" not in commands
    assert any("outside its repository" in note for note in commands["notes"])


def test_uncommitted_changes_of_the_code_are_told():
    commands = bring_back(_run(DATA, stamp=provenance(commit="c0ffee", dirty=True)))
    assert commands["notes"][0] == (
        "The code had uncommitted changes: commit c0ffee does not give its sources, whose digest "
        "is code-digest. Commit before a run that is to be repeatable."
    )


def test_a_config_that_was_not_committed_is_told():
    [note, *_] = bring_back(_run(DATA, config=replace(CONFIG, changed=True)))["notes"]
    assert note.startswith("configs/wells.yaml or its schema was not committed as it was")


def test_a_config_without_version_control_goes_into_the_folder_of_the_project():
    commands = bring_back(_run(replace(DATA, place="x.csv"), config=Origin()))
    assert "--config ../project/wells.yaml " in commands["run"]
    assert " -o project/x.csv " in commands["data"]
    assert "were under no version control. Put them into project/" in commands["notes"][0]


def test_code_without_a_repository_has_no_command_but_its_commit():
    commands = bring_back(_run(DATA, code=Origin()))
    assert commands.keys() == {"data", "notes"}
    assert commands["notes"][0] == "Check out commit c0ffee of Faultline's repository."


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"dataset": "signals"}, "The run makes its data itself: the built-in data set signals."),
        ({"path": "x.csv"}, "The data were not under DVC, so no command brings them back."),
    ],
)
def test_data_that_are_not_under_dvc_are_told(data, words):
    notes = bring_back(_run(record={"data": data}))["notes"]
    assert any(note.startswith(words) for note in notes)


def test_a_run_without_a_stamp_has_no_commands():
    assert bring_back(replace(_run(DATA), provenance=None)) == {}
