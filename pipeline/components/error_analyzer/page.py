"""The page of ErrorAnalyzer: one HTML file that needs no network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import pyarrow as pa
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray

from pipeline.components.error_analyzer.analysis import Cluster
from pipeline.components.recording_troubles.finding import TROUBLES

NUM_PLOTS = 50
_NUM_LISTED = 300
_NUM_COLUMNS = 8


@dataclass(frozen=True)
class SignalValues:
    """One signal of the worst examples.

    Attributes:
        values: float64 `[k, samples]`, in the order of rank; NaN where a sample is missing.
        rate_hz: Samples a second.
        unit: Unit of the values, or "".
    """

    values: NDArray[np.float64]
    rate_hz: float
    unit: str


def render_page(
    name: str,
    ranked: pa.Table,
    clusters: Sequence[tuple[Cluster, str]],
    signals: Mapping[str, SignalValues],
    *,
    num_errors: int,
) -> str:
    """Returns the HTML.

    Args:
        name: The use case.
        ranked: What `rank_errors` returned.
        clusters: What errors share, each with the YAML by which the gate watches it.
        signals: The signals of the worst examples, by name.
        num_errors: Examples that count as errors.
    """
    listed = ranked.slice(0, _NUM_LISTED).to_pylist()
    own = {"rank", "row", "label", "probability", "decision", "loss", "suspected_label", "troubles"}
    columns = [column for column in ranked.column_names if column not in own]
    examples = [
        {
            **{key: row[key] for key in ("rank", "row", "label", "probability", "loss")},
            "wrong": row["decision"] != row["label"],
            "suspected": row["suspected_label"],
            "troubles": row["troubles"],
            "columns": {column: _short(row[column]) for column in columns},
        }
        for row in listed
    ]
    wrong = int((ranked["decision"].to_numpy() != ranked["label"].to_numpy()).sum())
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(_template())
    return template.render(
        name=name,
        tiles=[
            ("examples", f"{ranked.num_rows:,}"),
            ("wrong decisions", f"{wrong:,}"),
            ("labels suspected wrong", f"{ranked['suspected_label'].to_numpy().sum():,}"),
            ("mean loss, nats", f"{ranked['loss'].to_numpy().mean():.4f}"),
        ],
        clusters=clusters,
        num_errors=num_errors,
        examples=examples,
        shown_columns=columns[:_NUM_COLUMNS],
        trouble_names=TROUBLES if signals else (),
        analyst_columns=[*(TROUBLES if signals else ()), "wrong label", "unusual"],
        num_plots=NUM_PLOTS,
        has_signals=bool(signals),
        signals=_traces(examples, signals),
        plotly_js=_plotly_js() if signals else "",
    )


def _template() -> str:
    folder = resources.files("pipeline.components.error_analyzer")
    return (folder / "templates" / "errors.html.j2").read_text(encoding="utf-8")


def _plotly_js() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _traces(
    examples: Sequence[Mapping[str, Any]], signals: Mapping[str, SignalValues]
) -> dict[int, list[dict[str, Any]]]:
    """The lines of each plot, by rank; a missing sample is a hole in the line."""
    if not signals:
        return {}
    return {
        example["rank"]: [
            {
                "name": f"{name}, {signal.unit}" if signal.unit else name,
                "axis": f"y{place}" if place > 1 else "y",
                "time": np.round(np.arange(signal.values.shape[1]) / signal.rate_hz, 6).tolist(),
                "values": [
                    round(value, 4) if np.isfinite(value) else None
                    for value in signal.values[number].tolist()
                ],
            }
            for place, (name, signal) in enumerate(signals.items(), 1)
        ]
        for number, example in enumerate(examples[:NUM_PLOTS])
    }


def _short(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
