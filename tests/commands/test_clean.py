import json

import pytest

from commands.clean import clean_output
from common.errors import InputError
from common.output_folder import OutputFolder, exclusive
from tests.pipeline.cleaning.test_clean import add_run, folder, store

__all__ = ["folder", "store"]


@pytest.fixture
def three_runs(store, folder):
    for n in range(3):
        add_run(store, folder, f"r{n}")
    return folder


def test_what_was_removed_and_how_much_is_printed(three_runs, capsys):
    assert clean_output(None, three_runs.root, keep=2, dry_run=False, as_json=False) == 0
    out = capsys.readouterr().out
    lines = {line[:22].strip(): line.split()[-3:] for line in out.splitlines()}
    assert lines["folders of runs"] == ["1", "100", "B"]
    assert "2 runs kept: r1, r2" in out
    assert not three_runs.run("r0").exists()
    clean_output(None, three_runs.root, keep=2, dry_run=False, as_json=False)
    assert capsys.readouterr().out == "Nothing to remove; 2 runs kept.\n"


def test_a_dry_run_prints_the_folders(three_runs, capsys):
    assert clean_output(None, three_runs.root, keep=1, dry_run=True, as_json=False) == 0
    out = capsys.readouterr().out
    assert f"{three_runs.run('r0')}\n" in out
    assert "Would remove" in out
    assert three_runs.run("r0").exists()


def test_json_names_each_folder_with_its_size(three_runs, capsys):
    clean_output(None, three_runs.root, keep=2, dry_run=True, as_json=True)
    planned = json.loads(capsys.readouterr().out)
    assert (planned["dry_run"], planned["kept_runs"]) == (True, ["r1", "r2"])
    [run] = [one for one in planned["removed"] if one["kind"] == "folders of runs"]
    assert (run["path"], run["num_bytes"]) == (str(three_runs.run("r0")), 100)
    assert planned["num_bytes"] == sum(one["num_bytes"] for one in planned["removed"])


def test_nothing_is_removed_while_a_run_is_at_work(three_runs):
    with exclusive(three_runs), pytest.raises(InputError, match="Another run"):
        clean_output(None, three_runs.root, keep=1, dry_run=False, as_json=False)
    assert three_runs.run("r0").exists()


def test_a_folder_without_runs_is_told_and_not_made(tmp_path):
    absent = OutputFolder(tmp_path / "absent")
    with pytest.raises(InputError, match="No runs yet"):
        clean_output(None, absent.root, keep=1, dry_run=False, as_json=False)
    assert not absent.root.exists()
