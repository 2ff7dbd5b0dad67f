"""Manifests of artifacts in a bucket; TensorFlow's file system in memory stands for one."""

import uuid

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.io import fileio

from pipeline.running.launching.artifact_checks import ArtifactChecks


def write(uri: str, text: str) -> None:
    if fileio.exists(uri):  # a shorter text would not shorten the file
        fileio.remove(uri)
    with fileio.open(uri, "w") as file:
        file.write(text)


@pytest.fixture
def examples() -> metadata_store_pb2.Artifact:
    """An artifact of two splits, whose manifest is recorded."""
    uri = f"ram://{uuid.uuid4().hex}/Gen/examples/1"
    for split in ("train", "test"):
        fileio.makedirs(f"{uri}/Split-{split}")
        write(f"{uri}/Split-{split}/data-00000", split * 100)
    artifact = metadata_store_pb2.Artifact(uri=uri, type="Examples")
    ArtifactChecks(None).record(artifact)
    return artifact


def damage(artifact: metadata_store_pb2.Artifact) -> str:
    return ArtifactChecks(None).find_damage(artifact, needs_digest=True)


def test_files_in_a_bucket_that_are_as_published_are_not_damaged(examples):
    assert damage(examples) == ""


def test_a_file_in_a_bucket_that_was_cut_off_is_seen(examples):
    write(f"{examples.uri}/Split-train/data-00000", "train" * 50)
    assert damage(examples) == "Split-train/data-00000 has 250 bytes instead of 500"


def test_a_file_that_was_added_to_a_bucket_is_seen(examples):
    write(f"{examples.uri}/Split-train/data-00001", "old")
    assert damage(examples) == "Split-train/data-00001 was added"


def test_a_file_that_was_removed_from_a_bucket_is_seen(examples):
    fileio.remove(f"{examples.uri}/Split-test/data-00000")
    assert damage(examples) == "Split-test/data-00000 is missing"


def test_an_artifact_of_one_file_in_a_bucket_is_checked_too():
    uri = f"ram://{uuid.uuid4().hex}/value"
    write(uri, "0.5")
    artifact = metadata_store_pb2.Artifact(uri=uri, type="Float")
    ArtifactChecks(None).record(artifact)
    assert damage(artifact) == ""
    write(uri, "")
    assert damage(artifact) == ". has 0 bytes instead of 3"
    fileio.remove(uri)
    assert damage(artifact) == ". is missing"


def test_an_earlier_artifact_in_a_bucket_is_made_again_once(examples):
    artifact = metadata_store_pb2.Artifact(uri=examples.uri, type="Examples")
    assert "without a digest" in damage(artifact)
    assert ArtifactChecks(None).find_damage(artifact) == ""
