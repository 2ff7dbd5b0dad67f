"""The answers of a run's model on its test split, from ErrorAnalyzer's table."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pyarrow.parquet as pq

from common.errors import InputError
from common.metadata import connection_config, open_store
from measuring.intervals import proportion_interval
from pipeline.comparing.comparison import find_run
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.lineage.graph import Graph, Run, read_graph
from pipeline.lineage.runs import run_output
from pipeline.notebooks.data_figures import CLASSES

_ANALYSIS, _FILE = "ErrorAnalysis", "errors.parquet"
# What ErrorAnalyzer adds to the columns of the data.
_OWN = ("rank", "row", "label", "probability", "decision", "loss", "suspected_label", "troubles")
_CONFIDENCE, _NUM_BINS, _MAX_VALUES = 0.95, 40, 20


@dataclass(frozen=True, kw_only=True, eq=False)
class RunErrors:
    """The test examples of a run, the greatest loss first.

    Attributes:
        run_id: The run.
        use_case: Its use case.
        frame: `rank`, `row`, `label`, `probability`, `decision`, `loss` in nats,
            `suspected_label`, `troubles`, and the scalar columns of the data.
    """

    run_id: str
    use_case: str
    frame: pd.DataFrame

    @property
    def wrong(self) -> pd.DataFrame:
        """The misses and false alarms."""
        return self.frame[self.frame["label"] != self.frame["decision"]]

    @property
    def columns(self) -> list[str]:
        """The columns of the data."""
        return [name for name in self.frame.columns if name not in _OWN]

    def describe(self) -> pd.DataFrame:
        """Returns what the table holds, a line each."""
        frame = self.frame
        rows = {
            "run": self.run_id,
            "use case": self.use_case,
            "test examples": f"{len(frame):,}",
            "faulty": f"{int(frame['label'].sum()):,}",
            "wrong decisions": f"{len(self.wrong):,}",
            "suspected labels": f"{int(frame['suspected_label'].sum()):,}",
        }
        return pd.DataFrame({"": rows.values()}, index=list(rows))

    def worst(self, limit: int = 20) -> pd.DataFrame:
        """Returns the examples with the greatest loss."""
        return self.frame.head(limit).set_index("rank")


def read_errors(config: str, output: str, run: str = "") -> RunErrors:
    """Reads the errors of a run.

    Args:
        config: The use case's YAML.
        output: The output folder of the run.
        run: A run's id or a pushed version, as for `faultline lineage`; empty for the use case's
            latest run that analysed its errors.

    Raises:
        InputError: There is no such run, or its table was removed.
    """
    use_case, folder = load_config(Path(config)), Path(output).absolute()
    graph = _read_graph(use_case, folder)
    chosen = find_run(graph, run) if run else _latest(graph, use_case.name)
    analysis = run_output(graph, chosen, _ANALYSIS)
    path = None if analysis is None else Path(analysis.uri) / _FILE
    if path is None or not path.is_file():
        missing = "made no table of errors" if path is None else f"lost its table {path}"
        raise InputError(
            f"The run {chosen.id} {missing}. Choose another run (`faultline runs` lists them), or "
            "run the use case again."
        )
    return RunErrors(
        run_id=chosen.id, use_case=chosen.use_case, frame=pq.read_table(path).to_pandas()
    )


def check_runs(config: Config, output: Path) -> None:
    """Checks that an output folder has runs; those on a metadata server are not looked for.

    Raises:
        InputError: It has none.
    """
    if config.metadata.url is None and not (output / "metadata.db").exists():
        raise InputError(
            f"No runs yet: {output / 'metadata.db'} does not exist. Run `faultline run` first, or "
            "give the folder of earlier runs."
        )


def _read_graph(config: Config, output: Path) -> Graph:
    check_runs(config, output)
    connection = connection_config(config.metadata, output, os.environ)
    return read_graph(open_store(connection, must_exist=True))


def _latest(graph: Graph, name: str) -> Run:
    for run in reversed(list(graph.runs.values())):
        if run.use_case == name and run_output(graph, run, _ANALYSIS) is not None:
            return run
    raise InputError(
        f"No run of `{name}` has analysed its errors. Run `faultline run` with this config first."
    )


def thresholds(errors: RunErrors, steps: int = 9) -> pd.DataFrame:
    """Returns alarms, faults found and missed, and precision, at thresholds of the probability.

    Args:
        errors: The run's answers.
        steps: How many thresholds, from the quantiles of the faulty examples' probabilities.
    """
    labels, answers = errors.frame["label"].to_numpy(), errors.frame["probability"].to_numpy()
    faulty = answers[labels == 1]
    if not len(faulty):
        return pd.DataFrame(columns=["alarms", "found", "missed", "precision"])
    cuts = np.unique(np.quantile(faulty, np.linspace(0, 1, steps), method="inverted_cdf"))
    rows = []
    for cut in cuts:
        alarms = answers >= cut
        found = int((alarms & (labels == 1)).sum())
        row = {"alarms": int(alarms.sum()), "found": found, "missed": len(faulty) - found}
        rows.append({"threshold": cut, **row, "precision": found / int(alarms.sum())})
    return pd.DataFrame(rows).set_index("threshold")


def errors_by_column(errors: RunErrors, limit: int = 30) -> pd.DataFrame:
    """Returns the groups of all columns' values with the highest rates of errors.

    Columns whose values are all different, such as identifiers, have no groups.
    """
    frames = [
        errors_by(errors, name).rename_axis("value").assign(column=name)
        for name in errors.columns
        if errors.frame[name].map(str).nunique() < len(errors.frame)
    ]
    if not frames:
        return pd.DataFrame(columns=["column", "value", "examples", "errors", "rate"])
    frame = pd.concat([one.reset_index() for one in frames]).sort_values(
        "low", ascending=False, kind="stable"
    )
    return frame.set_index(["column", "value"]).head(limit)


def errors_by(errors: RunErrors, column: str) -> pd.DataFrame:
    """Returns examples, errors and the rate of errors by a column's values, the highest first.

    Numbers with more than 20 values are cut into quarters. The intervals take the examples as
    independent, and the highest of many rates is high by chance too.

    Raises:
        InputError: The data have no such column.
    """
    if column not in errors.columns:
        raise InputError(f"`{column}` is no column. The columns are: {', '.join(errors.columns)}.")
    values = errors.frame[column]
    if values.nunique() > _MAX_VALUES and pd.api.types.is_numeric_dtype(values):
        values = pd.qcut(values, 4, duplicates="drop").astype(str)
    wrong = errors.frame["label"] != errors.frame["decision"]
    counts = wrong.groupby(values.rename(column), dropna=False).agg(["size", "sum"])
    rows = []
    for value, (size, count) in zip(counts.index, counts.to_numpy().tolist(), strict=True):
        low, high = proportion_interval(count, size, _CONFIDENCE)
        row = {"examples": size, "errors": count, "rate": count / size, "low": low, "high": high}
        rows.append({column: value, **row})
    frame = pd.DataFrame(rows).sort_values("rate", ascending=False, kind="stable")
    return frame.head(_MAX_VALUES).set_index(column)


def plot_probabilities(errors: RunErrors) -> go.Figure:
    """Plots the model's probabilities by class; the counts have a logarithmic axis."""
    figure = go.Figure()
    edges = np.linspace(0, 1, _NUM_BINS + 1)
    for label, title, colour in CLASSES:
        chosen = errors.frame["label"] == label
        counts, _ = np.histogram(errors.frame["probability"][chosen], edges)
        x = (edges[:-1] + edges[1:]) / 2
        figure.add_trace(go.Bar(x=x, y=counts, name=title, marker_color=colour, opacity=0.6))
    figure.update_layout(barmode="overlay", height=320)
    figure.update_xaxes(title_text="probability of a fault")
    figure.update_yaxes(title_text="test examples", type="log")
    return figure
