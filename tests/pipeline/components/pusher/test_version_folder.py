from pathlib import Path

import pytest

from common.errors import StepFailedError
from common.guards.manifests import make_manifest
from pipeline.components.pusher import version_folder
from pipeline.components.pusher.version_folder import (
    find_damaged_versions,
    find_version_damage,
    model_digest,
    push_version,
    restore_version,
    served_versions,
    withdraw_version,
    withdrawn_versions,
)


def _model(folder: Path, weights: str = "1.0") -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text("graph")
    (folder / "variables" / "variables.index").write_text(weights)
    return folder


def _contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_the_first_version_is_the_time_and_holds_every_file(tmp_path):
    model = _model(tmp_path / "model")
    version = push_version(model, tmp_path / "serving" / "signals", now_s=1_764_000_000)
    assert version == tmp_path / "serving" / "signals" / "1764000000"
    assert _contents(version) == {"saved_model.pb": "graph", "variables/variables.index": "1.0"}
    assert [path.name for path in version.parent.iterdir()] == ["1764000000"]


def test_versions_rise_within_one_second_and_when_the_clock_goes_back(tmp_path):
    pushed = [
        push_version(_model(tmp_path / f"m{i}", weights=str(i)), tmp_path / "base", now_s=now_s)
        for i, now_s in enumerate([100, 100, 50])
    ]
    assert [version.name for version in pushed] == ["100", "101", "102"]
    # Text order would put 99 after 100.
    assert served_versions(tmp_path / "base") == [100, 101, 102]
    assert _contents(pushed[2])["variables/variables.index"] == "2"


def test_the_model_that_is_newest_already_is_not_pushed_again(tmp_path):
    base = tmp_path / "base"
    model = _model(tmp_path / "model")
    assert push_version(model, base, now_s=100) == push_version(model, base, now_s=200)
    assert served_versions(base) == [100]


def test_an_older_model_is_pushed_again_as_the_newest(tmp_path):
    base = tmp_path / "base"
    old, new = _model(tmp_path / "old"), _model(tmp_path / "new", weights="2.0")
    versions = [push_version(model, base, now_s=1).name for model in (old, new, old)]
    assert versions == ["1", "2", "3"]


def test_a_push_that_is_stopped_while_it_copies_leaves_nothing(tmp_path, monkeypatch):
    base = tmp_path / "base"

    def stops_halfway(source: Path, target: Path) -> None:
        target.mkdir()
        (target / "saved_model.pb").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(version_folder.shutil, "copytree", stops_halfway)
    with pytest.raises(KeyboardInterrupt):
        push_version(_model(tmp_path / "model"), base, now_s=100)
    assert list(base.iterdir()) == []


def test_what_a_killed_push_left_is_removed_and_never_served(tmp_path):
    base = tmp_path / "base"
    leftover = base / ".incoming-0123" / "base@100"
    leftover.mkdir(parents=True)
    (leftover / "saved_model.pb").write_text("half")
    assert served_versions(base) == []
    push_version(_model(tmp_path / "model"), base, now_s=100)
    assert [path.name for path in base.iterdir()] == ["100"]


def test_a_withdrawn_version_is_kept_whole_and_comes_back_whole(tmp_path):
    base = tmp_path / "base"
    version = push_version(_model(tmp_path / "model"), base, now_s=100)
    digest = model_digest(version)
    withdraw_version(base, 100)
    assert (served_versions(base), withdrawn_versions(base)) == ([], [100])
    restore_version(base, 100)
    assert (served_versions(base), withdrawn_versions(base)) == ([100], [])
    assert model_digest(version) == digest


def test_the_number_of_a_withdrawn_version_is_not_given_again(tmp_path):
    base = tmp_path / "base"
    push_version(_model(tmp_path / "old"), base, now_s=100)
    withdraw_version(base, 100)
    assert push_version(_model(tmp_path / "new", weights="2"), base, now_s=50).name == "101"


def test_a_digest_is_of_names_and_content(tmp_path):
    one, same = _model(tmp_path / "one"), _model(tmp_path / "same")
    other = _model(tmp_path / "other", weights="2")
    assert model_digest(one) == model_digest(same) != model_digest(other)


def test_a_folder_without_a_model_is_refused_and_nothing_is_made(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"No saved_model\.pb"):
        push_version(tmp_path / "empty", tmp_path / "base", now_s=1)
    assert not (tmp_path / "base").exists()


def test_damage_to_a_version_is_seen_wherever_it_is_kept(tmp_path):
    base = tmp_path / "base"
    push_version(_model(tmp_path / "model"), base, now_s=100)
    assert find_damaged_versions(base) == {}
    graph = base / "100" / "saved_model.pb"
    content = graph.read_bytes()
    graph.write_bytes(content[:-1])
    [(version, change)] = find_damaged_versions(base).items()
    assert version == 100
    assert change.startswith("saved_model.pb has ")
    withdraw_version(base, 100)
    assert find_version_damage(base, 100) == change
    restore_version(base, 100)
    graph.write_bytes(content)
    assert find_damaged_versions(base) == {}


def test_a_version_without_a_manifest_is_not_checked(tmp_path):
    _model(tmp_path / "base" / "100")
    assert find_damaged_versions(tmp_path / "base") == {}


def test_a_manifest_that_cannot_be_read_is_damage(tmp_path):
    base = tmp_path / "base"
    push_version(_model(tmp_path / "model"), base, now_s=100)
    (tmp_path / ".manifests" / "base" / "100.json").write_text("{")
    assert "cannot be read" in find_damaged_versions(base)[100]


def test_what_is_pushed_must_be_what_was_published(tmp_path):
    model, base = _model(tmp_path / "model"), tmp_path / "base"
    published = make_manifest(model)
    (model / "saved_model.pb").write_text("another graph")
    with pytest.raises(StepFailedError, match=r"not the one that was judged: saved_model.pb"):
        push_version(model, base, now_s=100, published=published)
    assert served_versions(base) == []


def test_a_damaged_newest_version_is_pushed_anew(tmp_path):
    model, base = _model(tmp_path / "model"), tmp_path / "base"
    push_version(model, base, now_s=100)
    (base / "100" / "saved_model.pb").write_text("half")
    assert push_version(model, base, now_s=100).name == "101"
    assert list(find_damaged_versions(base)) == [100]
