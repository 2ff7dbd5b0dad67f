"""Writes the figures of the latest run as Markdown, for the comment on a merge request.

    python -m scripts.run_comment output comment.md gate.started

Only a run that ended after the file `gate.started` was made counts: the output folder may hold
earlier ones. The text comes from the run's `summary.json`, also of a run that failed or whose model
was rejected.
"""

import html
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_TITLES = {
    "pr_auc": "PR-AUC",
    "roc_auc": "ROC-AUC",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "brier": "Brier score",
    "expected_cost": "cost per 1,000",
    "event_recall": "event recall",
    "false_alarms_per_day": "false alarms a day",
}
_SIGNS = {"BLESSED": "passed", "REJECTED": "failed", "INCONCLUSIVE": "open"}
_MAX_ERROR = 2_000
# Signs of Markdown, of tables, and of mentions.
_ENTITIES = str.maketrans({sign: f"&#{ord(sign)};" for sign in "|@`*_[]~"})


def make_comment(summary: Mapping[str, Any]) -> str:
    """Returns a run's verdict, figures and reasons as Markdown.

    Args:
        summary: The content of its `summary.json`.
    """
    return "\n".join(_lines(summary)) + "\n"


def _lines(summary: Mapping[str, Any]) -> Iterator[str]:
    verdict = summary.get("verdict") or summary.get("state", "unknown").upper()
    yield f"### Faultline: {_text(summary['use_case'])}: {_text(verdict)}"
    yield ""
    if summary.get("error"):
        yield from _error(summary["error"])
    if summary.get("metrics"):
        yield from _table(summary)
    for reason in summary.get("reasons", []):
        yield f"* {_SIGNS.get(reason['verdict'], reason['verdict'])}: {_text(reason['text'])}"
    for problem in summary.get("infra_problems", []):
        yield f"* failed: {_text(problem)}"
    yield ""
    version = summary.get("pushed_version")
    pushed = f"version {version} was pushed" if version else "nothing was pushed"
    commit = str(summary.get("provenance", {}).get("git_commit", "unknown"))[:12]
    yield (
        f"Run {_text(summary['run_id'])}, commit {_text(commit)}: {pushed}, "
        f"in {summary.get('duration_s', 0):,.0f} s. The pages are in the job's artifacts."
    )


def _error(text: str) -> Iterator[str]:
    # Indented code shows any text as it is.
    yield from (f"    {line}" for line in text[:_MAX_ERROR].splitlines())
    yield ""


def _table(summary: Mapping[str, Any]) -> Iterator[str]:
    metrics, intervals = summary["metrics"], summary.get("intervals") or {}
    before = summary.get("baseline_metrics") or {}
    confidence = summary.get("confidence")
    header = ["metric", "this model", f"{confidence:.0%} interval" if confidence else "interval"]
    header += ["blessed before"] if before else []
    yield _row(header)
    yield _row(["---", *["---:"] * (len(header) - 1)])
    for name, title in _TITLES.items():
        if name not in metrics:
            continue
        limits = intervals.get(name)
        interval = f"{_number(limits[0])} to {_number(limits[1])}" if limits else "-"
        cells = [title, _number(metrics[name]), interval]
        yield _row([*cells, *([_number(before.get(name))] if before else [])])
    yield ""


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3f}"


def _text(value: object) -> str:
    """Returns a text of one line without meaning in Markdown or HTML, which mentions nobody."""
    line = " ".join(html.escape(str(value), quote=False).split())
    return line.translate(_ENTITIES)


def latest_summary(output: Path, started: Path) -> dict[str, Any]:
    """Returns the summary of the latest run in an output folder.

    Args:
        output: The output folder; it may hold runs of earlier jobs.
        started: A file of the time when this job began.

    Raises:
        FileNotFoundError: No run of this job wrote one, or there is no file `started`.
    """
    if not started.is_file():
        raise FileNotFoundError(f"There is no file {started}: the job ended before the run.")
    began = started.stat().st_mtime_ns
    written = output.glob("runs/*/summary.json")
    paths = sorted(path for path in written if path.stat().st_mtime_ns >= began)
    if not paths:
        raise FileNotFoundError(
            f"{output}/runs holds no summary.json of this job: no run began, or it was killed."
        )
    summary: dict[str, Any] = json.loads(paths[-1].read_text(encoding="utf-8"))
    return summary


def main(output: str, target: str, started: str) -> int:
    """Writes the comment and returns the exit code; without a run, the comment says so."""
    try:
        text = make_comment(latest_summary(Path(output), Path(started)))
    except FileNotFoundError as error:
        text = f"### Faultline: no run\n\n{_text(error)} The job's log says why.\n"
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.stderr.write("usage: python -m scripts.run_comment OUTPUT COMMENT.md STARTED\n")
        sys.exit(2)
    sys.exit(main(*sys.argv[1:]))
