import io
import json

import pytest
from rich.console import Console

from pipeline.components.fact import Fact
from pipeline.running.steps import StepResult, StepState
from pipeline.running.summary import RunSummary, render_summary


def _step(name: str) -> StepResult:
    return StepResult(
        name=name,
        state=StepState.RAN,
        reason="first time",
        duration_s=1.23456,
        execution_id=7,
        outputs={},
    )


def _summary(tmp_path, verdict: str = "BLESSED", blessed_before: bool = False) -> RunSummary:
    summary = RunSummary(run_id="r1", use_case="pumps", run_folder=tmp_path)
    metrics = {"pr_auc": 0.8, "roc_auc": 0.9, "prevalence": 0.1, "recall": 0.75, "brier": 0.04}
    gate = {
        "verdict": verdict,
        "reasons": [{"verdict": verdict, "text": "PR-AUC 0.800 [0.6, 0.9] against 0.145"}],
        "intervals": json.dumps({"pr_auc": [0.6, 0.9]}),
        "metrics": json.dumps(metrics),
        "baseline_metrics": json.dumps(metrics | {"pr_auc": 0.7} if blessed_before else {}),
    }
    pushed = {"pushed_version": "17", "pushed_destination": "/out/serving/pumps/17"}
    summary.add_step(_step("ModelGate"), Fact("", gate))
    summary.add_step(_step("Pusher"), Fact("", pushed if verdict == "BLESSED" else {}))
    summary.state = "complete"
    return summary


def _text(summary: RunSummary) -> str:
    stream = io.StringIO()
    render_summary(summary, Console(file=stream, width=100))
    return stream.getvalue()


def test_a_blessed_model_is_said_to_be_pushed_and_how_to_serve_it(tmp_path):
    summary = _summary(tmp_path)
    text = _text(summary)
    assert summary.blessed
    assert "BLESSED version 17 in /out/serving/pumps" in text
    assert "Serve it: faultline serve --output /out" in text


def test_the_last_line_says_how_much_of_the_time_the_steps_took(tmp_path):
    summary = _summary(tmp_path)
    summary.spans.append({"duration_s": 5.0})
    summary.duration_s = 20.0
    # Two steps of 1.235 s and a span of 5 s; `faultline runs` shows this part.
    assert "20 s, 7.5 s of it in steps; log " in _text(summary)
    assert summary.to_json()["steps_s"] == 7.47


def test_a_blank_in_the_output_folder_is_quoted_in_the_command(tmp_path):
    summary = _summary(tmp_path)
    pushed = {"pushed_version": "17", "pushed_destination": "/my data/serving/pumps/17"}
    summary.add_step(_step("Pusher"), Fact("", pushed))
    assert "Serve it: faultline serve --output '/my data'\n" in _text(summary)


def test_pages_are_named_where_they_were_written(tmp_path):
    summary = _summary(tmp_path)
    assert "Report: " not in _text(summary)
    summary.pages = ["/out/reports/model-pumps.html", "/out/reports/index.html"]
    lines = [line for line in _text(summary).splitlines() if line.startswith("Report: ")]
    assert lines == [f"Report: {page}" for page in summary.pages]
    assert summary.to_json()["pages"] == summary.pages


def test_metrics_stand_beside_those_of_a_model_that_knows_nothing(tmp_path):
    [line] = [line for line in _text(_summary(tmp_path)).splitlines() if "Brier" in line]
    # Prevalence 0.1: a Brier score of 0.1 * 0.9 = 0.09.
    assert line.split()[-2:] == ["0.040", "0.090"]


def test_windows_of_streams_are_also_summed_up_by_event(tmp_path):
    summary = _summary(tmp_path)
    assert "event" not in _text(summary)
    by_event = {
        "event_recall": 0.75,
        "false_alarms_per_day": 0.5,
        "delay_s": 4_200.0,
        "num_events": 4.0,
        "events_found": 3.0,
        "num_false_alarms": 1.0,
        "healthy_hours": 48.0,
    }
    gate = dict(summary.facts["ModelGate"].values)
    gate["metrics"] = json.dumps(json.loads(gate["metrics"]) | by_event)
    gate["intervals"] = json.dumps({"event_recall": [0.194, 0.994]})
    summary.add_step(_step("ModelGate"), Fact("", gate))
    lines = _text(summary).splitlines()
    [recall] = [line for line in lines if line.startswith("event recall")]
    assert recall.split()[2:] == ["0.750", "[0.194,", "0.994]", "0.000"]
    [delay] = [line for line in lines if line.startswith("delay, median, s")]
    assert delay.split()[3:] == ["4,200", "-"]
    assert "4 events, 3 found; 1 false alarm in 48 healthy hours" in lines


def test_the_model_blessed_before_has_a_column_where_there_is_one(tmp_path):
    assert "blessed before" not in _text(_summary(tmp_path))
    text = _text(_summary(tmp_path, blessed_before=True))
    [line] = [
        line for line in text.splitlines() if line.startswith("PR-AUC ") and "against" not in line
    ]
    assert line.split() == ["PR-AUC", "0.800", "[0.600,", "0.900]", "0.100", "0.700"]


def test_a_refused_model_is_not_blessed_and_nothing_was_pushed(tmp_path):
    summary = _summary(tmp_path, verdict="REJECTED")
    assert not summary.blessed
    assert "REFUSED Nothing was pushed" in _text(summary)
    assert summary.to_json()["pushed_version"] is None


APPROVAL = {"approved_by": "Ada", "approved_why": "seen"}


@pytest.mark.parametrize(
    ("choice", "extra", "words"),
    [
        ("keep", {}, "INCONCLUSIVE Nothing was pushed; the served model is unchanged.\n"),
        ("ask", {}, "To push it anyway: faultline approve r1 --by NAME --why REASON"),
        ("ask", APPROVAL, "APPROVED by Ada: seen\nPushed version 17 in"),
    ],
)
def test_what_becomes_of_an_inconclusive_model_is_said(tmp_path, choice, extra, words):
    summary = _summary(tmp_path, verdict="INCONCLUSIVE")
    gate = summary.facts["ModelGate"].values | {"on_inconclusive": choice} | extra
    summary.add_step(_step("ModelGate"), Fact("", gate))
    if extra:
        pushed = {"pushed_version": "17", "pushed_destination": "/out/serving/pumps/17"}
        summary.add_step(_step("Pusher"), Fact("", pushed))
    assert words in _text(summary)
    assert "? PR-AUC 0.800" in _text(summary)
    assert "BLESSED version" not in _text(summary)
    assert (summary.blessed, summary.shadow) == (bool(extra), False)


def test_a_model_beside_the_served_one_is_no_blessed_one(tmp_path):
    summary = _summary(tmp_path, verdict="INCONCLUSIVE")
    folder = "/out/serving/pumps_shadow"
    pushed = {"pushed_version": "17", "pushed_destination": f"{folder}/17", "shadow": 1}
    summary.add_step(_step("Pusher"), Fact("", pushed))
    assert (summary.blessed, summary.shadow) == (False, True)
    assert f"INCONCLUSIVE version 17 in {folder}, beside the served model" in _text(summary)


def test_a_model_that_was_withdrawn_is_not_pushed_and_who_and_why_is_said(tmp_path):
    summary = _summary(tmp_path)
    notes = {"withdrawn_version": "pumps/17", "withdrawn_by": "Ada", "withdrawn_why": "alarms"}
    pushed = {"pushed": 0, "withdrawn_at": "2026-11-23T10:15:00Z", **notes}
    summary.add_step(_step("Pusher"), Fact("", pushed))
    assert not summary.blessed
    assert summary.to_json()["withdrawn"]["version"] == "pumps/17"
    text = " ".join(_text(summary).split())
    assert "WITHDRAWN Nothing was pushed" in text
    assert "pumps/17, which Ada withdrew at 2026-11-23T10:15:00Z: alarms" in text
    assert "faultline rollback pumps/17 --why REASON" in text


def test_a_model_that_its_server_cannot_answer_with_is_refused(tmp_path):
    summary = _summary(tmp_path)
    problem = "The server does not load the model: Could not find variable [w]."
    summary.add_step(_step("InfraValidator"), Fact("", {"problems": [problem]}))
    assert not summary.blessed
    assert summary.to_json()["verdict"] == "REJECTED"
    text = _text(summary)
    assert f"✗ {problem}" in text
    assert "REFUSED Nothing was pushed" in text


@pytest.mark.parametrize(
    ("error", "state", "text"),
    [
        (KeyboardInterrupt(), "interrupted", "stopped by Ctrl-C"),
        (ValueError("column x"), "failed", "column x"),
    ],
)
def test_what_stopped_a_run_is_in_its_summary(tmp_path, error, state, text):
    summary = RunSummary(run_id="r1", use_case="pumps", run_folder=tmp_path)
    summary.stop(error)
    summary.write()
    written = json.loads((tmp_path / "summary.json").read_text())
    assert (written["state"], written["error"]) == (state, text)
    assert written["verdict"] is None


def test_steps_are_in_the_summary_with_state_and_time(tmp_path):
    [gate, _] = _summary(tmp_path).to_json()["steps"]
    assert (gate["name"], gate["state"], gate["duration_s"]) == ("ModelGate", "ran", 1.235)
