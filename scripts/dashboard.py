"""Writes the dashboard of Grafana, serving/deploy/grafana/dashboard.json."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from string import ascii_uppercase

from grafana_foundation_sdk.builders import prometheus, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableRefresh,
)

PATH = Path(__file__).resolve().parents[1] / "serving" / "deploy" / "grafana" / "dashboard.json"
_SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
_MODEL = 'model=~"$model"'
_SERVED = 'model_name=~"$model"'
_LATENCY = ":tensorflow:serving:request_latency"
_HEIGHT, _WIDTH = 7, 8
_BELOW = LegendPlacement.BOTTOM


@dataclass(frozen=True)
class _Graph:
    """A graph.

    Attributes:
        title: Its title.
        queries: Expression and legend of each line.
        unit: Unit in Grafana's words.
        help: What it shows, where the title does not say it.
        minimum: Lower end of its axis; None for that of the values.
    """

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    help: str = ""
    minimum: float | None = 0.0

    def panel(self, number: int) -> timeseries.Panel:
        """Returns its panel, whose number is unique in the dashboard."""
        panel = timeseries.Panel().title(self.title).description(self.help).unit(self.unit)
        panel = panel.datasource(_SOURCE).height(_HEIGHT).span(_WIDTH).id(number)
        panel = panel.legend(VizLegendOptions().show_legend(show_legend=True).placement(_BELOW))
        if self.minimum is not None:
            panel = panel.min(self.minimum)
        for letter, (expression, legend) in zip(ascii_uppercase, self.queries, strict=False):
            query = prometheus.Dataquery().expr(expression).legend_format(legend)
            panel = panel.with_target(query.ref_id(letter))
        return panel


def _rate(metric: str, labels: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def _quantile(share: float, bucket: str, labels: str, by: str) -> str:
    return f"histogram_quantile({share:g}, {_rate(f'{bucket}_bucket', labels, f'{by}, le')})"


def _quantiles(bucket: str, labels: str, by: str) -> list[tuple[str, str]]:
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    shares = (0.5, 0.95, 0.99)
    return [(_quantile(s, bucket, labels, by), f"p{s * 100:g} {legend}") for s in shares]


def _figure(stem: str, unit: str = "") -> list[tuple[str, str]]:
    names = {"": "value", "_lower": "lower limit", "_upper": "upper limit"}
    return [
        (f"faultline_{stem}{limit}{unit}{{{_MODEL}}}", f"{words} {{{{model}}}}/{{{{version}}}}")
        for limit, words in names.items()
    ]


def _serving() -> list[_Graph]:
    by = "model_name, version"
    jitter = _rate("faultline_request_latency_change_seconds_total", _SERVED, by)
    answers = _rate(f"{_LATENCY}_count", _SERVED, by)
    requests = _rate(":tensorflow:serving:request_count", _SERVED, f"{by}, status")
    recorded = _rate(":tensorflow:serving:request_log_count", _SERVED, "model_name, status")
    cpu = "rate(process_cpu_seconds_total[$__rate_interval])"
    cpu_of_gateway = _rate("faultline_process_cpu_seconds_total", _MODEL, "model, process")
    return [
        _Graph(
            "Requests",
            [(requests, "{{model_name}}/{{version}} {{status}}")],
            "reqps",
        ),
        _Graph("Latency", _quantiles(_LATENCY, _SERVED, by), "µs"),
        _Graph(
            "Jitter",
            [(f"{jitter} / {answers}", "{{model_name}}/{{version}}")],
            "s",
            "Mean difference between the latencies of successive requests.",
        ),
        _Graph(
            "Memory",
            [
                ("process_resident_memory_bytes", "{{job}} {{arm}} {{instance}}"),
                (f"faultline_process_resident_memory_bytes{{{_MODEL}}}", "{{model}} {{process}}"),
            ],
            "bytes",
        ),
        _Graph(
            "CPU",
            [
                (cpu, "{{job}} {{arm}} {{instance}}"),
                (cpu_of_gateway, "{{model}} {{process}}"),
            ],
            "percentunit",
            "1 is one core.",
        ),
        _Graph(
            "Requests recorded and dropped",
            [(recorded, "{{model_name}} {{status}}")],
            "reqps",
        ),
    ]


def _gateway() -> list[_Graph]:
    requests = _rate("faultline_gateway_requests_total", _MODEL, "model, wire, code_class")
    upstream = _rate("faultline_gateway_upstream_requests_total", _MODEL, "model, arm")
    return [
        _Graph("Requests by status", [(requests, "{{model}} {{wire}} {{code_class}}")], "reqps"),
        _Graph(
            "Requests by arm",
            [(upstream, "{{model}} {{arm}}")],
            "reqps",
            "Copies included.",
        ),
        _Graph(
            "Time of a request",
            _quantiles("faultline_gateway_request_duration_seconds", _MODEL, "model, wire"),
            "s",
        ),
    ]


def _rollouts() -> list[_Graph]:
    return [
        _Graph(
            "Share of the candidate",
            [
                (f"faultline_rollout_candidate_percent{{{_MODEL}}}", "{{model}} keys"),
                (f"faultline_rollout_mirrored_percent{{{_MODEL}}}", "{{model}} copies"),
            ],
            "percent",
        ),
        _Graph(
            "Step",
            [
                (f"faultline_rollout_step{{{_MODEL}}}", "{{model}} step"),
                (f"faultline_rollout_steps{{{_MODEL}}}", "{{model}} of"),
            ],
            help="0 without a rollout.",
        ),
        _Graph(
            "Retrainings",
            [(f"faultline_retrainings_total{{{_MODEL}}}", "{{model}} {{trigger}}: {{outcome}}")],
        ),
    ]


def _monitor() -> list[_Graph]:
    age = f"time() - faultline_monitor_last_chunk_timestamp_seconds{{{_MODEL}}}"
    return [
        _Graph(
            "Evidence of drift",
            [
                (f"faultline_drift_evidence{{{_MODEL}}}", "{{model}}/{{version}}"),
                (f"faultline_drift_evidence_limit{{{_MODEL}}}", "limit {{model}}/{{version}}"),
            ],
            help="At the limit it is an alarm: one false alarm in as many chunks, or fewer.",
        ),
        _Graph(
            "Channels that differ most",
            [(f"bottomk(5, faultline_drift_p_value{{{_MODEL}}})", "{{model}} {{channel}}")],
            help="P-values of the last whole chunk. The alarm goes by the evidence, not by these.",
        ),
        _Graph(
            "Open alarms",
            [
                (
                    f"sum by (model, kind, severity) (faultline_alarms_open{{{_MODEL}}})",
                    "{{model}} {{kind}} {{severity}}",
                )
            ],
        ),
        _Graph(
            "Recall, estimated",
            _figure("estimated_recall", "_ratio"),
            "percentunit",
            "Without labels. Concept drift does not show in it.",
        ),
        _Graph("Recall, measured", _figure("measured_recall", "_ratio"), "percentunit"),
        _Graph(
            "Rise of the cost a day, estimated", _figure("estimated_cost_per_day"), minimum=None
        ),
        _Graph(
            "Rows",
            [
                (f"faultline_chunk_rows{{{_MODEL}}}", "{{model}}/{{version}} of the last chunk"),
                (f"faultline_quarantined_rows_total{{{_MODEL}}}", "{{model}} in quarantine"),
            ],
        ),
        _Graph("Since the last chunk", [(age, "{{model}}")], "s"),
        _Graph(
            "Jitter of the last chunk",
            [(f"faultline_chunk_jitter_seconds{{{_MODEL}}}", "{{model}}/{{version}}")],
            "s",
        ),
    ]


_ROWS = {"Serving": _serving, "Gateway": _gateway, "Change": _rollouts, "Monitor": _monitor}


def make_dashboard() -> str:
    """Returns the dashboard as JSON."""
    models = QueryVariable("model").label("Model").datasource(_SOURCE)
    models = models.query("label_values(faultline_exposition_problem, model)")
    models = models.include_all(include_all=True).all_value(".*").multi(multi=True)
    models = models.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    dashboard = (
        Dashboard("Faultline")
        .uid("faultline")
        .tags(["faultline"])
        .refresh("1m")
        .time("now-7d", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(DatasourceVariable("source").label("Source").type("prometheus"))
        .with_variable(models)
    )
    numbers = count(1)
    for title, graphs in _ROWS.items():
        dashboard = dashboard.with_row(Row(title).id(next(numbers)))
        for graph in graphs():
            dashboard = dashboard.with_panel(graph.panel(next(numbers)))
    return json.dumps(dashboard.build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def main() -> None:
    """Writes the dashboard."""
    PATH.write_text(make_dashboard(), encoding="utf-8")


if __name__ == "__main__":
    main()
