"""The chart of two recordings with their windows and the monitor's alarms."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from benchmarks.nab.alarms import Alarms
from benchmarks.nab.recordings import Recording

# So many means of rows are as many as a chart of this width can show.
_NUM_POINTS = 600


def draw(results: Sequence[Alarms]) -> alt.VConcatChart:
    """Returns a chart of each recording, one above the other.

    Args:
        results: The alarms of one detector.
    """
    return alt.vconcat(*map(_draw_recording, results))


def _draw_recording(alarms: Alarms) -> alt.LayerChart | alt.FacetChart:
    recording = alarms.recording
    time = alt.X("time:T", title=None)
    windows = pd.DataFrame(
        [(recording.times[start], recording.times[end - 1]) for start, end in alarms.windows],
        columns=["time", "until"],
    )
    probation = pd.DataFrame({"time": [recording.times[recording.num_probation_rows]]})
    raised = pd.DataFrame({"time": recording.times[list(alarms.rows)]})
    lines = alt.Chart(_thinned(recording)).mark_line(strokeWidth=1)
    layers = [
        alt.Chart(windows).mark_rect(opacity=0.3, color="orange").encode(x=time, x2="until:T"),
        lines.encode(x=time, y=alt.Y("value:Q", scale=alt.Scale(zero=False))),
        alt.Chart(probation).mark_rule(strokeDash=[4, 4], color="grey").encode(x=time),
        alt.Chart(raised).mark_rule(strokeWidth=2, color="red").encode(x=time),
    ]
    return alt.layer(*layers, width=680, height=150, title=recording.name)


def _thinned(recording: Recording) -> pd.DataFrame:
    table = pd.DataFrame({"time": recording.times, "value": pd.Series(recording.values)})
    step = -(-recording.num_rows // _NUM_POINTS)
    means: pd.DataFrame = table.groupby(table.index // step).mean()
    return means
