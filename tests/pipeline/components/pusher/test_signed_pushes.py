"""Pushes that are signed: what a version folder then holds, and when it is pushed again."""

import shutil

import pytest

from common.errors import StepFailedError
from common.guards.manifests import Manifest, make_manifest
from common.guards.stopping import Stopped
from common.signing.signatures import SIGNATURE_FILE, sign_folder
from common.signing.verification import Verifier
from pipeline.components.pusher import version_folder
from pipeline.components.pusher.version_folder import (
    find_damaged_versions,
    find_version_damage,
    model_digest,
    newest_if_same,
    push_version,
    served_versions,
)
from tests.signed_versions import FILES, make_pair


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return [make_pair(folder, name) for name in ("old", "new")]


@pytest.fixture
def model(tmp_path):
    for name, text in FILES.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_text(text)
    return tmp_path / "model"


@pytest.fixture
def base(tmp_path):
    return tmp_path / "serving" / "signals"


def test_a_signed_version_has_the_models_files_and_a_signature_that_fits(keys, model, base):
    version = push_version(
        model, base, now_s=100, published=make_manifest(model), key=keys[0].read()
    )
    files = {path.relative_to(version).as_posix() for path in version.rglob("*") if path.is_file()}
    assert files == {*FILES, SIGNATURE_FILE}
    assert Verifier([keys[0].public]).verify(version).subject == "signals@100"
    assert [path.name for path in base.iterdir()] == ["100"]
    assert not (model / SIGNATURE_FILE).exists()


def test_the_same_model_is_not_pushed_again_by_the_same_key(keys, model, base):
    first = push_version(model, base, now_s=100, key=keys[0].read())
    signature = (first / SIGNATURE_FILE).read_bytes()
    assert push_version(model, base, now_s=200, key=keys[0].read()) == first
    assert (first / SIGNATURE_FILE).read_bytes() == signature
    assert push_version(model, base, now_s=300) == first


def test_an_unsigned_version_is_pushed_again_once_there_is_a_key_and_by_a_new_key(
    keys, model, base
):
    push_version(model, base, now_s=100)
    assert push_version(model, base, now_s=200, key=keys[0].read()).name == "200"
    assert push_version(model, base, now_s=300, key=keys[1].read()).name == "300"


@pytest.mark.parametrize(
    "damage",
    [
        lambda version: (version / SIGNATURE_FILE).unlink(),
        lambda version: (version / SIGNATURE_FILE).write_text("{}"),
    ],
)
def test_a_version_whose_signature_is_damaged_is_pushed_again(keys, model, base, damage):
    version = push_version(model, base, now_s=100, key=keys[0].read())
    damage(version)
    assert "model.sig" in find_damaged_versions(base)[100]
    assert push_version(model, base, now_s=200, key=keys[0].read()).name == "200"


def test_the_signature_is_part_of_the_manifest_but_not_of_the_models_identity(keys, model, base):
    version = push_version(model, base, now_s=100, key=keys[0].read())
    assert find_version_damage(base, 100) == ""
    assert newest_if_same(model, base) == version
    assert model_digest(version) == model_digest(model)


def test_what_was_not_judged_is_not_pushed_although_it_can_be_signed(keys, model, base):
    judged = make_manifest(model)
    (model / "saved_model.pb").write_text("other")
    with pytest.raises(StepFailedError, match=r"saved_model\.pb .*Nothing was pushed"):
        push_version(model, base, now_s=100, published=judged, key=keys[0].read())
    assert served_versions(base) == []
    with pytest.raises(StepFailedError, match="was added"):
        push_version(model, base, now_s=100, published=Manifest({}), key=keys[0].read())


def test_what_was_not_judged_is_not_signed(keys, model, base, monkeypatch):
    judged = make_manifest(model)
    (model / "saved_model.pb").write_text("other")
    signed = []
    monkeypatch.setattr(version_folder, "sign_folder", lambda *arguments: signed.append(arguments))
    with pytest.raises(StepFailedError, match="not the one that was judged"):
        push_version(model, base, now_s=100, published=judged, key=keys[0].read())
    assert signed == []


def test_a_copy_that_changed_while_it_was_signed_is_neither_pushed_nor_kept(
    keys, model, base, monkeypatch
):
    def change_and_sign(folder, key):
        (folder / "saved_model.pb").write_text("other")
        return sign_folder(folder, key)

    monkeypatch.setattr(version_folder, "sign_folder", change_and_sign)
    with pytest.raises(StepFailedError, match="not the one that was judged"):
        push_version(model, base, now_s=100, published=make_manifest(model), key=keys[0].read())
    assert list(base.iterdir()) == []


def test_a_push_that_stops_before_the_rename_shows_nothing_to_a_server(
    keys, model, base, monkeypatch
):
    def stop() -> None:
        raise Stopped(15)

    monkeypatch.setattr(version_folder, "check_not_stopped", stop)
    with pytest.raises(Stopped):
        push_version(model, base, now_s=100, key=keys[0].read())
    assert served_versions(base) == []
    monkeypatch.undo()
    version = push_version(model, base, now_s=100, key=keys[0].read())
    assert [path.name for path in base.iterdir()] == [version.name]


def test_each_version_is_complete_when_it_appears(keys, model, base, monkeypatch):
    """The rename is the last change: the folder that it moves has its signature already."""
    seen = []
    manifest = version_folder._write_manifest

    def look(base, version, files) -> None:
        seen.append(sorted(files.files))
        assert served_versions(base) == []
        manifest(base, version, files)

    monkeypatch.setattr(version_folder, "_write_manifest", look)
    push_version(model, base, now_s=100, key=keys[0].read())
    assert seen == [sorted([*FILES, SIGNATURE_FILE])]


def test_a_moved_version_still_verifies_with_its_name(keys, model, base, tmp_path):
    version = push_version(model, base, now_s=100, key=keys[0].read())
    copy = tmp_path / "elsewhere" / "signals" / "100"
    shutil.copytree(version, copy)
    assert Verifier([keys[0].public]).verify(copy).subject == "signals@100"
