"""Real recordings and sounds by `init` and `run`, with no edit between the two."""

import csv
import json
import shutil

import pytest

from tests.e2e.harness import PROJECT, Faultline

pytestmark = pytest.mark.e2e

# The pipeline is the same for a few streams, and much faster.
_NUM_STREAMS = 12
_NUM_SOUNDS = 60  # of each speaker


def in_folder(shared_data, tmp_path_factory, name):
    if not (shared_data / name).is_dir():
        pytest.skip(f"the real data set is not there: no folder ../shared/data/{name}")
    return tmp_path_factory.mktemp(name)


def run(faultline, name):
    """Runs the use case; an honest verdict may be any, but an error is none."""
    done = faultline("run", "--config", f"configs/{name}.yaml", "--json")
    assert done.code in (0, 3), done.err + faultline.last_log()
    return json.loads(done.out)


@pytest.fixture(scope="module")
def streams(shared_data, tmp_path_factory):
    """Streams of servers and roads with a label for each sample, beside a table of counts."""
    folder = in_folder(shared_data, tmp_path_factory, "nab_real")
    files = sorted((shared_data / "nab_real" / "recordings").glob("*.csv"))[:_NUM_STREAMS]
    (folder / "streams" / "recordings").mkdir(parents=True)
    for file in files:
        shutil.copy(file, folder / "streams" / "recordings")
    shutil.copy(shared_data / "nab_real" / "index.csv", folder / "streams")
    faultline = Faultline(PROJECT, folder / "work")
    begun = faultline("init", str(folder / "streams"))
    assert begun.code == 0, begun.err
    return faultline, begun.out, run(faultline, "streams")


def test_init_finds_streams_with_a_label_for_each_sample(streams):
    _, printed, _ = streams
    assert f"Found: {_NUM_STREAMS} recordings of 1 channel (`value`)" in printed
    assert "a label for each sample" in printed
    assert "Split: group; `stretch` marks rows that belong together" in printed


def test_streams_are_measured_by_event(streams):
    _, _, summary = streams
    metrics = summary["metrics"]
    assert 0 <= metrics["events_found"] <= metrics["num_events"]
    assert metrics["num_events"] >= 1
    assert metrics["false_alarms_per_day"] >= 0


@pytest.fixture(scope="module")
def sounds(shared_data, tmp_path_factory):
    """Sounds of two speakers beside a table of labels."""
    folder = in_folder(shared_data, tmp_path_factory, "spoken_digits")
    source = shared_data / "spoken_digits"
    with (source / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = [
        row
        for speaker in sorted({row["speaker"] for row in rows})
        for row in _with_all_fours([row for row in rows if row["speaker"] == speaker])
    ]
    (folder / "digits" / "sounds").mkdir(parents=True)
    with (folder / "digits" / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(chosen)
    for row in chosen:
        shutil.copy(source / "sounds" / row["file"], folder / "digits" / "sounds")
    faultline = Faultline(PROJECT, folder / "work")
    begun = faultline("init", str(folder / "digits"))
    assert begun.code == 0, begun.err
    return faultline, begun.out, run(faultline, "digits")


def _with_all_fours(rows):
    """All sounds of the rare class, and others up to the number of sounds."""
    fours = [row for row in rows if row["is_four"] == "1"]
    return fours + [row for row in rows if row["is_four"] == "0"][: _NUM_SOUNDS - len(fours)]


def test_init_finds_sounds_and_keeps_speakers_apart(sounds):
    _, printed, _ = sounds
    assert f"Found: {2 * _NUM_SOUNDS} sounds" in printed
    assert "Split: group; `speaker` marks rows that belong together" in printed


def test_the_run_says_that_eval_does_not_measure_new_speakers(sounds):
    _, _, summary = sounds
    [step] = [step for step in summary["steps"] if step["name"] == "ArrowExampleGen"]
    assert "test has 1 of the 2 values of `speaker`" in step["remarks"]
