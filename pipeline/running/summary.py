"""Summary of one run: a JSON file in its folder and the closing lines in the terminal."""

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.guards.redaction import redact_text
from common.guards.stopping import stop_words
from common.paths import shown_path
from pipeline.components.fact import Fact
from pipeline.components.model_gate.figures import event_counts, figure
from pipeline.components.names import (
    APPROVED,
    APPROVED_BY,
    COST,
    INCONCLUSIVE,
    SHADOW,
    WITHDRAWN_VERSION,
)
from pipeline.components.pusher.withdrawn import withdrawal_of
from pipeline.running.console import format_duration
from pipeline.running.steps import StepResult

# Metrics of the closing table in display order, with their labels.
_METRIC_WORDS = {
    "pr_auc": "PR-AUC",
    "roc_auc": "ROC-AUC",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "brier": "Brier score",
    "expected_cost": "cost per 1,000",
}
# Metrics by event, which only windows of streams have.
_EVENT_WORDS = {
    "event_recall": "event recall",
    "false_alarms_per_day": "false alarms a day",
    "delay_s": "delay, median, s",
    "delay_p95_s": "delay, 95 %, s",
}
_MARKS = {
    "BLESSED": "[green]✓[/green]",
    "REJECTED": "[red]✗[/red]",
    "INCONCLUSIVE": "[yellow]?[/yellow]",
}


@dataclass(kw_only=True)
class RunSummary:
    """Record of a run, filled in as it proceeds.

    Attributes:
        run_id: The run's id.
        use_case: Name of the use case.
        run_folder: The run's folder, which contains `summary.json`.
        state: `running`, `complete`, `failed` or `interrupted`.
        error: Why the run stopped, as text.
        steps: The steps so far, each a JSON object.
        facts: Key figures by the step's name.
        spans: Findings for each span that was read before the newest.
        duration_s: Wall time of the whole command in seconds; `steps_s` is the part in steps.
        provenance: Code, data and environment; see `pipeline.lineage.provenance`.
        data_versions: The data under DVC that the run read, each a JSON object.
        tracking: Where the run was exported to, or why it was not.
        pages: Paths of the run's reports, the index last.
        hints: Why the model may have been refused, or what no bar has checked.
        log: Name of the log in the run's folder, or of the folder of logs.
    """

    run_id: str
    use_case: str
    run_folder: Path
    state: str = "running"
    error: str = ""
    steps: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Fact] = field(default_factory=dict)
    spans: list[dict[str, Any]] = field(default_factory=list)
    duration_s: float = 0.0
    provenance: dict[str, Any] = field(default_factory=dict)
    data_versions: list[dict[str, str]] = field(default_factory=list)
    tracking: dict[str, str] = field(default_factory=dict)
    pages: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    log: str = "run.log"

    @property
    def blessed(self) -> bool:
        """Whether the run ended with a model that passed the gate and the server check.

        An approved model counts as blessed; a withdrawn one does not.
        """
        is_blessed = self.verdict in {"BLESSED", APPROVED} and self.withdrawn is None
        return self.state == "complete" and is_blessed

    @property
    def shadow(self) -> bool:
        """Whether the run pushed its model to the shadow folder."""
        pushed = self.facts.get("Pusher", Fact()).values
        return self.state == "complete" and bool(pushed.get(SHADOW))

    @property
    def withdrawn(self) -> dict[str, Any] | None:
        """The withdrawn version with the same files, if it prevented the push; else None."""
        pushed = self.facts.get("Pusher", Fact()).values
        return withdrawal_of(pushed, pushed.get(WITHDRAWN_VERSION))

    @property
    def verdict(self) -> str | None:
        """`BLESSED`, `APPROVED`, `INCONCLUSIVE`, `REJECTED`, or None if not reached."""
        word = self._verdict.get("verdict")
        if word and self._infra_problems:
            return "REJECTED"
        return APPROVED if self._verdict.get(APPROVED_BY) else word

    @property
    def _infra_problems(self) -> list[str]:
        facts = self.facts.get("InfraValidator", Fact())
        return list(facts.values.get("problems", []))

    @property
    def _verdict(self) -> dict[str, Any]:
        return dict(self.facts["ModelGate"].values) if "ModelGate" in self.facts else {}

    @property
    def steps_s(self) -> float:
        """Time in steps in seconds, those of earlier spans included."""
        return float(sum(step["duration_s"] for step in (*self.steps, *self.spans)))

    def add_step(self, step: StepResult, fact: Fact) -> None:
        """Adds a finished step."""
        self.facts[step.name] = fact
        self.steps.append(
            {
                "name": step.name,
                "state": step.state.value,
                "reason": step.reason,
                "duration_s": round(step.duration_s, 3),
                "execution_id": step.execution_id,
                **dict(fact.values),
            }
        )

    def stop(self, error: BaseException) -> None:
        """Records why the run ended early."""
        interrupted = isinstance(error, KeyboardInterrupt)
        self.state = "interrupted" if interrupted else "failed"
        self.error = stop_words(error) if interrupted else redact_text(str(error))

    def to_json(self) -> dict[str, Any]:
        """Returns the summary as JSON values."""
        verdict = self._verdict
        pushed = self.facts.get("Pusher", Fact()).values
        return {
            "run_id": self.run_id,
            "use_case": self.use_case,
            "state": self.state,
            "error": self.error,
            "verdict": self.verdict,
            "reasons": verdict.get("reasons", []),
            "on_inconclusive": verdict.get("on_inconclusive"),
            "approved_by": verdict.get("approved_by"),
            "approved_why": verdict.get("approved_why"),
            "infra_problems": self._infra_problems,
            "metrics": self._metrics("metrics"),
            "intervals": self._metrics("intervals"),
            "confidence": verdict.get("confidence"),
            "baseline_metrics": self._metrics("baseline_metrics"),
            "pushed_version": pushed.get("pushed_version"),
            "pushed_path": pushed.get("pushed_destination"),
            "shadow": self.shadow,
            "withdrawn": self.withdrawn,
            "duration_s": round(self.duration_s, 3),
            "steps_s": round(self.steps_s, 3),
            "log": str(self.run_folder / self.log),
            "pages": self.pages,
            "hints": self.hints,
            "spans": self.spans,
            "steps": self.steps,
            "provenance": self.provenance,
            "data_versions": self.data_versions,
            "tracking": self.tracking,
        }

    def _metrics(self, key: str) -> dict[str, Any]:
        return dict(json.loads(self._verdict.get(key) or "{}"))

    def write(self) -> None:
        """Writes `summary.json` to the run's folder."""
        text = json.dumps(self.to_json(), indent=2, default=str)
        (self.run_folder / "summary.json").write_text(text + "\n", encoding="utf-8")


def render_summary(summary: RunSummary, console: Console) -> None:
    """Prints the closing summary: verdict, metrics, the model's location and how to serve it."""
    values = summary.to_json()
    console.print()
    console.print(_metrics_table(values))
    events = event_counts(values["metrics"])
    if events:
        console.print(f"[dim]{events}[/dim]", highlight=False, soft_wrap=True)
    for reason in values["reasons"]:
        text = f"{_MARKS[reason['verdict']]} {escape(reason['text'])}"
        console.print(text, highlight=False, soft_wrap=True)
    for problem in values["infra_problems"]:
        console.print(f"[red]✗[/red] {escape(problem)}", highlight=False, soft_wrap=True)
    console.print()
    _print_verdict(summary, values, console)
    for hint in values["hints"]:
        console.print(f"  {escape(hint)}", highlight=False, soft_wrap=True)
    for page in values["pages"]:
        console.print(f"Report: {escape(shown_path(page))}", highlight=False, soft_wrap=True)
    console.print(
        f"[dim]{format_duration(summary.duration_s)}, {format_duration(summary.steps_s)} of it in "
        "steps; log "
        f"{escape(shown_path(values['log']))}[/dim]",
        highlight=False,
        soft_wrap=True,
    )


def _output_option(pushed: Path) -> str:
    """Returns the `--output` option for a version in OUTPUT/serving/NAME/VERSION, if needed."""
    output = shown_path(pushed.parents[2])
    return "" if output == "output" else f" --output {shlex.quote(output)}"


def _metrics_table(values: dict[str, Any]) -> Table:
    table = Table(
        title="on the test split, at the model's threshold",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("metric")
    table.add_column("this model", justify="right")
    confidence = values["confidence"]
    table.add_column(f"{confidence:.0%} interval" if confidence else "", justify="right")
    table.add_column("no skill", justify="right")
    if values["baseline_metrics"]:
        table.add_column("blessed before", justify="right")
    metrics, blessed = values["metrics"], values["baseline_metrics"]
    trivial = _trivial_metrics(metrics.get("prevalence"))
    for name, words in (_METRIC_WORDS | _EVENT_WORDS).items():
        if name not in metrics and name in {COST, *_EVENT_WORDS}:
            continue
        limits = values["intervals"].get(name)
        interval = f"[{_figure(name, limits[0])}, {_figure(name, limits[1])}]" if limits else ""
        row = [words, _figure(name, metrics.get(name)), escape(interval)]
        row.append(_figure(name, trivial.get(name)))
        table.add_row(*row, *([_figure(name, blessed.get(name))] if blessed else []))
    return table


def _trivial_metrics(prevalence: float | None) -> dict[str, float]:
    """Returns the metrics of a model that always answers the prevalence and never "faulty"."""
    if prevalence is None:
        return {}
    return {
        "pr_auc": prevalence,
        "roc_auc": 0.5,
        "recall": 0.0,
        "event_recall": 0.0,
        "f1": 0.0,
        "brier": prevalence * (1 - prevalence),
    }


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name in {"false_alarms_per_day", "delay_s", "delay_p95_s"}:
        return figure(name, value)
    return f"{value:,.0f}" if name == COST else f"{value:.3f}"


def _print_verdict(summary: RunSummary, values: dict[str, Any], console: Console) -> None:
    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    if not summary.blessed and not summary.shadow:
        say(_describe_no_push(values))
        return
    pushed = Path(values["pushed_path"])
    if summary.shadow:
        say(
            f"[bold yellow]INCONCLUSIVE[/bold yellow] version {values['pushed_version']} in "
            f"{pushed.parent}, beside the served model, which is unchanged."
        )
        return
    version = f"version {values['pushed_version']} in {escape(shown_path(pushed.parent))}"
    if values["approved_by"]:
        reason = f"{escape(values['approved_by'])}: {escape(values['approved_why'])}"
        say(f"[bold green]APPROVED[/bold green] by {reason}\nPushed {version}")
    else:
        say(f"[bold green]BLESSED[/bold green] {version}")
    say(f"Serve it: faultline serve{_output_option(pushed)}")


def _describe_no_push(values: dict[str, Any]) -> str:
    """Describes why nothing was pushed and what the user can do."""
    unchanged = "Nothing was pushed; the served model is unchanged."
    withdrawn = values["withdrawn"]
    if withdrawn:
        version, by, why = (withdrawn[key] for key in ("version", "by", "why"))
        return (
            f"[bold red]WITHDRAWN[/bold red] {unchanged}\n"
            f"The model has the files of {version}, which {escape(by)} withdrew at "
            f"{withdrawn['at']}: {escape(why)}\n"
            f"To serve it again: faultline rollback {version} --why REASON"
        )
    if values["verdict"] != INCONCLUSIVE:
        return f"[bold red]REFUSED[/bold red] {unchanged}"
    text = f"[bold yellow]INCONCLUSIVE[/bold yellow] {unchanged}"
    if values["on_inconclusive"] == "ask":
        command = f"faultline approve {values['run_id']} --by NAME --why REASON"
        text += f"\nTo push it anyway: {command}"
    return text
