"""Time and memory of the monitor for one large chunk, by number of rows and columns.

    python -m benchmarks.monitoring_speed --rows 1000000 --columns 20 50 200 --folder FOLDER

Each case runs in its own process: a generated day of requests is recorded, and the monitor takes it
as one chunk. The time is that of the monitor, the memory its largest resident set.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from common.output_folder import OutputFolder
from models.features import Feature
from pipeline.config_loading import load_config
from production.monitoring.chunks.columns import Columns
from production.monitoring.monitor import Monitor, Sources
from production.monitoring.reference.reference import HeldOut, Reference
from production.monitoring.troubles.finding import find_troubles
from serving.recording.columns import RECORD_SCHEMA

_DAY = datetime(2026, 3, 1, tzinfo=UTC)
_FILES = 24
_REFERENCE_ROWS = 100_000


def main() -> None:
    """Measures each case, or records and measures one with `--one`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, nargs="+", default=[20, 50, 200])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--one", choices=["record", "monitor"])
    options = parser.parse_args()
    if options.one == "record":
        _record(options.folder, options.rows, options.columns[0])
    elif options.one == "monitor":
        print(json.dumps(_monitor(options.folder, options.columns[0])))
    else:
        for columns in options.columns:
            _run_case(options.folder / f"columns-{columns}", options.rows, columns)


def _run_case(folder: Path, rows: int, columns: int) -> None:
    base = [sys.executable, "-m", "benchmarks.monitoring_speed", "--folder", str(folder)]
    base += ["--rows", str(rows), "--columns", str(columns)]
    subprocess.run([*base, "--one", "record"], check=True)
    result = subprocess.run([*base, "--one", "monitor"], check=True, capture_output=True, text=True)
    print(f"{rows:,} rows, {columns} columns: {result.stdout.strip()}")


def _record(folder: Path, num_rows: int, num_columns: int) -> None:
    rng = np.random.default_rng(0)
    size = num_rows // _FILES
    for hour in range(_FILES):
        start = _DAY + timedelta(hours=hour)
        micros = int(start.timestamp() * 1e6) + np.arange(size) * (3_600_000_000 // size)
        probability = rng.beta(0.3, 20, size).astype(np.float32)
        columns = {
            "request_id": [f"{hour:02}-{i:08}" for i in range(size)],
            "row": np.zeros(size, np.int32),
            "time": pa.array(micros, pa.timestamp("us", tz="UTC")),
            "model": pa.repeat("bench", size),
            "version": np.full(size, 1),
            "arm": pa.repeat("stable", size),
            "answered": pa.repeat(True, size),
            "key": pa.nulls(size, pa.string()),
            "probability": probability,
            "decision": (probability >= 0.3).astype(np.int64),
            "threshold": np.full(size, 0.3),
            "latency_ms": rng.gamma(4, 1, size).astype(np.float32),
            "status": pa.repeat("OK", size),
        }
        table = pa.table(columns).cast(RECORD_SCHEMA)
        for place in range(num_columns):
            values = rng.normal(size=size).astype(np.float32)
            table = table.append_column(f"f{place}", pa.array(values))
        path = OutputFolder(folder).collected("bench") / "requests" / f"date={start:%Y-%m-%d}"
        path = path / f"hour={start:%H}" / f"stable-1-{start:%Y%m%dT%H}-0.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)


def _monitor(folder: Path, num_columns: int) -> dict[str, float]:
    path = folder / "bench.yaml"
    features = "\n".join(f"  f{place}: {{kind: numeric}}" for place in range(num_columns))
    path.write_text(
        "name: bench\nlabel: {column: failed, positive: '1'}\n"
        f"data: {{path: none.csv}}\nfeatures:\n{features}\n"
    )
    config = load_config(path)
    reference = _reference(num_columns, dict(config.features))
    sources = Sources(
        load_reference=lambda _version: reference,
        find_troubles=lambda chunk, then, columns: find_troubles(
            chunk, then, config, columns=columns
        ),
        quarantine=lambda _chunk, _troubles: None,
        now=lambda: _DAY + timedelta(days=1, hours=1),
    )
    before_s, before_cpu_s = time.perf_counter(), time.process_time()
    [report] = Monitor(config, OutputFolder(folder), "bench", sources).run()
    return {
        "rows": report.num_rows,
        "channels": len(report.drift["p_values"]) if report.drift else 0,
        "seconds": round(time.perf_counter() - before_s, 1),
        "cpu_seconds": round(time.process_time() - before_cpu_s, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _reference(num_columns: int, features: dict[str, Feature]) -> Reference:
    rng = np.random.default_rng(1)
    numbers = {
        f"f{place}": rng.normal(size=_REFERENCE_ROWS).astype(np.float32).astype(np.float64)
        for place in range(num_columns)
    }
    missing = {name: np.zeros(_REFERENCE_ROWS, bool) for name in numbers}
    probabilities = rng.beta(0.3, 20, _REFERENCE_ROWS)
    return Reference(
        model="bench",
        version=1,
        run="none",
        features=features,
        num_train=_REFERENCE_ROWS,
        num_faults=round(_REFERENCE_ROWS * 0.3 / 20.3),
        columns=Columns(num_rows=_REFERENCE_ROWS, numbers=numbers, missing=missing),
        recordings=None,
        num_repeated=0,
        held_out=HeldOut(
            probabilities=probabilities,
            decisions=(probabilities >= 0.3).astype(np.int64),
            labels=(rng.random(_REFERENCE_ROWS) < probabilities).astype(np.int64),
        ),
        threshold=0.3,
        measured={"recall": (0.2, 0.15, 0.25)},
    )


if __name__ == "__main__":
    main()
