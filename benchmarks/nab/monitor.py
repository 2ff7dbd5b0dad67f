"""The monitor's drift alarms on a recording: a small adapter without a model."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from benchmarks.nab.alarms import Alarms
from benchmarks.nab.recordings import Recording
from pipeline.production_options.monitoring import ChunkSize, MonitoringOptions
from production.monitoring.budget import Part, threshold_of
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.columns import Columns
from production.monitoring.drift.channels import DriftReference
from production.monitoring.drift.detecting import JOINT, ChunkDrift, Evidence
from production.monitoring.performance.answers import Answers
from production.monitoring.reference.reference import HeldOut, Reference
from production.monitoring.settling import QUIET_CHUNKS
from serving.recording.columns import RECORD_SCHEMA

_CHANNELS = ("value", "difference", JOINT)
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def compare_chunks(recording: Recording, chunk_rows: int) -> list[ChunkDrift]:
    """Compares each whole chunk after the probation with the probation.

    The channels of a model's scores, of its alarms and of missing values are left out.

    Args:
        recording: The recording.
        chunk_rows: Rows of a chunk.
    """
    probation = recording.num_probation_rows
    reference = DriftReference(_reference(recording))
    starts = range(probation, recording.num_rows - chunk_rows + 1, chunk_rows)
    drifts = []
    for number, start in enumerate(starts):
        columns = _columns(recording, start, start + chunk_rows)
        drift = reference.compare(_chunk(number, chunk_rows), columns, _answers(chunk_rows))
        watched = {name: one for name, one in drift.comparisons.items() if name in _CHANNELS}
        drifts.append(ChunkDrift(comparisons=watched, joint=drift.joint))
    return drifts


def drift_alarms(recording: Recording, drifts: Sequence[ChunkDrift], chunk_rows: int) -> Alarms:
    """Returns the monitor's alarms at its default budget, each in the last row of its chunk.

    Nobody acknowledges an alarm. It ends, and the evidence starts again, after as many quiet chunks
    in a row as the monitor closes it after (`settling.settle`).

    Args:
        recording: The recording.
        drifts: The comparisons of its chunks.
        chunk_rows: Rows of a chunk.
    """
    size = ChunkSize(rows=chunk_rows, per_year=recording.rows_per_year / chunk_rows)
    evidence = Evidence(_CHANNELS, threshold_of(MonitoringOptions(chunk=size), Part.DRIFT))
    raised, is_standing, quiet = [], False, 0
    for number, drift in enumerate(drifts):
        evidence.update(number, drift.p_values)
        if evidence.is_alarm and not (is_standing and evidence.has_fallen):
            if not is_standing:
                raised.append(number)
            is_standing, quiet = True, 0
        elif is_standing:
            quiet = quiet + 1 if evidence.has_fallen else 0
            if quiet >= QUIET_CHUNKS:
                is_standing = False
                evidence.reset()
    probation = recording.num_probation_rows
    ends = tuple(probation + (number + 1) * chunk_rows - 1 for number in raised)
    return Alarms(recording=recording, rows=ends)


def _columns(recording: Recording, start: int, end: int) -> Columns:
    numbers = {name: values[start:end] for name, values in recording.features.items()}
    return Columns(num_rows=end - start, numbers=numbers)


def _reference(recording: Recording) -> Reference:
    num_rows = recording.num_probation_rows
    no_answers = _answers(num_rows)
    return Reference(
        model="none",
        version=1,
        run="none",
        features={},
        num_train=num_rows,
        num_faults=0,
        columns=_columns(recording, 0, num_rows),
        recordings=None,
        num_repeated=0,
        held_out=HeldOut(
            probabilities=no_answers.probabilities,
            decisions=no_answers.decisions,
            labels=no_answers.decisions,
        ),
        threshold=None,
    )


def _answers(num_rows: int) -> Answers:
    return Answers(
        probabilities=np.zeros(num_rows),
        decisions=np.zeros(num_rows, np.int64),
        keys=None,
        block_length=1,
    )


def _chunk(number: int, num_rows: int) -> Chunk:
    columns = {field.name: pa.nulls(num_rows, field.type) for field in RECORD_SCHEMA}
    return Chunk(
        number=number,
        since=_NO_TIME,
        until=_NO_TIME,
        version=1,
        records=pa.table(columns),
    )
