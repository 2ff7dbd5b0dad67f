"""A use case without training: its config, data in every format, and a model of a few operations.

The model's `probability` is sigmoid(volts + the sum of the wave), where a missing number counts as
nothing, and its `decision` is probability >= 0.5. It gives `seconds` and `name` as it got them.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

CONFIG = """
name: readings
label: {column: faulty}
data:
  path: unused.csv
  max_bad_rows: 1
  wide_signals:
    wave: {first: t0, last: t2}
  columns:
    seconds: {type: time, format: "%d.%m.%Y %H:%M:%S"}
features:
  volts: {kind: numeric}
  wave: {kind: signal, num_samples: 3}
  seconds: {kind: time}
  name: {kind: categorical}
"""

# Time 1577836800 is the first second of 2020: 50 years with 12 leap days.
ROWS: list[dict[str, Any]] = [
    {"id": "a", "volts": 1.0, "wave": [0.5, 0.5, 0.0], "seconds": 1577836800, "name": "é"},
    {"id": "b", "volts": None, "wave": [-3.0, 0.0, 1.0], "seconds": 1577836801, "name": None},
    {"id": "c", "volts": -1.0, "wave": [1.0, 0.0, 0.0], "seconds": 1577923200, "name": "x,y"},
]
# sigmoid of 1 + 1, of -2, and of -1 + 1
PROBABILITIES = [0.880797, 0.119203, 0.5]
DECISIONS = [1, 0, 1]
_TIMES = ["01.01.2020 00:00:00", "01.01.2020 00:00:01", "02.01.2020 00:00:00"]


def write_config(folder: Path, text: str = CONFIG) -> Path:
    path = folder / "readings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def write_parquet(path: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    pq.write_table(pa.Table.from_pylist(ROWS if rows is None else rows), path)
    return path


def write_csv(path: Path) -> Path:
    """Signals spread over columns, times as text, a missing value as the config names it."""
    frame = pd.DataFrame([{k: row[k] for k in ("id", "volts", "name")} for row in ROWS])
    for place in range(3):
        frame[f"t{place}"] = [row["wave"][place] for row in ROWS]
    frame.assign(seconds=_TIMES).to_csv(path, index=False, na_rep="NA")
    return path


def write_json_lines(path: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    lines = [json.dumps(row) for row in (ROWS if rows is None else rows)]
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    return path


WRITERS = {"csv": write_csv, "parquet": write_parquet, "jsonl": write_json_lines}


def write_model(path: Path) -> Path:
    import tensorflow as tf

    from tests.serving.tiny_models import SERVING, signature, write

    tf1 = tf.compat.v1

    def build() -> dict[str, Any]:
        volts = tf1.placeholder(tf.float32, [None], "volts")
        wave = tf1.placeholder(tf.float32, [None, 3], "wave")
        seconds = tf1.placeholder(tf.int64, [None], "seconds")
        name = tf1.placeholder(tf.string, [None], "name")
        there = [tf.where(tf.math.is_nan(x), tf.zeros_like(x), x) for x in (volts, wave)]
        probability = tf.sigmoid(there[0] + tf.reduce_sum(there[1], 1))[:, tf.newaxis]
        outputs = {
            "probability": probability,
            "decision": tf.cast(probability >= 0.5, tf.int64),
            "seconds": tf.identity(seconds),
            "name": tf.identity(name),
        }
        inputs = {"volts": volts, "wave": wave, "seconds": seconds, "name": name}
        return {SERVING: signature(inputs, outputs)}

    return write(path, build)
