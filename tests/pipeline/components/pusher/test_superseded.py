import pytest
from ml_metadata.proto import metadata_store_pb2

from common.metadata import open_store, sqlite_connection
from pipeline.components.pusher.superseded import forget_superseded
from pipeline.lineage import lineage_of
from tests.pipeline.records import record_run

LIVE = metadata_store_pb2.Artifact.LIVE


@pytest.fixture
def store(tmp_path):
    return open_store(sqlite_connection(tmp_path / "metadata.db"))


def _live_versions(store):
    return [
        artifact.custom_properties["pushed_version"].string_value
        for artifact in store.get_artifacts_by_type("PushedModel")
        if artifact.state == LIVE
    ]


def test_a_store_without_pushes_is_left_alone(store, tmp_path):
    assert forget_superseded(store, tmp_path / "wells") == 0


def test_only_the_newest_version_stays_in_the_cache(store, tmp_path):
    base = tmp_path / "wells"
    for version in ("9", "10"):
        (base / version).mkdir(parents=True)
        record_run(store, f"run-{version}", serving=base, version=version)
    assert forget_superseded(store, base) == 1
    assert _live_versions(store) == ["10"]
    assert forget_superseded(store, base) == 0
    assert lineage_of(store, "wells/9").facts["run"] == "run-9"


def test_a_version_that_was_deleted_is_pushed_anew(store, tmp_path):
    record_run(store, "run-1", serving=tmp_path / "wells", version="1")
    assert forget_superseded(store, tmp_path / "wells") == 1


def test_a_newest_version_that_was_damaged_is_pushed_anew(store, tmp_path):
    base = tmp_path / "wells"
    (base / "9").mkdir(parents=True)
    record_run(store, "run-9", serving=base, version="9")
    assert forget_superseded(store, base, damaged={8}) == 0
    assert forget_superseded(store, base, damaged={9}) == 1


def test_refusals_and_other_models_are_none_of_its_business(store, tmp_path):
    record_run(store, "refused", serving=None)
    record_run(store, "other", serving=tmp_path / "pumps", version="1")
    assert forget_superseded(store, tmp_path / "wells") == 0
    assert _live_versions(store) == ["", "1"]
