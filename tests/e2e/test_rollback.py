"""A pushed model is taken back: the next run does not push it again, and a new one is compared with
the model that is served."""

import json
import shutil
import time
from pathlib import Path

import pytest
from filelock import FileLock

from serving.client import Client
from serving.options import ServerOptions
from serving.server import ModelServer
from tests.e2e.harness import CONFIG, Done, Faultline, copy_project, wells_csv, write_wells

pytestmark = pytest.mark.e2e

WHY = "alarms on every start of a pump"


# Which of these models is a little better is not what is tested here.
GATE = "gate: {max_pr_auc_drop: 0.5}\n"


def _run(faultline: Faultline, epochs: int) -> tuple[Done, dict]:
    # The CSV stays: a newer file is new data.
    config = CONFIG.replace("epochs: 6", f"epochs: {epochs}") + GATE
    (faultline.cwd / "wells.yaml").write_text(config)
    done = faultline.in_fork("run", "--config", "wells.yaml")
    newest = max((faultline.output / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return done, json.loads((newest / "summary.json").read_text())


def _states(summary: dict) -> dict[str, str]:
    return {step["name"]: step["state"] for step in summary["steps"]}


# Each of these comes after the one that it asks for: together they are one story.


@pytest.fixture(scope="module")
def faultline(tmp_path_factory) -> Faultline:
    folder = tmp_path_factory.mktemp("rollback")
    faultline = Faultline(copy_project(folder / "project"), folder / "work")
    write_wells(faultline.cwd, wells_csv())
    return faultline


@pytest.fixture(scope="module")
def two_versions(faultline) -> list[Path]:
    """The versions of two runs, the older first."""
    for epochs in (5, 7):
        done, _ = _run(faultline, epochs)
        assert done.code == 0, done.err + faultline.last_log()
    return faultline.versions()


@pytest.fixture(scope="module")
def rolled_back(faultline, two_versions) -> tuple[Done, list[int]]:
    """The rollback, and the versions that a running server answered with around it."""
    options = ServerOptions(
        model_name="wells",
        model_base_path=str(faultline.output / "serving" / "wells"),
        port=0,
        file_system_poll_wait_seconds=0.1,
    )
    with ModelServer(options) as server:
        address = f"grpc://127.0.0.1:{server.grpc_port}"
        with Client(address, model="wells") as client:
            answered = [client.metadata().version]
            done = faultline("rollback", "wells", "--why", WHY, "--by", "Ada")
            deadline = time.monotonic() + 30
            while answered[-1] == answered[0] and time.monotonic() < deadline:
                answered.append(client.metadata().version)
    return done, answered


@pytest.fixture(scope="module")
def unchanged(faultline, rolled_back) -> tuple[Done, dict]:
    return _run(faultline, 7)


@pytest.fixture(scope="module")
def new(faultline, unchanged) -> tuple[Done, dict]:
    return _run(faultline, 9)


def test_the_version_before_is_served_and_the_newer_one_is_kept_aside(
    faultline, two_versions, rolled_back
):
    done, answered = rolled_back
    old, newest = two_versions
    assert done.code == 0, done.err
    assert f"Served now: wells/{old.name}" in done.out
    # The server never was without a version.
    assert [str(version) for version in dict.fromkeys(answered)] == [newest.name, old.name]
    assert not newest.exists()
    assert (newest.parent / ".withdrawn" / newest.name / "saved_model.pb").is_file()


def test_the_same_model_is_not_pushed_again_and_the_run_says_who_and_why(
    faultline, two_versions, unchanged
):
    done, summary = unchanged
    old, newest = two_versions
    assert done.code == 3, done.err + faultline.last_log()
    assert faultline_versions(faultline) == [old.name]
    assert summary["pushed_version"] is None
    withdrawn = summary["withdrawn"]
    assert withdrawn["version"] == f"wells/{newest.name}"
    assert (withdrawn["by"], withdrawn["why"]) == ("Ada", WHY)
    assert "WITHDRAWN Nothing was pushed" in done.out
    states = _states(summary)
    assert (states["Trainer"], states["ModelGate"], states["Pusher"]) == ("cached", "cached", "ran")


def faultline_versions(faultline: Faultline) -> list[str]:
    return [version.name for version in faultline.versions()]


def test_lineage_and_runs_show_who_and_why(faultline, two_versions, unchanged):
    old, newest = two_versions
    lineage = json.loads(faultline("lineage", f"wells/{newest.name}", "--json").out)
    assert (lineage["withdrawn_by"], lineage["withdrawn_why"]) == ("Ada", WHY)
    assert Path(lineage["kept_in"], "saved_model.pb").is_file()
    assert json.loads(faultline("lineage", "latest", "--json").out)["name"] == f"wells/{old.name}"
    again, second, first = json.loads(faultline("runs", "--json").out)
    assert again["withdrawn"] == second["withdrawn"]
    assert (second["withdrawn"]["by"], second["withdrawn"]["why"]) == ("Ada", WHY)
    assert first["withdrawn"] is None


def test_a_new_model_is_compared_with_the_served_one_and_pushed(faultline, two_versions, new):
    done, summary = new
    old, newest = two_versions
    assert done.code == 0, done.err + faultline.last_log()
    versions = faultline_versions(faultline)
    assert versions == [old.name, summary["pushed_version"]]
    assert int(versions[-1]) > int(newest.name)
    lineage = faultline("lineage", "latest", "--json").out
    compared = _nodes(json.loads(lineage), "compared with model")
    served = _nodes(json.loads(faultline("lineage", old.name, "--json").out), "model")
    assert [node["name"] for node in compared] == [node["name"] for node in served]


def _nodes(node: dict, kind: str) -> list[dict]:
    found = [node] if node["kind"] == kind else []
    return found + [match for child in node["children"] for match in _nodes(child, kind)]


def test_an_unchanged_run_of_the_new_model_stays_in_the_cache(faultline, new):
    done, summary = _run(faultline, 9)
    assert done.code == 0, done.err + faultline.last_log()
    assert _states(summary)["Pusher"] == "cached"
    assert summary["pushed_version"] == new[1]["pushed_version"]


def test_what_was_withdrawn_is_put_back_and_is_the_answer_of_its_run(faultline, two_versions, new):
    newest = two_versions[1].name
    done = faultline("rollback", f"wells/{newest}", "--why", "it was the sensor", "--by", "Bob")
    assert done.code == 0, done.err
    assert faultline_versions(faultline) == [two_versions[0].name, newest]
    run, summary = _run(faultline, 7)
    assert run.code == 0, run.err + faultline.last_log()
    assert summary["pushed_version"] == newest
    assert faultline_versions(faultline)[-1] == newest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rollback", "pumps"), "No model called pumps was pushed"),
        (("rollback", "wells/1"), "wells has no version 1."),
        (("withdraw", "wells/1"), "wells has no version 1."),
    ],
)
def test_what_is_not_there_is_told_with_exit_code_2(faultline, new, arguments, message):
    done = faultline(*arguments, "--why", WHY)
    assert done.code == 2
    assert message in done.err


def test_a_run_at_work_keeps_its_versions(faultline, new):
    before = faultline_versions(faultline)
    with FileLock(faultline.output / ".lock"):
        done = faultline("rollback", "wells", "--why", WHY)
    assert done.code == 2
    assert "Another run is writing to" in done.err
    assert faultline_versions(faultline) == before


def test_the_only_version_stays(faultline, two_versions, new):
    assert faultline("rollback", f"wells/{two_versions[0].name}", "--why", WHY).code == 0
    done = faultline("rollback", "wells", "--why", WHY)
    assert done.code == 2
    assert "no other version to serve" in done.err
    assert faultline_versions(faultline) == [two_versions[0].name]


def test_a_deleted_folder_does_not_bring_its_model_back(faultline, two_versions, new):
    shutil.rmtree(two_versions[0].parent / ".withdrawn")
    done, summary = _run(faultline, 9)
    assert done.code == 3, done.err + faultline.last_log()
    assert summary["withdrawn"]["version"] == f"wells/{new[1]['pushed_version']}"
    assert faultline_versions(faultline) == [two_versions[0].name]
