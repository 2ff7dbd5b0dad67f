"""The detectors that are compared, each with its settings."""

from collections.abc import Callable, Mapping
from functools import partial

from benchmarks.nab.alarms import Alarms
from benchmarks.nab.monitor import compare_chunks, drift_alarms
from benchmarks.nab.recordings import Recording
from benchmarks.nab.row_detectors import forest_alarms, z_score_alarms
from pipeline.production_options.monitoring import MonitoringOptions
from production.monitoring.budget import SHARES, Part
from production.monitoring.settling import QUIET_CHUNKS

# Four hours of a recording with a row each 5 minutes: a tenth of most probations, the longest
# chunk that the monitor does not call long for its reference. A day is the monitor's default.
_CHUNK_ROWS, _DAY_ROWS = 48, 288
_FALSE_ALARMS_PER_YEAR = SHARES[Part.DRIFT] * MonitoringOptions().false_alarms_per_year
_QUIET_ROWS = QUIET_CHUNKS * _CHUNK_ROWS


def _monitor_alarms(recording: Recording, chunk_rows: int) -> Alarms:
    return drift_alarms(recording, compare_chunks(recording, chunk_rows), chunk_rows)


MONITOR, Z_SCORE, FOREST = f"monitor, {_CHUNK_ROWS} rows", "z-score", "isolation forest"
DETECTORS: Mapping[str, Callable[[Recording], Alarms]] = {
    MONITOR: partial(_monitor_alarms, chunk_rows=_CHUNK_ROWS),
    f"monitor, {_DAY_ROWS} rows": partial(_monitor_alarms, chunk_rows=_DAY_ROWS),
    Z_SCORE: partial(
        z_score_alarms, false_alarms_per_year=_FALSE_ALARMS_PER_YEAR, quiet_rows=_QUIET_ROWS
    ),
    FOREST: partial(forest_alarms, quiet_rows=_QUIET_ROWS),
}
