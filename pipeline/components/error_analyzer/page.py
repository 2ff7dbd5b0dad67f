"""The page of ErrorAnalyzer: one HTML file that needs no network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common.example_files import BLOCK_COLUMN
from models.features import FeatureTable
from pipeline.components.error_analyzer.analysis import CommonFactor
from pipeline.components.pages.layout import render, seconds, titled, value_text, with_unit
from pipeline.components.recording_troubles.finding import recorded_features, troubles_of

NUM_PLOTS = 50
_NUM_LISTED = 300
_NUM_COLUMNS = 8


@dataclass(frozen=True)
class SignalValues:
    """One signal of the worst examples.

    Attributes:
        values: float64 `[k, samples]`, in the order of rank; NaN where a sample is missing.
        rate_hz: float64 `[k]`, samples a second of each recording.
        unit: Unit of the values, or "".
    """

    values: NDArray[np.float64]
    rate_hz: NDArray[np.float64]
    unit: str


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the errors have in common.

    Attributes:
        causes: Shared causes, each with the YAML by which the gate watches it.
        hard: Common factors of errors, each with its YAML.
        num_errors: Examples that count as errors.
        expected_suspected: Labels that would be suspected if all were right.
        group: What dependent examples have in common, such as a column; empty without any.
    """

    causes: Sequence[tuple[CommonFactor, str]]
    hard: Sequence[tuple[CommonFactor, str]]
    num_errors: int
    expected_suspected: float
    group: str = ""


def render_page(
    name: str,
    ranked: pa.Table,
    findings: Findings,
    signals: Mapping[str, SignalValues],
    *,
    pictures: Sequence[Mapping[str, Sequence[str]]] = (),
    features: FeatureTable,
) -> str:
    """Returns the HTML.

    Args:
        name: The use case.
        ranked: What `rank_errors` returned.
        findings: What the errors have in common.
        signals: The signals of the worst examples, by name.
        pictures: Of each of the worst examples in the order of rank, the sources of the images of
            each column with pictures.
        features: The features table, for units and times.
    """
    trouble_names = troubles_of(recorded_features(features))
    listed = ranked.slice(0, _NUM_LISTED).to_pylist()
    own = {"rank", "row", "label", "probability", "decision", "loss", "suspected_label", "troubles"}
    own.add(BLOCK_COLUMN)
    columns = [column for column in ranked.column_names if column not in own]
    examples = [
        {
            **{key: row[key] for key in ("rank", "row", "label", "probability", "loss")},
            "wrong": row["decision"] != row["label"],
            "suspected": row["suspected_label"],
            "troubles": row["troubles"],
            "columns": {
                column: value_text(row[column], features.get(column)) for column in columns
            },
        }
        for row in listed
    ]
    wrong = int((ranked["decision"].to_numpy() != ranked["label"].to_numpy()).sum())
    return render(
        "pipeline.components.error_analyzer",
        "errors.html.j2",
        name=name,
        tiles=[
            ("examples", f"{ranked.num_rows:,}"),
            ("wrong decisions", f"{wrong:,}"),
            ("labels suspected wrong", f"{ranked['suspected_label'].to_numpy().sum():,}"),
            ("of them expected if all are right", f"{findings.expected_suspected:,.1f}"),
            ("mean loss, nats", f"{ranked['loss'].to_numpy().mean():.4f}"),
        ],
        findings=findings,
        examples=examples,
        shown_columns={c: titled(c, features.get(c)) for c in columns[:_NUM_COLUMNS]},
        trouble_names=trouble_names,
        analyst_columns=[*trouble_names, "wrong label", "unusual"],
        num_plots=NUM_PLOTS,
        has_signals=bool(signals),
        signals=_traces(examples, signals),
        pictures=list(zip(examples, pictures, strict=False)) if any(pictures) else [],
        plots=bool(signals),
    )


def _traces(
    examples: Sequence[Mapping[str, Any]], signals: Mapping[str, SignalValues]
) -> dict[int, list[dict[str, Any]]]:
    """The lines of each plot, by rank; a missing sample is a hole in the line."""
    if not signals:
        return {}
    return {
        example["rank"]: [
            {
                "name": with_unit(name, signal.unit),
                "axis": f"y{place}" if place > 1 else "y",
                "time": seconds(signal.values.shape[1], signal.rate_hz[number]),
                "values": [
                    round(value, 4) if np.isfinite(value) else None
                    for value in signal.values[number].tolist()
                ],
            }
            for place, (name, signal) in enumerate(signals.items(), 1)
        ]
        for number, example in enumerate(examples[:NUM_PLOTS])
    }
