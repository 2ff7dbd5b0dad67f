import shutil
import time

import pytest

from common import digests
from common.errors import InputError
from pipeline.data_versions import recording
from pipeline.data_versions.recording import record_inputs
from pipeline.lineage.restoring.data_versions import DataState
from tests.pipeline.data_versions.versioned_project import (
    OTHER_ROWS,
    ROWS,
    git,
    make_project,
    md5,
    tracking,
)


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


def _record(project, path="../data/x.csv"):
    return record_inputs(project.config(path), project.output)


def test_data_as_git_and_dvc_record_them_have_digest_revision_and_remote(project, tmp_path):
    project.write("data/x.csv", ROWS)
    project.track("data/x.csv", md5(ROWS))
    git(project.root, "remote", "add", "origin", "https://token@host/wells.git")
    commit = project.commit()
    [version] = _record(project)
    assert version.to_json() == {
        "path": "data/x.csv",
        "state": "as recorded",
        "md5": md5(ROWS),
        "revision": commit,
        "tracked_by": "data/x.csv.dvc",
        "remote": "store",
        "url": str(tmp_path / "store"),
        "repository": str(project.root),
        "origin": "https://host/wells.git",
        "place": "../data/x.csv",
        "difference": "",
    }


@pytest.mark.parametrize("content", ["", "<<<<<<< HEAD\nouts: [", "outs:\n- path: x.csv\n"])
@pytest.mark.parametrize(
    ("tracking_file", "path"), [("data/x.csv.dvc", "../data/x.csv"), ("data.dvc", "../data/*.csv")]
)
def test_a_damaged_tracking_file_is_named_and_its_data_have_no_revision(
    project, tracking_file, path, content
):
    project.write("data/x.csv", ROWS)
    project.write(tracking_file, content)
    project.commit()
    [version] = _record(project, path)
    assert (version.state, version.md5, version.revision) == (DataState.MODIFIED, "", "")
    assert f"{tracking_file} is damaged or records no MD5" in version.text()


@pytest.mark.parametrize("out", ["data/x.csv", "data/x.csv: {cache: true}", "data"])
def test_a_damaged_lock_file_is_named_for_the_outputs_of_its_stages(project, out):
    project.write("data/x.csv", ROWS)
    project.write("dvc.yaml", f"stages: {{prepare: {{cmd: make, outs: [{out}]}}}}\n")
    project.write("dvc.lock", "<<<<<<< HEAD\nstages: [")
    project.commit()
    [version] = _record(project)
    assert (version.state, version.tracked_by) == (DataState.MODIFIED, "dvc.lock")
    assert "dvc.lock is damaged or records no MD5" in version.text()


@pytest.mark.parametrize("path", ["../data/x.csv", "../data/*.csv"])
def test_data_that_are_not_there_may_need_a_pull(project, path):
    project.track("data/x.csv", md5(ROWS))
    project.commit()
    with pytest.raises(InputError, match=r"No data found at .*data.*\. If DVC .*`dvc pull`"):
        _record(project, path)


def test_a_changed_file_is_modified_and_of_no_revision(project):
    project.track("data/x.csv", md5(ROWS))
    project.write("data/x.csv", OTHER_ROWS)
    project.commit()
    [version] = _record(project)
    assert (version.state, version.md5, version.revision) == (DataState.MODIFIED, "", "")
    assert version.text() == (
        "data/x.csv: modified, so of no recorded revision: its MD5 is "
        f"{md5(OTHER_ROWS)}, and DVC records {md5(ROWS)}"
    )


def test_a_digest_that_no_commit_has_is_of_no_revision(project):
    project.write("data/x.csv", OTHER_ROWS)
    project.track("data/x.csv", md5(ROWS))
    commit = project.commit()
    project.track("data/x.csv", md5(OTHER_ROWS))
    [version] = _record(project)
    assert (version.state, version.revision) == (DataState.UNCOMMITTED, "")
    assert version.md5 == md5(OTHER_ROWS)
    assert version.difference == f"which data/x.csv.dvc records, and commit {commit[:12]} does not"


def test_a_tracking_file_that_was_never_committed_records_no_revision(project):
    project.commit()
    project.write("data/x.csv", ROWS)
    project.track("data/x.csv", md5(ROWS))
    assert [version.state for version in _record(project)] == [DataState.UNCOMMITTED]


def test_without_git_there_is_a_digest_but_no_revision(project):
    project.write("data/x.csv", ROWS)
    project.track("data/x.csv", md5(ROWS))
    shutil.rmtree(project.root / ".git")
    [version] = _record(project)
    assert (version.state, version.md5) == (DataState.UNCOMMITTED, md5(ROWS))
    assert version.difference == "which data/x.csv.dvc records; no commit does"


def test_a_file_of_a_tracked_folder_is_recorded_as_the_folder(project):
    digest = project.track_folder("data/days", {"1.csv": ROWS, "2.csv": OTHER_ROWS})
    project.commit()
    [version] = _record(project, "../data/days/*.csv")
    assert (version.path, version.md5) == ("data/days", digest)
    assert version.state is DataState.RECORDED


def test_of_a_tracked_folder_only_the_files_that_are_read_are_compared(project):
    project.track_folder("data/days", {"1.csv": ROWS, "2.csv": ROWS})
    project.write("data/days/2.csv", OTHER_ROWS)
    project.commit()
    assert _record(project, "../data/days/1.csv")[0].state is DataState.RECORDED
    [version] = _record(project, "../data/days/*.csv")
    assert version.difference == "2.csv differs from what DVC records"


def test_a_missing_file_and_a_file_too_many_are_modifications(project):
    project.track_folder("data/days", {"1.csv": ROWS, "2.csv": ROWS, "3.csv": ROWS})
    project.commit()
    (project.root / "data/days/2.csv").unlink()
    assert _record(project, "../data/days")[0].difference == "2.csv is missing"
    project.write("data/days/4.csv", ROWS)
    assert _record(project, "../data/days")[0].difference == "DVC does not record 4.csv"


def test_without_its_listing_the_whole_folder_is_hashed(project):
    project.track_folder("data/days", {"1.csv": ROWS, "s/2.csv": ROWS}, in_cache=False)
    project.commit()
    assert _record(project, "../data/days/1.csv")[0].state is DataState.RECORDED
    project.write("data/days/s/2.csv", OTHER_ROWS)
    [version] = _record(project, "../data/days/1.csv")
    assert "DVC's cache lacks the list of its files" in version.difference


def test_the_output_of_a_stage_is_recorded_by_its_lock_file(project):
    project.write("data/x.csv", ROWS)
    project.write("flow/dvc.yaml", "stages:\n  clean:\n    cmd: x\n    wdir: ..\n")
    project.write(
        "flow/dvc.lock",
        "schema: '2.0'\nstages:\n  clean:\n    cmd: x\n    outs:\n"
        f"    - path: data/x.csv\n      hash: md5\n      md5: {md5(ROWS)}\n",
    )
    project.commit()
    [version] = _record(project)
    assert (version.state, version.tracked_by) == (DataState.RECORDED, "flow/dvc.lock")


def test_a_digest_of_dvc_before_3_reads_crlf_as_lf(project):
    project.write("data/x.csv", ROWS.replace("\n", "\r\n"))
    text = tracking("x.csv", md5(ROWS)).replace("  hash: md5\n", "")
    project.write("data/x.csv.dvc", text)
    project.commit()
    assert _record(project)[0].state is DataState.RECORDED
    project.write("data/x.csv.dvc", tracking("x.csv", md5(ROWS)))
    assert _record(project)[0].state is DataState.MODIFIED


def test_a_project_may_be_a_folder_of_the_repository(project):
    project.write("data/x.csv", ROWS)
    (project.root / ".dvc").rename(project.root / "data" / ".dvc")
    project.track("data/x.csv", md5(ROWS))
    project.write(".gitignore", "data/x.csv\n")
    project.commit()
    [version] = _record(project)
    assert (version.path, version.state) == ("data/x.csv", DataState.RECORDED)


def test_data_that_dvc_does_not_track_are_not_recorded(project):
    project.write("data/x.csv", ROWS)
    project.track("data/y.csv", md5(ROWS))
    project.commit()
    assert _record(project) == []


@pytest.mark.parametrize("link", ["folder", "file"])
def test_links_into_another_repository_are_followed(project, tmp_path, link):
    (tmp_path / "other").mkdir()
    other = make_project(tmp_path / "other")
    other.write("data/x.csv", ROWS)
    other.track("data/x.csv", md5(ROWS))
    commit = other.commit()
    target = other.root / "data"
    if link == "folder":
        (project.root / "data").symlink_to(target)
    else:
        (project.root / "data").mkdir()
        (project.root / "data" / "x.csv").symlink_to(target / "x.csv")
    [version] = _record(project)
    assert (version.path, version.repository) == ("data/x.csv", str(other.root))
    assert (version.state, version.revision) == (DataState.RECORDED, commit)
    shutil.rmtree(project.root / ".dvc")
    assert len(_record(project)) == 1


def test_files_that_dvc_keeps_as_links_into_its_cache_are_those_of_the_project(project):
    project.write(".dvc/cache/x", ROWS)
    (project.root / "data").mkdir()
    (project.root / "data" / "x.csv").symlink_to(project.root / ".dvc" / "cache" / "x")
    project.track("data/x.csv", md5(ROWS))
    project.commit()
    [version] = _record(project)
    assert (version.path, version.state) == ("data/x.csv", DataState.RECORDED)


def test_data_without_dvc_are_neither_listed_nor_hashed(project, monkeypatch):
    project.write("data/x.csv", ROWS)
    shutil.rmtree(project.root / ".dvc")
    monkeypatch.setattr(recording, "input_files", pytest.fail)
    assert _record(project) == []


def test_one_pass_over_a_file_gives_both_digests(project, monkeypatch):
    monkeypatch.setattr(digests, "_MIN_AGE_S", -100)
    file = project.write("data/x.csv", ROWS)
    project.track("data/x.csv", md5(ROWS))
    project.commit()
    _record(project)
    sha256 = digests.file_digest(file)
    monkeypatch.setattr(digests, "local_digest", pytest.fail)
    kept = digests.KeptDigests(project.output.kept_digests)
    assert kept.digest(str(file)) == (sha256, len(ROWS))
    assert kept.md5(str(file)) == md5(ROWS)


def test_a_change_after_the_digest_was_kept_is_seen(project, monkeypatch):
    monkeypatch.setattr(digests, "_MIN_AGE_S", -100)
    project.write("data/x.csv", ROWS)
    project.track("data/x.csv", md5(ROWS))
    project.commit()
    assert _record(project)[0].state is DataState.RECORDED
    time.sleep(0.02)  # longer than the resolution of the kernel's clock
    project.write("data/x.csv", OTHER_ROWS)
    assert _record(project)[0].state is DataState.MODIFIED
