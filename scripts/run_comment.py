"""Writes the figures of the latest run as Markdown, for the comment on a merge request.

    python -m scripts.run_comment output comment.md

The text comes from the run's `summary.json`, also of a run that failed or whose model was rejected.
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


def latest_summary(output: Path) -> dict[str, Any]:
    """Returns the summary of the latest run in an output folder.

    Raises:
        FileNotFoundError: No run wrote one.
    """
    paths = sorted(output.glob("runs/*/summary.json"))
    if not paths:
        raise FileNotFoundError(f"{output}/runs holds no summary.json: no run began.")
    summary: dict[str, Any] = json.loads(paths[-1].read_text(encoding="utf-8"))
    return summary


def main(output: str, target: str) -> int:
    """Writes the comment and returns the exit code; without a run, the comment says so."""
    try:
        text = make_comment(latest_summary(Path(output)))
    except FileNotFoundError as error:
        text = f"### Faultline: no run\n\n{_text(error)} The job's log says why.\n"
    Path(target).write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.stderr.write("usage: python -m scripts.run_comment OUTPUT COMMENT.md\n")
        sys.exit(2)
    sys.exit(main(*sys.argv[1:]))
