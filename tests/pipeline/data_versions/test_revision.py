"""Earlier revisions with a stand-in for the program `dvc`; the real one is in tests/ecosystem."""

import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import InputError
from pipeline.data_versions.opening import open_data
from pipeline.data_versions.program import find_dvc
from pipeline.data_versions.repository import Repository
from pipeline.data_versions.revision import may_match
from pipeline.lineage.restoring.data_versions import DataState
from tests.pipeline.data_versions.versioned_project import OTHER_ROWS, ROWS, git, make_project, md5

# `dvc get --rev COMMIT -o TARGET -- REPOSITORY PATH`: copies PATH of a folder of remote data.
_GET = """\
#!/bin/sh
echo "$8" >> "{log}"
cp -r "{remote}/$8" "$5" || {{ echo "ERROR: gone" >&2; exit 1; }}
"""


class _Remote:
    """A folder that stands for the remote, and the paths that were fetched from it."""

    def __init__(self, folder, monkeypatch) -> None:
        self.folder = folder / "remote"
        (self.folder / "data").mkdir(parents=True)
        self._log, program = folder / "fetched", folder / "dvc"
        program.write_text(_GET.format(log=self._log, remote=self.folder))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("FAULTLINE_DVC", str(program))

    def fetched(self):
        return self._log.read_text().split() if self._log.exists() else []


@pytest.fixture
def remote(tmp_path, monkeypatch):
    return _Remote(tmp_path, monkeypatch)


@pytest.fixture
def project(tmp_path, remote):
    """Revision v1 has ROWS, which the remote keeps; the working copy and its commit OTHER_ROWS."""
    project = make_project(tmp_path)
    project.track("data/x.csv", md5(ROWS))
    project.config("../data/x.csv")
    project.commit()
    git(project.root, "tag", "v1")
    (remote.folder / "data" / "x.csv").write_text(ROWS)
    project.write("data/x.csv", OTHER_ROWS)
    project.track("data/x.csv", md5(OTHER_ROWS))
    project.commit()
    return project


def _open(project, revision="v1", path="../data/x.csv"):
    return open_data(project.config(path), project.output, revision)


def test_the_data_of_a_revision_are_in_the_output_folder_and_the_working_copy_is_as_it_was(
    project, remote
):
    index = (project.root / ".git" / "index").read_bytes()
    opened = _open(project)
    commit = git(project.root, "rev-parse", "v1")
    assert opened.config.data.path == str(project.output.data_versions / commit / "data/x.csv")
    [version] = opened.versions
    assert (version.revision, version.md5, version.place) == (commit, md5(ROWS), "../data/x.csv")
    assert (project.root / "data/x.csv").read_text() == OTHER_ROWS
    assert (project.root / ".git" / "index").read_bytes() == index
    assert git(project.root, "status", "--porcelain") == ""


def test_a_second_time_nothing_is_fetched_and_dvc_is_not_needed(project, remote, monkeypatch):
    _open(project)
    monkeypatch.setenv("FAULTLINE_DVC", "/nowhere/dvc")
    _open(project)
    assert remote.fetched() == ["data/x.csv"]


def test_data_that_were_changed_in_the_output_folder_are_fetched_again(project, remote):
    path = _open(project).config.data.path
    Path(path).write_text(OTHER_ROWS)
    _open(project)
    assert remote.fetched() == ["data/x.csv", "data/x.csv"]
    assert Path(path).read_text() == ROWS


@pytest.mark.parametrize(
    ("num_others", "fetched"),
    [
        (4, ["data/parts"]),  # half of the outputs below are needed
        (5, [f"data/parts/{number}.csv" for number in range(4)]),
    ],
)
def test_many_outputs_of_a_folder_are_fetched_at_once(project, remote, num_others, fetched):
    (remote.folder / "data" / "parts").mkdir()
    for number in range(4):
        project.track(f"data/parts/{number}.csv", md5(ROWS))
        (remote.folder / "data" / "parts" / f"{number}.csv").write_text(ROWS)
    for number in range(num_others):
        project.track(f"data/parts/{number}.txt", md5(ROWS))
    project.commit()
    opened = _open(project, "HEAD", "../data/parts/*.csv")
    assert len(opened.versions) == 4
    assert remote.fetched() == fetched


@pytest.mark.parametrize("missing", ["v2", "--all", "HEAD:data"])
def test_an_unknown_revision_is_named(project, missing):
    with pytest.raises(InputError, match=f"git knows no revision {missing} in "):
        _open(project, missing)


def test_the_command_that_lists_revisions_works_in_a_folder_with_a_space(tmp_path):
    folder = tmp_path / "two words"
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    with pytest.raises(InputError, match=r"no revision '' in .*`git -C '/.*two words' log"):
        Repository(root=folder, dvc_root=folder).commit_of("")


def test_data_that_were_not_tracked_at_the_revision_are_named(project):
    with pytest.raises(InputError, match=r"DVC did not track data.path, \.\./data/new.csv, at"):
        _open(project, path="../data/new.csv")


def test_data_that_git_has_itself_are_no_data_of_dvc(project):
    project.write("data/labels.csv", "file,y\nx,1\n")
    project.commit()
    with pytest.raises(InputError, match="git itself has its files"):
        _open(project, "HEAD", "../data/labels.csv")


def test_data_that_the_remote_lacks_are_named_with_the_remote(project, remote, tmp_path):
    (remote.folder / "data" / "x.csv").unlink()
    with pytest.raises(InputError, match=r"could not fetch data/x.csv") as caught:
        _open(project)
    assert f"neither the remote store ({tmp_path / 'store'}) nor DVC's cache" in str(caught.value)
    assert [path.name for path in project.output.data_versions.rglob(".incoming*")] == []


def test_what_dvc_says_is_told_without_credentials(project, remote, tmp_path):
    (tmp_path / "dvc").write_text(
        "#!/bin/sh\n"
        "echo 'note' >&2\n"
        "echo 'ERROR: no https://token@host/x?sig=secret' >&2\n"
        "exit 255\n"
    )
    with pytest.raises(InputError, match=r": no https://host/x\. Perhaps neither") as caught:
        _open(project)
    assert "token" not in str(caught.value)


def test_other_data_than_the_recorded_ones_are_refused(project, remote):
    (remote.folder / "data" / "x.csv").write_text("a,y\n")
    with pytest.raises(InputError, match=r"what DVC fetched for data/x.csv is damaged"):
        _open(project)
    assert not list(project.output.data_versions.glob("*/data/x.csv"))


def test_without_the_program_the_error_says_what_to_do(project, monkeypatch):
    monkeypatch.setenv("FAULTLINE_DVC", "/nowhere/dvc")
    with pytest.raises(InputError, match="FAULTLINE_DVC names /nowhere/dvc, which is no program"):
        _open(project)
    with pytest.raises(InputError, match="there is no `dvc`"):
        find_dvc({"PATH": ""})


def test_data_outside_a_repository_with_dvc_have_no_revisions(project):
    shutil.rmtree(project.root / ".dvc")
    with pytest.raises(InputError, match=r"no folder `.dvc` at or above it"):
        _open(project)


def test_data_in_a_bucket_have_no_revisions(project):
    config = project.config("../data/x.csv")
    config = replace(config, data=replace(config.data, path="s3://bucket/x.csv"))
    with pytest.raises(InputError, match=r"data.path is s3://bucket/x.csv"):
        open_data(config, project.output, "v1")


def test_a_link_out_of_the_revision_is_not_followed(project, tmp_path, remote):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project.write("configs/x", "")
    (project.root / "linked").symlink_to(elsewhere)
    project.write("linked.dvc", "outs: []\n")
    project.write(
        "dvc.lock",
        "schema: '2.0'\nstages:\n  a:\n    outs:\n    - path: linked/x.csv\n      hash: md5\n"
        f"      md5: {md5(ROWS)}\n",
    )
    project.commit()
    with pytest.raises(InputError, match="outside the fetched revision"):
        _open(project, "HEAD", "../linked/x.csv")
    assert list(elsewhere.iterdir()) == []


def _link_beside(project, target):
    """Commits a link in git beside the data of DVC; the config's glob takes both."""
    (project.root / "data" / "w.csv").symlink_to(target)
    project.commit()


def test_a_link_that_git_has_to_a_file_elsewhere_is_of_no_revision(project, tmp_path):
    (tmp_path / "w.csv").write_text(ROWS)
    _link_beside(project, tmp_path / "w.csv")
    (tmp_path / "remote" / "data" / "x.csv").write_text(OTHER_ROWS)
    with pytest.raises(InputError, match=r"data/w.csv as a link to .*w.csv, outside the revision"):
        _open(project, "HEAD", "../data/*.csv")


def test_a_file_behind_a_link_that_git_has_is_compared_too(project, tmp_path):
    project.write("labels/w.csv", ROWS)
    _link_beside(project, "../labels/w.csv")
    (tmp_path / "remote" / "data" / "x.csv").write_text(OTHER_ROWS)
    path = Path(_open(project, "HEAD", "../data/*.csv").config.data.path)
    (path.parents[1] / "labels" / "w.csv").write_text(OTHER_ROWS)
    with pytest.raises(InputError, match=r"labels/w.csv was changed after it was fetched"):
        _open(project, "HEAD", "../data/*.csv")


def test_a_tracking_file_with_a_line_break_in_its_name_shifts_no_other(project):
    project.write("data/a\nb.dvc", "outs: []\n")
    project.commit()
    git(project.root, "tag", "v2")
    # The remote has other rows than v2 records: its digest was found.
    with pytest.raises(InputError, match=f"DVC records {md5(OTHER_ROWS)}"):
        _open(project, "v2")


def test_data_that_change_while_they_are_read_are_of_no_revision(project):
    opened = open_data(project.config("../data/x.csv"), project.output, None)
    assert [one.state for one in opened.read_again()] == [DataState.RECORDED]
    project.write("data/x.csv", ROWS)
    [version] = opened.read_again()
    assert (version.state, version.revision) == (DataState.MODIFIED, "")
    assert version.difference == "it was changed while the run read it"
    (project.root / "data/x.csv").unlink()
    assert [one.state for one in opened.read_again()] == [DataState.MODIFIED]


@pytest.mark.parametrize(
    ("path", "pattern", "is_folder", "matches"),
    [
        ("data/x.csv", "data", False, True),
        ("data/x.csv", "dat", False, False),
        ("data/x.CSV", "data/*.csv", False, True),
        ("data/s/x.csv", "data/*.csv", False, False),
        ("data/s/x.csv", "data/**/*.csv", False, True),
        ("data/7", "data/{SPAN}/x.csv", True, True),
        ("data/7", "data/{SPAN}/x.csv", False, False),
        ("data/7", "data/{SPAN}", True, True),
        ("x.csv", ".", False, True),
    ],
)
def test_outputs_that_a_path_may_mean(path, pattern, is_folder, matches):
    assert may_match(path, pattern, is_folder=is_folder) is matches
