import json
import os

import pytest

from scripts.run_comment import main, make_comment

SUMMARY = {
    "run_id": "20261127-074518-wells",
    "use_case": "wells",
    "state": "complete",
    "error": "",
    "verdict": "REJECTED",
    "metrics": {"pr_auc": 0.81234, "recall": 0.75, "expected_cost": 1234.5, "prevalence": 0.25},
    "intervals": {"pr_auc": [0.6, 0.95]},
    "confidence": 0.95,
    "baseline_metrics": {"pr_auc": 0.9},
    "reasons": [
        {"verdict": "BLESSED", "text": "recall 0.750 is above 0.5"},
        {"verdict": "REJECTED", "text": "PR-AUC is lower | than before, @ada <b>"},
    ],
    "infra_problems": [],
    "pushed_version": None,
    "duration_s": 61.4,
    "provenance": {"git_commit": "c0ffee0123456789"},
}


def test_the_figures_are_a_table_with_intervals_and_the_model_before():
    lines = make_comment(SUMMARY).splitlines()
    assert lines[0] == "### Faultline: wells: REJECTED"
    table = [line for line in lines if line.startswith("|")]
    assert table == [
        "| metric | this model | 95% interval | blessed before |",
        "| --- | ---: | ---: | ---: |",
        "| PR-AUC | 0.812 | 0.600 to 0.950 | 0.900 |",
        "| recall | 0.750 | - | - |",
        "| cost per 1,000 | 1,234 | - | - |",
    ]


def test_texts_of_data_are_no_markdown_and_mention_nobody():
    text = make_comment(SUMMARY)
    assert "* passed: recall 0.750 is above 0.5" in text
    assert "* failed: PR-AUC is lower &#124; than before, &#64;ada &lt;b&gt;" in text


def test_the_last_line_says_what_was_pushed():
    end = "commit c0ffee012345: nothing was pushed, in 61 s."
    assert end in make_comment(SUMMARY)
    pushed = SUMMARY | {"verdict": "BLESSED", "pushed_version": "1764000000"}
    assert "version 1764000000 was pushed" in make_comment(pushed)


def test_a_failed_run_shows_its_error_as_it_is():
    failed = SUMMARY | {
        "state": "failed",
        "verdict": None,
        "error": "wells.csv, line 3:\n<script>",
        "metrics": {},
        "reasons": [],
    }
    lines = make_comment(failed).splitlines()
    assert lines[0] == "### Faultline: wells: FAILED"
    # Four spaces: indented code, in which nothing has a meaning.
    assert lines[2:4] == ["    wells.csv, line 3:", "    <script>"]
    assert not [line for line in lines if line.startswith("|")]


@pytest.fixture
def started(tmp_path):
    """The file of the time when the job began."""
    path = tmp_path / "gate.started"
    path.touch()
    return path


def test_the_latest_run_is_taken(tmp_path, started, capsys):
    for run_id in ("20261127-074518-wells", "20261128-074518-wells"):
        folder = tmp_path / "output" / "runs" / run_id
        folder.mkdir(parents=True)
        (folder / "summary.json").write_text(json.dumps(SUMMARY | {"run_id": run_id}))
    target = tmp_path / "comments" / "comment.md"
    assert main(str(tmp_path / "output"), str(target), str(started)) == 0
    assert "Run 20261128-074518-wells," in target.read_text(encoding="utf-8")
    assert capsys.readouterr().out == target.read_text(encoding="utf-8")


def test_without_a_run_the_comment_says_so(tmp_path, started, capsys):
    assert main(str(tmp_path), str(tmp_path / "comment.md"), str(started)) == 0
    assert "no run began" in capsys.readouterr().out
    started.unlink()
    assert main(str(tmp_path), str(tmp_path / "comment.md"), str(started)) == 0
    assert "the job ended before the run" in capsys.readouterr().out


def test_a_run_of_an_earlier_job_is_not_reported(tmp_path, started, capsys):
    summary = tmp_path / "runs" / "20261127-074518-wells" / "summary.json"
    summary.parent.mkdir(parents=True)
    summary.write_text(json.dumps(SUMMARY | {"verdict": "BLESSED"}))
    hour_ago = started.stat().st_mtime_ns - 3_600 * 10**9
    os.utime(summary, ns=(hour_ago, hour_ago))
    assert main(str(tmp_path), str(tmp_path / "comment.md"), str(started)) == 0
    assert capsys.readouterr().out.startswith("### Faultline: no run\n")


@pytest.mark.parametrize("verdict", ["BLESSED", "INCONCLUSIVE", "APPROVED"])
def test_the_verdict_is_in_the_title(verdict):
    assert make_comment(SUMMARY | {"verdict": verdict}).splitlines()[0].endswith(f": {verdict}")
