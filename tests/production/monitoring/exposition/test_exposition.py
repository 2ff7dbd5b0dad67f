"""The metrics of an output folder: values, names, and what a damaged file hides."""

import os
import re
from typing import get_args

import pytest
from filelock import FileLock
from prometheus_client.parser import text_string_to_metric_families

from common.output_folder import OutputFolder
from production.monitoring.exposition import retraining, rollout
from production.monitoring.exposition.exposition import METRICS, Exposition, models
from production.monitoring.exposition.metrics import Metric, Part, Sample
from production.monitoring.report import CHUNKS
from production.retraining.state import Outcome, Phase, TriggerName
from production.rollout import state
from production.rollout.actions import CONTROLLER
from production.rollout.journal import Note
from tests.production.monitoring.exposition import outputs
from tests.production.monitoring.exposition.outputs import DAY, MIDNIGHT, MODEL


@pytest.fixture
def folder(tmp_path) -> OutputFolder:
    return OutputFolder(tmp_path)


def values(exposition: Exposition) -> dict[tuple, float]:
    """Values by name and labels, in the order of their names; `model` is left out."""
    families = text_string_to_metric_families(exposition.render().decode())
    return {
        (sample.name, *(v for k, v in sample.labels.items() if k != "model")): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_chunk_has_its_figures_with_their_limits(folder):
    outputs.write_whole_chunk(folder)
    read = values(Exposition(folder))
    assert read["faultline_monitor_last_chunk_timestamp_seconds",] == (MIDNIGHT + DAY).timestamp()
    assert read["faultline_monitor_last_chunk_duration_seconds",] == 86_400
    assert read["faultline_drift_evidence", "7"] == 12.5
    assert read["faultline_drift_evidence_limit", "7"] == 182
    assert read["faultline_drift_p_value", "pressure", "7"] == 0.04
    assert read["faultline_estimated_recall_ratio", "7"] == 0.75
    assert read["faultline_estimated_recall_lower_ratio", "7"] == 0.5
    assert read["faultline_estimated_cost", "7"] == 0.02
    assert ("faultline_estimated_cost_upper", "7") not in read  # unknown
    assert read["faultline_estimated_cost_per_day_lower", "7"] == -1
    assert read["faultline_measured_recall_upper_ratio", "7"] == 0.9
    assert read["faultline_chunk_latency_seconds", "0.99", "7"] == 0.008
    assert read["faultline_chunk_jitter_seconds", "7"] == 0.0005
    assert read["faultline_chunk_failed_requests", "7"] == 3


def test_a_broken_chunk_is_counted_and_the_drift_is_that_of_the_last_whole_one(folder):
    outputs.write_whole_chunk(folder, 0)
    outputs.write_chunk(folder, 1, num_rows=40, is_broken=True)
    read = values(Exposition(folder))
    assert read["faultline_chunk_broken", "7"] == 1
    assert read["faultline_monitor_chunks_total", "whole"] == 1
    assert read["faultline_monitor_chunks_total", "broken"] == 1
    assert read["faultline_monitor_rows_total",] == 340
    assert read["faultline_quarantined_rows_total",] == 40
    assert read["faultline_drift_evidence", "7"] == 12.5
    assert (
        read["faultline_monitor_last_chunk_timestamp_seconds",] == (MIDNIGHT + 2 * DAY).timestamp()
    )


def test_a_chunk_that_is_finished_between_two_scrapes_shows_in_the_second(folder):
    outputs.write_chunk(folder, 0)
    exposition = Exposition(folder)
    assert values(exposition)["faultline_monitor_rows_total",] == 300
    outputs.write_chunk(folder, 1)
    assert values(exposition)["faultline_monitor_rows_total",] == 600


def test_a_monitor_that_holds_its_lock_is_running(folder):
    outputs.write_chunk(folder, 0)
    exposition = Exposition(folder)
    with FileLock(folder.monitoring(MODEL) / "lock"):
        assert values(exposition)["faultline_monitor_running",] == 1
    assert values(exposition)["faultline_monitor_running",] == 0


def test_open_alarms_are_counted_by_kind_severity_and_status(folder):
    outputs.raise_alarms(folder)
    read = values(Exposition(folder))
    assert read["faultline_alarms_open", "drift", "critical", "open"] == 1
    assert read["faultline_alarms_open", "broken_data", "warning", "acknowledged"] == 1
    assert read["faultline_alarms_total", "drift"] == 1


def test_a_rollout_has_its_step_and_shares(folder):
    outputs.start_rollout(folder)
    read = values(Exposition(folder))
    assert read["faultline_served_version_info", "wells", "7"] == 1
    assert read["faultline_rollout_active",] == 1
    assert (read["faultline_rollout_step",], read["faultline_rollout_steps",]) == (1, 2)
    assert read["faultline_rollout_candidate_percent",] == 5
    assert read["faultline_rollout_mirrored_percent",] == 100
    assert read["faultline_rollout_phase", "running"] == 1
    assert read["faultline_rollout_phase", "held"] == 0
    assert read["faultline_rollout_transitions_total", "person", "start"] == 1
    assert read["faultline_rollout_transitions_total", "controller", "begin"] == 1
    assert read["faultline_controller_running",] == 0


def test_a_rollout_that_ended_has_no_step_and_no_share(folder):
    journal = outputs.start_rollout(folder)
    journal.append(
        lambda entries, now: state.roll_back(entries[-1].state, now),
        Note(event="roll_back", by=CONTROLLER, why="more errors"),
    )
    read = values(Exposition(folder))
    assert read["faultline_rollout_active",] == read["faultline_rollout_step",] == 0
    assert read["faultline_rollout_candidate_percent",] == 0
    assert read["faultline_rollout_phase", "rolled_back"] == 1
    assert read["faultline_rollout_transitions_total", "controller", "roll_back"] == 1


def test_retrainings_are_counted_by_trigger_and_outcome(folder):
    outputs.write_retrainings(folder)
    read = values(Exposition(folder))
    assert read["faultline_retrainings_total", "declined", "labels"] == 1
    assert read["faultline_retraining_cpu_seconds_total",] == 12
    assert read["faultline_retraining_active", "proposed"] == 1
    assert read["faultline_retraining_active", "training"] == 0
    assert read["faultline_retraining_last_end_timestamp_seconds",] == MIDNIGHT.timestamp()


def test_a_counter_that_alerts_watch_is_there_before_its_first_event(folder):
    outputs.start_rollout(folder)
    folder.retraining(MODEL).mkdir(parents=True)  # a loop runs and has trained nothing yet
    read = values(Exposition(folder))
    assert read["faultline_retrainings_total", "stopped", "labels"] == 0
    assert read["faultline_retraining_active", "training"] == 0
    assert read["faultline_rollout_transitions_total", "controller", "roll_back"] == 0
    assert read["faultline_rollout_transitions_total", "person", "roll_back"] == 0


def test_a_live_file_that_is_closed_during_a_scrape_is_no_problem(folder):
    outputs.write_records(folder)
    live = folder.collected(MODEL) / "live"
    live.mkdir()
    (live / "1.arrows").symlink_to(live / "closed")  # it is listed, and has no status
    read = values(Exposition(folder))
    assert read["faultline_exposition_problem", "collection"] == 0
    assert ("faultline_records_newest_timestamp_seconds",) in read


def test_records_and_labels_have_their_times(folder):
    labels = outputs.write_records(folder)
    os.utime(labels, (1_000_000, 1_000_000))
    read = values(Exposition(folder))
    # The only closed hour is that from 22 to 23 on the day before.
    newest = MIDNIGHT.timestamp() - 3600
    assert read["faultline_records_newest_timestamp_seconds",] == newest
    assert read["faultline_records_oldest_timestamp_seconds",] == newest - 3600
    assert read["faultline_labels_last_timestamp_seconds",] == 1_000_000


def test_a_damaged_journal_hides_its_own_metrics_only(folder, caplog):
    outputs.write_whole_chunk(folder)
    outputs.start_rollout(folder).path.write_text("{}\n", encoding="utf-8")
    exposition = Exposition(folder)
    read = values(exposition)
    assert read["faultline_exposition_problem", "rollout"] == 1
    assert read["faultline_exposition_problem", "monitor"] == 0
    assert read["faultline_drift_evidence", "7"] == 12.5
    exposition.render()
    assert [record.message for record in caplog.records if "rollout" in record.message] == [
        caplog.records[0].message
    ]
    assert "line 1" in caplog.records[0].message


def test_a_problem_that_comes_back_is_logged_again(folder, caplog):
    journal = outputs.start_rollout(folder)
    whole, exposition = journal.path.read_bytes(), Exposition(folder)
    for content in (b"{}\n", whole, b"{}\n"):
        journal.path.write_bytes(content)
        exposition.render()
    assert len([record for record in caplog.records if "rollout" in record.message]) == 2


def test_a_report_of_another_release_hides_its_own_metrics_only(folder):
    outputs.write_chunk(folder, 0, drift={"p_values": [0.5]})  # a list has no channels
    outputs.start_rollout(folder)
    read = values(Exposition(folder))
    assert read["faultline_exposition_problem", "monitor"] == 1
    assert read["faultline_rollout_active",] == 1


def test_a_damaged_line_hides_the_metrics_of_its_chunk_only(folder, caplog):
    outputs.write_whole_chunk(folder)
    outputs.raise_alarms(folder)
    with (folder.monitoring(MODEL) / CHUNKS).open("a") as file:
        file.write("[]\n")
    read = values(Exposition(folder))
    assert read["faultline_exposition_problem", "monitor"] == 1
    assert read["faultline_drift_evidence", "7"] == 12.5
    assert read["faultline_alarms_total", "drift"] == 1
    assert "chunks.jsonl, line 2" in caplog.text


def test_a_metric_that_no_part_declares_is_an_error(folder):
    outputs.write_chunk(folder, 0)
    part = Part("odd", (Metric("faultline_a", "A."),), lambda *_: [Sample("faultline_b", {}, 1.0)])
    with pytest.raises(ValueError, match="no part declares: faultline_b"):
        Exposition(folder, [part]).render()


def test_an_empty_output_folder_has_the_free_space_and_the_process(folder):
    names = {name for name, *_ in values(Exposition(folder))}
    assert "faultline_output_free_bytes" in names
    assert "process_cpu_seconds_total" in names
    assert not {name for name in names if name.startswith("faultline_monitor")}


def test_every_folder_of_a_model_names_it(folder):
    for place in (folder.serving("a"), folder.collected("b"), folder.monitoring("c")):
        place.mkdir(parents=True)
    (folder.serving("a").parent / ".manifests").mkdir()
    assert models(folder) == ["a", "b", "c"]


def test_names_follow_the_conventions():
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    for metric in METRICS:
        assert re.fullmatch(r"faultline_[a-z0-9_]+", metric.name)
        assert not metric.name.endswith(("_ms", "_milliseconds", "_microseconds", "_count", "_sum"))
        assert re.fullmatch(r"[A-Z1].*[.1]", metric.help), metric.help


def test_what_is_repeated_of_other_modules_is_what_they_say():
    assert rollout._CONTROLLER == CONTROLLER
    assert {*retraining._PHASES, "ended"} == {phase.value for phase in Phase}
    assert get_args(TriggerName) == retraining._TRIGGERS
    assert get_args(Outcome) == retraining._OUTCOMES
