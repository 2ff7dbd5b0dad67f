"""The monitor's drift alarms on 31 recordings of the Numenta Anomaly Benchmark (NAB).

    python -m benchmarks.nab --data FOLDER

Prints the tables of benchmarks/nab.md and draws benchmarks/nab.svg. A second call goes on where the
first ended. FOLDER has `recordings/FOLDER__NAME.csv` with the columns timestamp, value and label,
made of NAB's data (https://github.com/numenta/NAB) and its `labels/combined_windows.json`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from benchmarks.nab.alarms import Alarms
from benchmarks.nab.chart import draw
from benchmarks.nab.detectors import DETECTORS, MONITOR
from benchmarks.nab.recordings import Recording, read_recordings
from benchmarks.nab.report import report

_CHART = Path(__file__).resolve().parent.parent / "nab.svg"
_DRAWN = ("realKnownCause/machine_temperature_system_failure", "realKnownCause/nyc_taxi")


@click.command(context_settings={"show_default": True})
@click.option("--data", required=True, type=click.Path(path_type=Path), help="The recordings.")
@click.option("--results", default="output/nab/alarms.jsonl", type=click.Path(path_type=Path))
def main(data: Path, results: Path) -> None:
    """Measures all detectors on all recordings."""
    recordings = list(read_recordings(data))
    if not recordings:
        click.echo(f"Skipped: {data} has no recordings/*.csv. --help says what they contain.")
        return
    results.parent.mkdir(parents=True, exist_ok=True)
    alarms = measure(recordings, results)
    click.echo(report(alarms))
    drawn = [one for one in alarms[MONITOR] if one.recording.name in _DRAWN]
    if drawn:
        draw(drawn).save(_CHART)


def measure(recordings: Sequence[Recording], results: Path) -> Mapping[str, Sequence[Alarms]]:
    """Returns the alarms of each detector in each recording.

    Args:
        recordings: The recordings.
        results: Rows of the alarms so far, one line of JSON for each detector and recording; what
            is missing is measured and appended.
    """
    known = {}
    if results.exists():
        lines = map(json.loads, results.read_text(encoding="utf-8").splitlines())
        known = {(line["detector"], line["recording"]): line["rows"] for line in lines}
    with results.open("a", encoding="utf-8") as file:
        for name, alarms_of in DETECTORS.items():
            for recording in recordings:
                if (name, recording.name) not in known:
                    rows = list(alarms_of(recording).rows)
                    known[name, recording.name] = rows
                    line = {"detector": name, "recording": recording.name, "rows": rows}
                    file.write(json.dumps(line) + "\n")
                    file.flush()
    return {
        name: [Alarms(recording=one, rows=tuple(known[name, one.name])) for one in recordings]
        for name in DETECTORS
    }


if __name__ == "__main__":
    main()
