"""Pushed versions of `wells` without a model in them: folders, and records as runs write them."""

from pathlib import Path

from ml_metadata.metadata_store import MetadataStore

from common.metadata import open_store, sqlite_connection
from common.output_folder import OutputFolder
from tests.pipeline.records import Recorder, provenance


def new_store(folder: OutputFolder) -> MetadataStore:
    """Returns the metadata store of an output folder."""
    return open_store(sqlite_connection(folder.root / "metadata.db"))


def place(folder: OutputFolder, version: int, base: str = "wells") -> Path:
    """Puts a version in service, without a record."""
    path = folder.serving(base) / str(version)
    path.mkdir(parents=True)
    (path / "saved_model.pb").write_text(f"graph {base} {version}")
    return path


def record(
    store: MetadataStore,
    folder: OutputFolder,
    version: int,
    *,
    base: str = "wells",
    verdict: str = "BLESSED",
) -> int:
    """Records the run that pushed a version; returns the id of its PushedModel."""
    run = Recorder(store, f"run-{base}-{version}", provenance())
    trainer = run.step("Trainer", outputs={"model": ("Model", {})})
    blessed = {"blessed": int(verdict == "BLESSED"), "verdict": verdict}
    gate = run.step("ModelGate", outputs={"blessing": ("ModelBlessing", blessed)})
    pushed = {
        "pushed": 1,
        "pushed_version": str(version),
        "pushed_destination": str(folder.serving(base) / str(version)),
    }
    pusher = run.step(
        "Pusher",
        inputs={"model": trainer["model"], "model_blessing": gate["blessing"]},
        outputs={"pushed_model": ("PushedModel", pushed)},
    )
    return pusher["pushed_model"]


def push(
    store: MetadataStore,
    folder: OutputFolder,
    version: int,
    *,
    base: str = "wells",
    verdict: str = "BLESSED",
) -> int:
    """Puts a version in service and records it; returns the id of its PushedModel."""
    place(folder, version, base)
    return record(store, folder, version, base=base, verdict=verdict)
