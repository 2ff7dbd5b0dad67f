"""Generated production of a pump: its training data, recorded days, and their labels."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import special

from pipeline.config import Config
from pipeline.config_loading import load_config
from production.collection.labels import add_labels, make_labels
from production.monitoring.chunks.columns import read_columns
from production.monitoring.reference.reference import HeldOut, Reference
from serving.recording.columns import RECORD_SCHEMA
from tests.production.collection.recorded import write_closed

Floats = NDArray[np.float64]
FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)
VERSION, MODEL = 100, "pump"
PREVALENCE, THRESHOLD = 0.05, 0.3
MAKERS = ("north", "south", "west")
_CONFIG = """
name: pump
label: {column: failed, positive: "1", values: ["1", "0"]}
data: {path: "span-{SPAN}/*.parquet"}
cost: {missed_fault: 1000, false_alarm: 100, unit: EUR}
monitoring: {labels_after_days: 2}
"""


_KINDS = {"flow": "numeric", "pressure": "numeric", "maker": "categorical"}


def pump_config(folder: Path, features: Sequence[str] = ("flow",)) -> Config:
    """The use case; with one feature there is no joint drift, which takes most of the time."""
    path = folder / "pump.yaml"
    lines = [f"  {name}: {{kind: {_KINDS[name]}}}" for name in features]
    path.write_text("\n".join([_CONFIG, "features:", *lines, ""]))
    return load_config(path)


def draw_rows(
    rng: np.random.Generator, size: int, *, prevalence: float = PREVALENCE
) -> dict[str, Floats]:
    """Rows with the probability that a perfectly calibrated model gives them."""
    label = (rng.random(size) < prevalence).astype(float)
    pressure = rng.normal(size=size) + 3 * label
    probability = special.expit(3 * pressure - 4.5 + special.logit(PREVALENCE))
    return {
        "label": label,
        "pressure": pressure,
        "flow": rng.normal(size=size),
        "maker": rng.integers(0, len(MAKERS), size).astype(float),
        "probability": probability,
        "latency_ms": rng.gamma(4, 1, size),
    }


def records_of(rows: Mapping[str, Floats], day: int, version: int = VERSION) -> pa.Table:
    """Rows as they are recorded, spread over a day."""
    size = len(rows["label"])
    start = FIRST_DAY + timedelta(days=day)
    step = timedelta(days=1) / max(size, 1)
    probability = rows["probability"].astype(np.float32)
    columns = {
        "request_id": [f"d{day}-{version}-{i}" for i in range(size)],
        "row": [0] * size,
        "time": [start + i * step for i in range(size)],
        "model": [MODEL] * size,
        "version": [version] * size,
        "arm": ["stable"] * size,
        "answered": [True] * size,
        "key": [None] * size,
        "probability": probability,
        "decision": (probability >= THRESHOLD).astype(int),
        "threshold": [THRESHOLD] * size,
        "latency_ms": rows["latency_ms"].astype(np.float32),
        "status": ["OK"] * size,
    }
    table = pa.table(columns).cast(RECORD_SCHEMA)
    makers = [MAKERS[int(i)] for i in rows["maker"]]
    return (
        table.append_column("pressure", pa.array(rows["pressure"].astype(np.float32)))
        .append_column("flow", pa.array(rows["flow"].astype(np.float32)))
        .append_column("maker", pa.array(makers, pa.string()))
    )


def write_day(
    collected: Path, rows: Mapping[str, Floats], day: int, version: int = VERSION
) -> None:
    """Records a day in a closed file of its first hour."""
    batches = records_of(rows, day, version).combine_chunks().to_batches()
    hour = FIRST_DAY + timedelta(days=day)
    write_closed(collected, batches, f"stable-{version}-{hour:%Y%m%dT%H}-{day}", hour)


def deliver_day(collected: Path, rows: Mapping[str, Floats], day: int) -> None:
    """Keeps the labels of a day."""
    ids = [f"d{day}-{VERSION}-{i}" for i in range(len(rows["label"]))]
    labels = make_labels(ids, [str(int(one)) for one in rows["label"]])
    add_labels(collected, labels, source="test", now=FIRST_DAY + timedelta(days=day + 1))


def pump_reference(config: Config, *, size: int = 4_000, version: int = VERSION) -> Reference:
    """The training data of a version."""
    rng = np.random.default_rng(0)
    train, test = draw_rows(rng, size), draw_rows(rng, size)
    decisions = (test["probability"] >= THRESHOLD).astype(np.int64)
    return Reference(
        model=MODEL,
        version=version,
        run="run-1",
        features=dict(config.features),
        num_train=size,
        num_faults=int(train["label"].sum()),
        columns=read_columns(records_of(train, 0), config.features),
        recordings=None,
        num_repeated=0,
        held_out=HeldOut(
            probabilities=test["probability"],
            decisions=decisions,
            labels=test["label"].astype(np.int64),
        ),
        threshold=THRESHOLD,
        measured={
            "recall": (0.84, 0.79, 0.89),
            "precision": (0.82, 0.76, 0.87),
            "pr_auc": (0.9, 0.86, 0.93),
            "expected_cost": (17_000.0, 14_000.0, 20_500.0),
        },
    )
