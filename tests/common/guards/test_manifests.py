import hashlib

import pytest

from common.guards.manifests import Manifest, find_change, make_manifest


@pytest.fixture
def artifact(tmp_path):
    folder = tmp_path / "7"
    (folder / "Format-Serving").mkdir(parents=True)
    (folder / "Format-Serving" / "saved_model.pb").write_bytes(b"graph")
    (folder / "note").write_bytes(b"abc")
    return folder


def test_a_manifest_has_the_size_and_digest_of_each_file_and_survives_json(artifact):
    manifest = make_manifest(artifact)
    assert manifest.files == {
        "Format-Serving/saved_model.pb": (5, hashlib.sha256(b"graph").hexdigest()),
        "note": (3, hashlib.sha256(b"abc").hexdigest()),
    }
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert find_change(artifact, manifest) == ""


def test_the_part_of_a_subfolder_is_the_manifest_of_that_folder(artifact):
    part = make_manifest(artifact).below("Format-Serving")
    assert part == make_manifest(artifact / "Format-Serving")


def test_an_artifact_may_be_one_file(tmp_path):
    (tmp_path / "value").write_text("a")
    manifest = make_manifest(tmp_path / "value")
    assert list(manifest.files) == ["."]
    (tmp_path / "value").write_text("b")
    assert find_change(tmp_path / "value", manifest) == "the content of . changed"


def _truncate(folder):
    (folder / "note").write_bytes(b"a")


def _edit(folder):
    (folder / "note").write_bytes(b"abd")


def _remove(folder):
    (folder / "note").unlink()


def _add(folder):
    (folder / "Format-Serving" / "extra").touch()


def _remove_all(folder):
    _remove(folder)
    (folder / "Format-Serving" / "saved_model.pb").unlink()


def _dangle(folder):
    _remove(folder)
    (folder / "note").symlink_to("nowhere")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_truncate, "note has 1 bytes instead of 3"),
        (_edit, "the content of note changed"),
        (_remove, "note is missing"),
        (_add, "Format-Serving/extra was added"),
        (_remove_all, "Format-Serving/saved_model.pb is missing"),
        (_dangle, "note cannot be read (No such file or directory)"),
    ],
)
def test_each_kind_of_damage_is_seen_and_named(artifact, damage, words):
    manifest = make_manifest(artifact)
    damage(artifact)
    assert find_change(artifact, manifest).endswith(words)


def test_content_is_not_read_where_sizes_differ(artifact):
    manifest = make_manifest(artifact)
    _truncate(artifact)
    assert "bytes" in find_change(artifact, manifest, digest_file=lambda _: pytest.fail("read"))
