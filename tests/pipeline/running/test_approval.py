"""A person's yes, in a real metadata store."""

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from common.errors import InputError
from common.metadata import sqlite_connection
from pipeline.running.approval import Approval, record_approval
from pipeline.running.launching.artifact_checks import ArtifactChecks


@pytest.fixture
def store(tmp_path) -> MetadataStore:
    return MetadataStore(sqlite_connection(tmp_path / "metadata.db"))


def add_run(store, tmp_path, *, run_id: str = "r1", servable: bool = True, **noted: str) -> int:
    """A run of a gate and a check of the server; returns the blessing's id."""
    folder = tmp_path / run_id
    folder.mkdir()
    (folder / "NOT_BLESSED").touch()
    run_type = store.put_context_type(metadata_store_pb2.ContextType(name="pipeline_run"))
    run = store.put_contexts([metadata_store_pb2.Context(type_id=run_type, name=run_id)])[0]
    step_type = store.put_execution_type(metadata_store_pb2.ExecutionType(name="ModelGate"))
    step = metadata_store_pb2.Execution(
        type_id=step_type, last_known_state=metadata_store_pb2.Execution.COMPLETE
    )
    blessing, infra = (
        metadata_store_pb2.Artifact(
            type_id=store.put_artifact_type(metadata_store_pb2.ArtifactType(name=name)),
            uri=str(folder),
        )
        for name in ("ModelBlessing", "InfraBlessing")
    )
    for key, value in noted.items():
        blessing.custom_properties[key].string_value = value
    blessing.custom_properties["blessed"].int_value = 0
    infra.custom_properties["blessed"].int_value = int(servable)
    made = metadata_store_pb2.Event.OUTPUT
    pairs = [(artifact, metadata_store_pb2.Event(type=made)) for artifact in (blessing, infra)]
    for pair, key in zip(pairs, ("blessing", "infra"), strict=True):
        pair[1].path.steps.add().key = key
        pair[1].path.steps.add().index = 0
    context = metadata_store_pb2.Context(id=run, type_id=run_type, name=run_id)
    _, ids, _ = store.put_execution(step, pairs, [context])
    return ids[0]


WAITING = {"verdict": "INCONCLUSIVE", "on_inconclusive": "ask"}
YES = Approval(run_id="r1", by="Ada ", why="seen")


def test_a_yes_is_noted_with_who_and_why_where_tfx_looks_for_it(store, tmp_path):
    blessing = add_run(store, tmp_path, **WAITING)
    record_approval(store, YES, now_s=1_700_000_000)
    [artifact] = store.get_artifacts_by_id([blessing])
    noted = artifact.custom_properties
    assert noted["blessed"].int_value == 1
    assert (noted["approved_by"].string_value, noted["approved_why"].string_value) == (
        "Ada",
        "seen",
    )
    assert noted["approved_at"].int_value == 1_700_000_000
    assert noted["verdict"].string_value == "INCONCLUSIVE"
    assert [path.name for path in (tmp_path / "r1").iterdir()] == ["BLESSED"]
    # The file that an approval renames is no damage.
    assert ArtifactChecks(None).find_damage(artifact, needs_digest=True) == ""


@pytest.mark.parametrize(
    ("noted", "message"),
    [
        ({"verdict": "REJECTED"}, "is REJECTED; only INCONCLUSIVE awaits approval"),
        ({"verdict": "BLESSED"}, "is BLESSED; only INCONCLUSIVE"),
        (WAITING | {"on_inconclusive": "keep"}, "gate.on_inconclusive is `keep`"),
        (WAITING | {"approved_by": "Bob"}, "was already approved by Bob"),
    ],
)
def test_what_does_not_wait_is_not_approved(store, tmp_path, noted, message):
    blessing = add_run(store, tmp_path, **noted)
    with pytest.raises(InputError, match=message):
        record_approval(store, YES)
    [artifact] = store.get_artifacts_by_id([blessing])
    assert artifact.custom_properties["blessed"].int_value == 0


def test_a_model_that_no_server_could_ask_is_not_approved(store, tmp_path):
    add_run(store, tmp_path, servable=False, **WAITING)
    with pytest.raises(InputError, match="failed the server check"):
        record_approval(store, YES)


def test_an_unknown_run_is_told_with_those_that_wait(store, tmp_path):
    add_run(store, tmp_path, **WAITING)
    add_run(store, tmp_path, run_id="r2", verdict="BLESSED")
    with pytest.raises(InputError, match=r"There is no run r9\. Awaiting approval: r1\."):
        record_approval(store, Approval(run_id="r9", by="Ada", why="seen"))


@pytest.mark.parametrize(("by", "why", "option"), [(" ", "seen", "--by"), ("Ada", "", "--why")])
def test_a_yes_says_who_and_why(store, tmp_path, by, why, option):
    add_run(store, tmp_path, **WAITING)
    with pytest.raises(InputError, match=f"{option} is empty"):
        record_approval(store, Approval(run_id="r1", by=by, why=why))


def test_a_unique_prefix_of_the_runs_id_is_enough(store, tmp_path):
    add_run(store, tmp_path, run_id="20261124-wells", **WAITING)
    approval = Approval(run_id="20261124", by="Ada", why="seen")
    assert record_approval(store, approval) == "20261124-wells"


def test_a_new_anchor_may_be_blessed_already(store, tmp_path):
    blessing = add_run(store, tmp_path, verdict="BLESSED")
    [artifact] = store.get_artifacts_by_id([blessing])
    artifact.custom_properties["blessed"].int_value = 1
    store.put_artifacts([artifact])
    anchor = Approval(run_id="r1", by="Ada", why="new sensor", new_anchor=True)
    record_approval(store, anchor, now_s=1_700_000_000)
    [artifact] = store.get_artifacts_by_id([blessing])
    noted = artifact.custom_properties
    assert (noted["anchor_by"].string_value, noted["anchor_why"].string_value) == (
        "Ada",
        "new sensor",
    )
    assert noted["anchor_at"].int_value == 1_700_000_000
    assert "approved_by" not in noted


def test_an_inconclusive_model_is_approved_and_the_anchor_at_once(store, tmp_path):
    blessing = add_run(store, tmp_path, **WAITING)
    record_approval(store, Approval(run_id="r1", by="Ada", why="seen", new_anchor=True), now_s=5)
    [artifact] = store.get_artifacts_by_id([blessing])
    noted = artifact.custom_properties
    assert (noted["approved_at"].int_value, noted["anchor_at"].int_value) == (5, 5)
    assert noted["blessed"].int_value == 1


def test_a_rejected_model_is_no_new_anchor(store, tmp_path):
    add_run(store, tmp_path, verdict="REJECTED")
    with pytest.raises(InputError, match="is REJECTED; only INCONCLUSIVE awaits approval"):
        record_approval(store, Approval(run_id="r1", by="Ada", why="seen", new_anchor=True))
