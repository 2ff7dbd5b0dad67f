"""Alarms of a stream: runs of windows whose decision is positive."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.prediction.files.results import ResultFile
from pipeline.prediction.options import PredictSummary
from pipeline.recording_options import RECORDING, WINDOW_END, WINDOW_START

START, END, NUM_WINDOWS, PROBABILITY = "start", "end", "num_windows", "probability"
_DECISION = "decision"


def find_alarms(parts: Sequence[pa.Table]) -> pa.Table | None:
    """Returns one row for each alarm, or None if the rows are no windows or have no decision.

    An alarm is a run of neighbouring windows of a recording whose decision is positive. It starts
    with its first window and ends with its last one; its probability is the highest of its windows.

    Args:
        parts: Predictions with the columns of windows, in any order.
    """
    names = (RECORDING, WINDOW_START, WINDOW_END, _DECISION, PROBABILITY)
    parts = [part.select(names) for part in parts if set(names) <= set(part.schema.names)]
    if not parts:
        return None
    table = pa.concat_tables(parts).sort_by([(RECORDING, "ascending"), (WINDOW_START, "ascending")])
    positive = np.asarray(table[_DECISION].cast(pa.string())) == "1"
    recordings = np.asarray(table[RECORDING])
    starts, ends = np.asarray(table[WINDOW_START]), np.asarray(table[WINDOW_END])
    goes_on = np.zeros(len(positive), bool)
    goes_on[1:] = (recordings[1:] == recordings[:-1]) & (starts[1:] <= ends[:-1])
    goes_on[1:] &= positive[:-1]
    first = np.flatnonzero(positive & ~goes_on)
    run = np.cumsum(positive & ~goes_on) - 1
    num_windows = np.bincount(run[positive], minlength=len(first)).astype(np.int64)
    last = first + num_windows - 1
    highest = np.zeros(len(first))
    probability = np.asarray(table[PROBABILITY], np.float64)
    np.maximum.at(highest, run[positive], probability[positive])
    return pa.table({
        RECORDING: table[RECORDING].take(pa.array(first)),
        START: table[WINDOW_START].take(pa.array(first)),
        END: table[WINDOW_END].take(pa.array(last)),
        NUM_WINDOWS: pa.array(num_windows),
        PROBABILITY: pa.array(highest),
    })  # fmt: skip


def note_alarms(alarms: pa.Table | None, output: Path, summary: PredictSummary) -> None:
    """Writes alarms beside the predictions and counts them.

    Args:
        alarms: The alarms; None if rows are no windows.
        output: The predictions: a file, or a folder of Parquet files.
        summary: Gets the file and the number.
    """
    if alarms is None:
        return
    path = output.with_name(f"{output.stem}-alarms{output.suffix or '.parquet'}")
    with ResultFile(path) as results:
        results.write(alarms)
    summary.alarms, summary.num_alarms = str(path), alarms.num_rows
