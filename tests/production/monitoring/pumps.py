"""Simulated requests to a model of pumps, healthy ones and broken ones, and their reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.signal import lfilter

from models.features import Bucketized, Categorical, Feature, HeavyTailed, Numeric, Time
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.columns import read_columns
from production.monitoring.chunks.repeats import find_repeats, row_hashes
from production.monitoring.reference.reference import HeldOut, Reference
from serving.recording.columns import RECORD_SCHEMA
from tests.production.collection.recorded import NOON, STABLE_VERSION

FEATURES: dict[str, Feature] = {
    "temperature": Numeric(unit="°C"),
    "pressure": Numeric(unit="bar"),
    "load": HeavyTailed(unit="W"),
    "level": Bucketized(num_buckets=10),
    "valve": Categorical(),
    "maker": Categorical(),
    "measured": Time(),
}
_MAKERS = ["Alpha", "Beta", "Gamma"]


@dataclass(frozen=True, kw_only=True)
class Pumps:
    """How requests come.

    Attributes:
        persistence: Autocorrelation of successive rows, in [0, 1).
        decimals: Digits after the point of the measurements.
        num_keys: Machines, whose rows alternate; 0 for requests without keys.
        missing: Share of missing temperatures.
    """

    persistence: float = 0.0
    decimals: int = 6
    num_keys: int = 0
    missing: float = 0.02

    def rows(self, num_rows: int, seed: int) -> pa.Table:
        """Returns healthy recorded rows."""
        rng = np.random.default_rng(seed)
        states = self._states(rng, num_rows)
        measured = {
            "temperature": 15 + 8 * states[:, 0],
            "pressure": 3 + 0.5 * states[:, 1] + 0.3 * states[:, 0],
            "load": np.exp(5 + states[:, 2]),
            "level": np.round(50 + 10 * states[:, 3]),
        }
        measured = {name: values.round(self.decimals) for name, values in measured.items()}
        is_missing = rng.random(num_rows) < self.missing
        seconds = np.arange(num_rows) * (86_400 / num_rows)
        micros = (NOON.timestamp() + seconds) * 1e6
        times = pa.array(micros.astype(np.int64)).cast(RECORD_SCHEMA.field("time").type)
        made = pa.array((micros - rng.uniform(0, 60e6, num_rows)).astype(np.int64))
        columns = {name: pa.array(values) for name, values in measured.items()}
        columns["temperature"] = pa.array(measured["temperature"], mask=is_missing)
        columns["valve"] = pa.array(1 + (states[:, 3] > 0).astype(np.int64))
        columns["maker"] = pa.array(_MAKERS).take(pa.array(rng.integers(0, 3, num_rows)))
        columns["measured"] = made.cast(times.type)
        return _with(_recorded(times, self._keys(num_rows)), columns)

    def _states(self, rng: np.random.Generator, num_rows: int) -> NDArray[np.float64]:
        """Standard normal columns; each machine has its own series."""
        lag = max(1, self.num_keys)
        noise = rng.standard_normal((num_rows, 4))
        states = noise.copy()
        if self.persistence:
            innovation = np.sqrt(1 - self.persistence**2)
            for first in range(lag):
                series = noise[first::lag] * innovation
                series[0] /= innovation
                states[first::lag] = lfilter([1], [1, -self.persistence], series, axis=0)
        return states

    def _keys(self, num_rows: int) -> pa.Array:
        if not self.num_keys:
            return pa.nulls(num_rows, pa.string())
        return pa.array([f"pump-{place % self.num_keys}" for place in range(num_rows)])


def _recorded(times: pa.Array, keys: pa.Array) -> pa.Table:
    size = len(times)
    values: dict[str, Any] = {
        "request_id": pa.array([f"r{place}" for place in range(size)]),
        "row": pa.array(np.zeros(size, np.int32)),
        "time": times,
        "model": pa.array(["pump"] * size),
        "version": pa.array(np.full(size, STABLE_VERSION)),
        "arm": pa.array(["stable"] * size),
        "answered": pa.array([True] * size),
        "key": keys,
        "probability": pa.array(np.full(size, 0.1, np.float32)),
        "decision": pa.array(np.zeros(size, np.int64)),
        "threshold": pa.array(np.full(size, 0.5)),
        "latency_ms": pa.array(np.full(size, 1.0, np.float32)),
        "status": pa.array(["OK"] * size),
    }
    return pa.table(values, schema=RECORD_SCHEMA)


def _with(table: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    for name, column in columns.items():
        table = table.append_column(name, column)
    return table


def replaced(table: pa.Table, **columns: Any) -> pa.Table:
    """Returns a table with other columns in place of its own."""
    for name, values in columns.items():
        column = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    """Returns a column as float64, NaN where it is missing."""
    return np.array(table[name].to_numpy(), np.float64)


def chunk_of(records: pa.Table, number: int = 0, **values: Any) -> Chunk:
    """Returns a chunk of a day."""
    return Chunk(
        number=number,
        since=NOON,
        until=NOON + timedelta(days=1),
        version=STABLE_VERSION,
        records=records,
        **values,
    )


def reference_of(records: pa.Table, features: Mapping[str, Feature] | None = None) -> Reference:
    """Returns the reference of training rows."""
    features = dict(features or FEATURES)
    columns = read_columns(records, features)
    return Reference(
        model="pump",
        version=STABLE_VERSION,
        run="20261127-120000-pump",
        features=features,
        num_train=records.num_rows,
        num_faults=round(0.03 * records.num_rows),
        columns=columns,
        recordings=None,
        num_repeated=int(find_repeats(row_hashes(columns)).sum()),
        held_out=HeldOut(
            probabilities=np.full(100, 0.1), decisions=np.zeros(100, int), labels=np.zeros(100, int)
        ),
        threshold=0.5,
    )
