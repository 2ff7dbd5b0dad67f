"""What a clean-up removes and leaves, on folders and records as runs leave them."""

from dataclasses import replace

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from common.metadata import sqlite_connection
from common.output_folder import OutputFolder
from pipeline.cleaning.clean import clean, format_size
from pipeline.components.pusher.version_folder import withdraw_version, withdrawn_folder
from pipeline.lineage.graph import read_graph
from pipeline.lineage.restoring.data_versions import stamp_data
from pipeline.publishing.stamp import make_stamp
from tests.pipeline.lineage.restoring.test_records import DATA
from tests.pipeline.records import Recorder, provenance, record_run

Artifact = metadata_store_pb2.Artifact
NUM_BYTES = 100


@pytest.fixture
def folder(tmp_path):
    return OutputFolder(tmp_path / "output")


@pytest.fixture
def store(folder):
    folder.root.mkdir()
    return MetadataStore(sqlite_connection(folder.root / "metadata.db"))


def add_run(store, folder, run_id, *, version="", baseline=None):
    """Records a run and writes its folders; returns its artifacts by key."""
    serving = folder.serving("wells") if version else None
    made = record_run(store, run_id, serving=serving, version=version, baseline=baseline)
    if version:
        (folder.serving("wells") / version).mkdir(parents=True)
    if version:
        _bless_server(store, run_id, made["model"])
    for artifact in store.get_artifacts():
        if artifact.uri.startswith("artifacts/"):
            artifact.uri = str(folder.artifacts / "wells" / artifact.uri[10:] / str(artifact.id))
            artifact.uri = artifact.uri.replace(f"/{artifact.id}", f"/out/{artifact.id}")
            store.put_artifacts([artifact])
            _write(folder.artifacts / artifact.uri / "file")
    _write(folder.run(run_id) / "run.log")
    pages = folder.reports / "wells" / run_id
    _write(pages / "model.html")
    graph = read_graph(store)
    make_stamp(graph, graph.runs[run_id]).write(pages)
    return made


def _bless_server(store, run_id, model):
    Recorder(store, run_id).step(
        "InfraValidator",
        inputs={"model": model},
        outputs={"blessing": ("InfraBlessing", {"blessed": 1, "current_model_id": model})},
    )


def _write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * NUM_BYTES)


def exists(store, artifact_id):
    """Whether an artifact's files are there, which must be what ML Metadata says."""
    from pathlib import Path

    [artifact] = store.get_artifacts_by_id([artifact_id])
    there = Path(artifact.uri).is_dir()
    assert there == (artifact.state == Artifact.LIVE)
    return there


def test_the_newest_runs_stay_and_older_ones_go(store, folder):
    refused = [add_run(store, folder, f"r{n}") for n in range(3)]

    done = clean(store, folder, keep=2, dry_run=False)

    assert done.kept == ("r1", "r2")
    assert [folder.run(f"r{n}").exists() for n in range(3)] == [False, True, True]
    reports = folder.reports / "wells"
    assert [(reports / f"r{n}").exists() for n in range(3)] == [False, True, True]
    for key in ("model", "evaluation", "blessing"):
        assert [exists(store, made[key]) for made in refused] == [False, True, True]
    index = (folder.reports / "index.html").read_text()
    assert "r0" not in index
    assert 'href="wells/r1/model.html"' in index


def test_a_dry_run_says_the_same_and_removes_nothing(store, folder):
    for n in range(3):
        add_run(store, folder, f"r{n}")
    before = {path for path in folder.root.rglob("*") if path.name != "metadata.db"}

    planned = clean(store, folder, keep=1, dry_run=True)

    assert {path for path in folder.root.rglob("*") if path.name != "metadata.db"} == before
    assert {a.state for a in store.get_artifacts()} == {Artifact.LIVE}
    done = clean(store, folder, keep=1, dry_run=False)
    assert done.leftovers == planned.leftovers
    assert done.num_bytes > 0


def test_the_served_model_and_its_run_stay_however_old(store, folder):
    served = add_run(store, folder, "r0", version="100")
    for n in range(1, 4):
        add_run(store, folder, f"r{n}")

    done = clean(store, folder, keep=1, dry_run=False)

    assert done.kept == ("r0", "r3")
    assert (folder.serving("wells") / "100").is_dir()
    for key in ("model", "blessing", "pushed_model", "evaluation"):
        assert exists(store, served[key])


def test_of_older_versions_only_the_model_stays_for_a_rollback(store, folder):
    old = add_run(store, folder, "r0", version="100")
    add_run(store, folder, "r1", version="200", baseline=old["model"])

    clean(store, folder, keep=1, dry_run=False)

    assert exists(store, old["model"])
    assert exists(store, old["blessing"])
    assert not exists(store, old["evaluation"])
    assert not folder.run("r0").exists()
    assert (folder.serving("wells") / "100").is_dir()


def test_the_model_of_a_withdrawn_version_stays_for_its_return(store, folder):
    old = add_run(store, folder, "r0", version="100")
    add_run(store, folder, "r1", version="200", baseline=old["model"])
    add_run(store, folder, "r2")
    withdraw_version(folder.serving("wells"), 200)
    newer = read_graph(store).of_type("Model")[1]

    done = clean(store, folder, keep=1, dry_run=False)

    # 100 is served now, and its run stays whole; 200 may be put back.
    assert {"r0", "r2"} <= set(done.kept)
    assert exists(store, newer.id)
    assert withdrawn_folder(folder.serving("wells"), 200).is_dir()


def test_the_baseline_stays_even_if_it_was_never_served(store, folder):
    blessed = add_run(store, folder, "r0", version="100")
    (folder.serving("wells") / "100").rmdir()
    for n in range(1, 3):
        add_run(store, folder, f"r{n}")

    clean(store, folder, keep=1, dry_run=False)

    assert exists(store, blessed["model"])
    assert exists(store, blessed["blessing"])


def test_a_cached_steps_artifacts_stay_with_the_run_that_took_them(store, folder):
    old = add_run(store, folder, "r0")
    again = Recorder(store, "r1", provenance())
    again.cached("Trainer", {"model": old["model"], "execution": 0})

    clean(store, folder, keep=1, dry_run=False)

    assert exists(store, old["model"])
    assert not exists(store, old["evaluation"])
    assert not folder.run("r0").exists()


def test_of_what_is_kept_for_its_landmarks_the_latest_run_that_holds_them_is_kept(store, folder):
    old = add_run(store, folder, "r0", version="100")
    again = Recorder(store, "r1", provenance())
    for node, key in (("Trainer", "model"), ("ModelGate", "blessing"), ("Pusher", "pushed_model")):
        again.cached(node, {key: old[key], "execution": 0})
    [infra] = read_graph(store).of_type("InfraBlessing")
    again.cached("InfraValidator", {"blessing": infra.id, "execution": 0})

    done = clean(store, folder, keep=1, dry_run=False)

    assert done.kept == ("r1",)
    assert exists(store, old["model"])
    assert exists(store, infra.id)


def test_the_run_that_accepted_the_newest_span_stays(store, folder):
    first = add_run(store, folder, "r0")
    gate = Recorder(store, "r0").step(
        "AnomalyGate", outputs={"report": ("ExampleValidationMetrics", {"data_span": 9})}
    )
    for n in (1, 2):
        add_run(store, folder, f"r{n}")
        Recorder(store, f"r{n}").step(
            "AnomalyGate", outputs={"report": ("ExampleValidationMetrics", {"data_span": n})}
        )

    done = clean(store, folder, keep=1, dry_run=False)

    assert done.kept == ("r0", "r2")
    assert exists(store, first["evaluation"])
    assert gate["report"]


def test_half_written_folders_and_scratch_of_old_runs_go(store, folder):
    made = add_run(store, folder, "r0")
    add_run(store, folder, "r1")
    half = folder.artifacts / "wells" / "Trainer" / "model" / "999"
    scratch = folder.artifacts / "wells/Trainer/.system/executor_execution" / str(made["execution"])
    for path in (half, scratch):
        _write(path / "part")

    done = clean(store, folder, keep=1, dry_run=False)

    assert not half.exists()
    assert not scratch.exists()
    [leftover] = [one for one in done.leftovers if one.path == half]
    assert (leftover.kind, leftover.num_bytes) == ("half-written artifacts", NUM_BYTES)


def test_a_folder_that_was_moved_keeps_what_is_needed(store, folder, tmp_path):
    made = add_run(store, folder, "r0", version="100")
    folder.root.rename(tmp_path / "moved")
    moved = OutputFolder(tmp_path / "moved")
    here = MetadataStore(sqlite_connection(moved.root / "metadata.db"))

    done = clean(here, moved, keep=1, dry_run=False)

    assert done.leftovers == ()
    assert (moved.artifacts / "wells" / "Trainer" / "out" / str(made["model"])).is_dir()


def test_runs_of_another_folder_on_the_same_server_stay(store, folder, tmp_path):
    other = OutputFolder(tmp_path / "other")
    theirs = add_run(store, other, "r0")
    for n in range(1, 4):
        add_run(store, folder, f"r{n}")

    done = clean(store, folder, keep=1, dry_run=False)

    assert done.kept == ("r3",)
    assert exists(store, theirs["model"])
    assert other.run("r0").is_dir()


def test_cleaning_again_finds_nothing(store, folder):
    for n in range(3):
        add_run(store, folder, f"r{n}")
    first = clean(store, folder, keep=1, dry_run=False)
    again = clean(store, folder, keep=1, dry_run=False)
    assert again.leftovers == ()
    assert again.kept == first.kept == ("r2",)


def test_what_was_served_goes_once_another_version_is_served_and_the_old_one_is_deleted(
    store, folder
):
    old = add_run(store, folder, "r0", version="100")
    add_run(store, folder, "r1")
    clean(store, folder, keep=1, dry_run=False)
    assert exists(store, old["model"])
    add_run(store, folder, "r2", version="200", baseline=old["model"])
    add_run(store, folder, "r3")
    (folder.serving("wells") / "100").rmdir()

    done = clean(store, folder, keep=1, dry_run=False)

    assert done.kept == ("r2", "r3")
    # The served model was compared with it in a run that is kept.
    assert exists(store, old["model"])
    assert not exists(store, old["pushed_model"])


def test_links_are_removed_and_not_what_they_point_to(store, folder):
    made = add_run(store, folder, "r0", version="100")
    add_run(store, folder, "r1")
    add_run(store, folder, "r2")
    [artifact] = store.get_artifacts_by_id([made["model_run"]])
    (folder.run("r1") / "tensorboard").symlink_to(artifact.uri)

    clean(store, folder, keep=1, dry_run=False)

    assert not folder.run("r1").exists()
    assert exists(store, made["model_run"])


@pytest.mark.parametrize(
    ("num_bytes", "text"), [(0, "0 B"), (1_000, "1.0 kB"), (2_340_000_000, "2.3 GB")]
)
def test_sizes_have_units(num_bytes, text):
    assert format_size(num_bytes) == text


def test_fetched_revisions_of_data_stay_as_long_as_a_run_that_read_them(store, folder):
    for run_id, revision in (("run-1", "c0ffee"), ("run-2", "decade")):
        add_run(store, folder, run_id)
        stamp_data(store, run_id, [replace(DATA, revision=revision)])
        _write(folder.data_versions / revision / "x.csv")
    _write(folder.data_versions / ".incoming-1" / "x.csv")
    cleaned = clean(store, folder, keep=1, dry_run=False)
    assert cleaned.kept == ("run-2",)
    assert [path.name for path in folder.data_versions.iterdir()] == ["decade"]
