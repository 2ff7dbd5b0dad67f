"""`faultline monitor`: what it prints for people and programs, and releases from quarantine."""

import json
import re
import threading

import numpy as np
import pytest
from click.testing import CliRunner

from commands.command_line import main
from commands.monitoring.monitor import Look
from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.config_loading import load_config
from production.monitoring.reference.stored import ReferenceFiles, save_reference
from production.monitoring.report import CHUNKS
from tests.production.monitoring.pump_months import (
    MODEL,
    VERSION,
    deliver_day,
    draw_rows,
    pump_config,
    pump_reference,
    write_day,
)


@pytest.fixture
def pump(tmp_path):
    """Six days of a pump; its flow has drifted on the last two, and labels of two have come."""
    config = pump_config(tmp_path)
    folder = OutputFolder(tmp_path / "output")
    place = folder.monitoring(MODEL)
    files = ReferenceFiles(folder=place, version=VERSION)
    save_reference(files, pump_reference(config))
    rng = np.random.default_rng(11)
    for day in range(6):
        rows = draw_rows(rng, 400)
        rows["flow"] += 0.8 * (day >= 4)
        write_day(folder.collected(MODEL), rows, day)
        if day < 2:
            deliver_day(folder.collected(MODEL), rows, day)
    return tmp_path


def run(folder, *arguments):
    options = ["--config", str(folder / "pump.yaml"), "--output", str(folder / "output")]
    return CliRunner().invoke(main, ["monitor", *options, *arguments])


def test_new_chunks_are_a_table_and_open_alarms_say_what_to_do(pump):
    result = run(pump)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split()[:4] == ["chunk", "since", "(UTC)", "version"]
    assert re.match(r"0 +2026-03-01 00:00 +100 +400 +ok ", lines[1])
    assert re.search(r"0\.\d\d \[0\.\d\d, [01]\.\d\d\] \*", lines[1])
    assert "*" not in lines[6]
    assert "EUR a day vs gate" in lines[0]
    assert "EUR a day vs gate: estimated change of the cost against" in result.stdout
    assert "only labels show it" in result.stdout
    assert re.search(r"A chunk of 400 rows shows a shift of 0\.\d\d", result.stdout)
    assert re.search(r"a\d +\w+ +drift +100 +2026-03-0[1-5]", result.stdout)
    again = run(pump)
    assert again.stdout.startswith("No new chunk is finished")
    assert re.search(r"The present chunk ends at 20\d\d-\d\d-\d\d 00:00\s+UTC\.", again.stdout)
    assert re.search(r"a\d +\w+ +drift +100", again.stdout)


def test_progress_is_printed_to_standard_error_chunk_by_chunk(pump, capfd):
    run(pump)
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "Chunk 0: 400 rows of version 100."
    assert len([line for line in lines if line.startswith("Chunk ")]) == 6


def test_json_has_the_reports_and_the_open_alarms(pump):
    answer = json.loads(run(pump, "--json").stdout)
    assert [chunk["number"] for chunk in answer["chunks"]] == list(range(6))
    assert answer["chunks"][0]["measured"]["recall"][0] > 0.5
    # Labels of days 0 and 1 have come, those of the later days have not.
    assert {alarm["features"][0] for alarm in answer["open_alarms"]} == {"flow", "labels"}


def test_a_reason_without_a_chunk_to_release_is_refused(pump):
    result = run(pump, "--why", "it is right")
    assert result.exit_code == 2
    assert "--release CHUNK, which is missing" in result.stderr


def test_a_release_needs_a_chunk_in_quarantine_and_a_reason(pump):
    result = run(pump, "--release", "3", "--why", "it is right")
    assert result.exit_code == 2
    assert "Chunk 3 is not in quarantine" in result.stderr
    assert "--why" in run(pump, "--release", "3").stderr


def test_a_model_without_recorded_requests_is_named(pump):
    result = run(pump, "--model", "other")
    assert result.exit_code == 2
    assert "Recorded are requests to pump" in result.stderr


def test_a_config_of_another_use_case_is_said(pump):
    collected = OutputFolder(pump / "output").collected("other")
    collected.parent.joinpath(MODEL).rename(collected)
    result = run(pump, "--model", "other", "--release", "3", "--why", "it is right")
    assert "Note: the config is that of pump." in " ".join(result.stderr.split())
    assert "Note:" not in run(pump, "--model", "pump").stderr


@pytest.mark.parametrize("name", ["state.json", "monitor-pump.json"])
def test_a_file_that_cannot_be_written_is_an_error_in_words(pump, name):
    folder = OutputFolder(pump / "output")
    place = folder.monitoring(MODEL) if name == "state.json" else folder.reports
    (place / f".{name}.incoming").mkdir(parents=True)
    result = run(pump)
    assert (result.exit_code, result.stderr.startswith("Error: Cannot write")) == (2, True)


def test_a_damaged_report_is_named_on_the_page_too(pump):
    run(pump)
    folder = OutputFolder(pump / "output")
    path = folder.monitoring(MODEL) / CHUNKS
    number = len(path.read_bytes().splitlines()) + 1
    with path.open("a") as file:
        file.write("[]\n")
    result = run(pump)
    problem = f"{path}, line {number}: it is no JSON object."
    assert (result.exit_code, problem in result.stderr) == (2, True)
    assert problem in (folder.reports / f"monitor-{MODEL}.html").read_text()


def test_the_page_is_up_to_date_although_an_earlier_delivery_failed(pump):
    folder = OutputFolder(pump / "output")
    (folder.monitoring(MODEL) / "deliveries.lock").mkdir()
    look = Look(load_config(pump / "pump.yaml"), folder, MODEL)
    look.take()
    for thread in threading.enumerate():
        if thread.name == "deliverer":
            thread.join()
    page = folder.reports / f"monitor-{MODEL}.html"
    before = page.read_text()
    write_day(folder.collected(MODEL), draw_rows(np.random.default_rng(12), 400), 6)
    with pytest.raises(InputError, match="Cannot write to"):
        look.take()
    assert page.read_text() != before
