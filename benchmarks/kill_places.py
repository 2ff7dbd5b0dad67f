"""Use cases of `benchmarks.kill_points`, and the places where their runs write."""

import csv
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

_ARTIFACTS, _DATA = "output/artifacts/wells", "output/data/wells"
_TRAIN = "train: {epochs: 4, batch_size: 32, learning_rate: 0.01, hidden_units: [16]}\n"
_LABEL = "name: wells\nlabel: {column: faulty, positive: 1}\n"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run writes; patterns are relative to the folder of the use case.

    Attributes:
        written: What is written, and damaged.
        begun: What is there first, as soon as the run is at it; `written` if empty.
        removed: What is removed, so that a run writes it again; `written` if empty.
        is_pushed: Whether it is part of the pushed version, which then stays.
    """

    written: str
    begun: str = ""
    removed: str = ""
    is_pushed: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """A use case named `wells`.

    Attributes:
        write: Writes data and `wells.yaml` into a folder.
        places: Where its runs write, by name.
        public_key: The key of its signed versions, relative to the folder; empty without.
    """

    write: Callable[[Path], None]
    places: Mapping[str, Place] = field(default_factory=dict)
    public_key: str = ""


def _wells() -> list[tuple[float, float, int]]:
    """Returns pressure, temperature and fault of 800 wells."""
    random = np.random.default_rng(0)
    faulty = random.random(800) < 0.25
    pressure, temperature = random.normal(size=(2, 800)) + 2 * faulty
    return [
        (round(float(p), 3), round(float(t), 3), int(f))
        for p, t, f in zip(pressure, temperature, faulty, strict=True)
    ]


def _write_table(folder: Path) -> None:
    with (folder / "wells.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["pressure", "temperature", "faulty"])
        writer.writerows((f"{p:.3f}", f"{t:.3f}", f) for p, t, f in _wells())
    (folder / "wells.yaml").write_text(
        f"{_LABEL}data: {{path: wells.csv}}\n"
        f"features: {{pressure: {{kind: numeric}}, temperature: {{kind: numeric}}}}\n{_TRAIN}"
    )


def _write_database(folder: Path) -> None:
    """A table of SQLite, signed versions and events of OpenLineage."""
    with sqlite3.connect(folder / "plant.db") as database:
        database.execute("CREATE TABLE wells (id INTEGER PRIMARY KEY, p REAL, t REAL, faulty INT)")
        database.executemany("INSERT INTO wells (p, t, faulty) VALUES (?, ?, ?)", _wells())
    database.close()
    key = folder / "key.pem"
    curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key)]
    subprocess.run(["openssl", "genpkey", *curve], check=True, capture_output=True)
    key.chmod(0o600)
    public = ["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(folder / "key.pub")]
    subprocess.run(public, check=True)
    (folder / "wells.yaml").write_text(
        f'{_LABEL}data: {{sql: {{url: "sqlite:///plant.db", table: wells}}}}\n'
        f"features: {{p: {{kind: numeric}}, t: {{kind: numeric}}}}\n{_TRAIN}"
        "signing: {private_key: key.pem, public_keys: [key.pub]}\n"
        "tracking: {openlineage: {}}\n"
    )


def _write_recordings(folder: Path) -> None:
    """A file of samples for each of 240 recordings, and a table of labels."""
    random = np.random.default_rng(0)
    (folder / "clips").mkdir()
    labels = ["path,faulty"]
    for number in range(240):
        faulty = number % 4 == 0
        samples = random.normal(size=64) + 2 * faulty
        lines = ["time,voltage", *(f"{n / 100:.2f},{x:.4f}" for n, x in enumerate(samples))]
        (folder / "clips" / f"{number:03}.csv").write_text("\n".join(lines) + "\n")
        labels.append(f"{number:03}.csv,{int(faulty)}")
    (folder / "clips" / "labels.csv").write_text("\n".join(labels) + "\n")
    (folder / "wells.yaml").write_text(
        f"{_LABEL}data:\n  path: clips\n"
        "  recordings: {form: files, labels: clips/labels.csv, id_column: path}\n"
        "features: {voltage: {kind: signal, sampling_rate_hz: 100, num_samples: 64}}\n"
        "train: {epochs: 4, batch_size: 32}\n"
    )


def _artifact(step: str, output: str) -> Place:
    return Place(written=f"{_ARTIFACTS}/{step}/{output}")


_PUSHED = f"{_ARTIFACTS}/Pusher/pushed_model"
# Each step is damaged in one output; of Pusher, the pushed version itself is.
_STEPS = {
    "ArrowExampleGen": _artifact("ArrowExampleGen", "examples"),
    "StatisticsGen": _artifact("StatisticsGen", "statistics"),
    "SchemaGen": _artifact("SchemaGen", "schema"),
    "ExampleValidator": _artifact("ExampleValidator", "anomalies"),
    "AnomalyGate": _artifact("AnomalyGate", "report"),
    "Transform": _artifact("Transform", "transform_graph"),
    "Trainer": _artifact("Trainer", "model"),
    "Evaluator": _artifact("Evaluator", "evaluation"),
    "InfraValidator": _artifact("InfraValidator", "blessing"),
    "Pusher": Place(
        written="output/serving/wells/[0-9]*", begun=_PUSHED, removed=_PUSHED, is_pushed=True
    ),
}
WELLS = Case(write=_write_table, places=_STEPS)
CASES = {
    "database": Case(
        write=_write_database,
        public_key="key.pub",
        places={
            "rows of a database": Place(
                written=f"{_DATA}/sql-*/rows-*.parquet",
                begun=f"{_DATA}/sql-*",
                removed=f"{_DATA}/sql-*",
            ),
            "record of the rows": Place(
                written=f"{_DATA}/sql-*/_database.json", removed=f"{_DATA}/sql-*"
            ),
            "signature": Place(
                written="output/serving/wells/[0-9]*/model.sig",
                begun="output/serving/**/model.sig",
                removed=_PUSHED,
                is_pushed=True,
            ),
            "bill of materials": Place(
                written=f"{_ARTIFACTS}/Trainer/model/**/sbom.cdx.json",
                removed=f"{_ARTIFACTS}/Trainer/model",
            ),
            "model card": Place(written="output/reports/card-wells.html"),
            "OpenLineage": Place(written="output/openlineage.jsonl"),
        },
    ),
    "recordings": Case(
        write=_write_recordings,
        places={
            "table of recordings": Place(
                written=f"{_DATA}/recordings-*/*.parquet",
                begun=f"{_DATA}/.recordings-*",
                removed=f"{_DATA}/recordings-*",
            ),
        },
    ),
}
