"""References for streams: a rolling z-score, and gradient boosting on statistics of each window.

    python -m benchmarks.streams --splits output/artifacts/ArrowExampleGen/examples/1 \
        --model-run output/artifacts/Trainer/model_run/5 \
        --evaluation output/artifacts/Evaluator/evaluation/8 --false-alarms-per-day 0.1

The run must have cross-fitting. Models, thresholds and figures are those of its folds: a window is
scored by models of the other folds, and its threshold is chosen on their scores out of fold; `test`
is scored by models of all of train and eval. So all events count, and none decides over itself.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.reference import SPLITS, read_split
from common.example_files import split_files
from measuring.events.scores import event_scores
from measuring.events.timeline import Timeline, merge_timelines
from measuring.intervals import Interval
from models.exporting.export import OUT_OF_FOLD_FILE
from models.probabilities.thresholds import choose_threshold
from models.threshold_rule import ThresholdRule
from models.timelines import read_timeline
from pipeline.components.evaluation.results import (
    Evaluation,
    read_evaluation,
    read_procedure_evaluation,
)
from pipeline.components.model_gate.figures import figure

Floats = NDArray[np.float64]
Figures = Mapping[str, tuple[float, Interval | None]]
# Fits on some windows and scores others, in [0, 1].
Scorer = Callable[["Windows", NDArray[np.bool_], NDArray[np.bool_]], Floats]

_COLUMNS = {
    "event_recall": "event recall",
    "false_alarms_per_day": "false alarms a day",
    "delay_s": "median delay, s",
    "delay_p95_s": "95 % delay, s",
}
_TEST_FOLD = -1
_HISTORY = 12  # windows before the scored one
_CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """The windows of a run.

    Attributes:
        samples: float64 `[n, samples]`; NaN where missing.
        labels: float64 `[n]` of 0 and 1.
        folds: int64 `[n]`, the number of the fold; -1 for `test`.
        timeline: Where they are in time.
    """

    samples: Floats
    labels: Floats
    folds: NDArray[np.int64]
    timeline: Timeline


def read_windows(splits: Path, model_run: Path, *, channel: str, label: str) -> Windows:
    """Reads the windows of a run with their folds.

    Args:
        splits: Folder of the Examples artifact.
        model_run: Folder of the ModelRun artifact, with the predictions out of fold.
        channel: The channel.
        label: The label column, whose positive value is 1.
    """
    predictions = pq.read_table(model_run / OUT_OF_FOLD_FILE).to_pandas()
    samples, labels, folds, timelines = [], [], [], []
    for split in SPLITS:
        columns = read_split(splits, split)
        timeline = read_timeline(*split_files(str(splits), split))
        if timeline is None:
            raise click.UsageError(f"{splits} does not hold windows of streams.")
        own = predictions[predictions["split"] == split]
        fold = np.full(len(columns[label]), _TEST_FOLD, np.int64)
        fold[own["row"].to_numpy()] = own["fold"].to_numpy()
        samples.append(columns[channel])
        labels.append(columns[label].astype(np.float64))
        folds.append(fold)
        timelines.append(timeline)
    return Windows(
        samples=np.concatenate(samples),
        labels=np.concatenate(labels),
        folds=np.concatenate(folds),
        timeline=merge_timelines(timelines),
    )


def rolling_z_score(windows: Windows, _: NDArray[np.bool_], scored: NDArray[np.bool_]) -> Floats:
    """Scores a window by its sample farthest from the mean of the windows before it.

    The distance z is in standard deviations of these windows; the score is z / (1 + z).
    """
    order = np.lexsort((windows.timeline.starts_s, windows.timeline.streams))
    streams = windows.timeline.streams[order]
    distances = np.zeros(order.size)
    for place, row in enumerate(order):
        before = order[max(place - _HISTORY, 0) : place]
        before = before[streams[max(place - _HISTORY, 0) : place] == streams[place]]
        history = windows.samples[before]
        if np.isfinite(history).sum() < 2:
            continue
        mean, spread = np.nanmean(history), np.nanstd(history)
        reach = np.nanmax(np.abs(windows.samples[row] - mean), initial=0.0)
        distances[row] = reach / max(spread, 1e-6 * abs(mean), 1e-12)
    return (distances / (1 + distances))[scored]


def window_statistics(samples: Floats) -> Floats:
    """Returns level, spread, range, trend and roughness of each window, float64 `[n, 8]`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # windows with few samples have NaNs
        steps = np.diff(samples, axis=1)
        half = samples.shape[1] // 2
        return np.column_stack(
            [
                np.nanmean(samples, axis=1),
                np.nanstd(samples, axis=1),
                np.nanmin(samples, axis=1),
                np.nanmax(samples, axis=1),
                np.nanmedian(samples, axis=1),
                np.nanmean(samples[:, half:], axis=1) - np.nanmean(samples[:, :half], axis=1),
                np.nanmean(np.abs(steps), axis=1),
                np.isnan(samples).mean(axis=1),
            ]
        )


def boosting(windows: Windows, fitted: NDArray[np.bool_], scored: NDArray[np.bool_]) -> Floats:
    """Scores by gradient boosting on the statistics of each window."""
    features = window_statistics(windows.samples)
    model = HistGradientBoostingClassifier(
        learning_rate=0.03, max_iter=200, early_stopping=False, random_state=0
    )
    model.fit(features[fitted], windows.labels[fitted])
    return np.asarray(model.predict_proba(features[scored])[:, 1], np.float64)


def decide(windows: Windows, scorer: Scorer, rule: ThresholdRule) -> NDArray[np.int8]:
    """Returns the decisions of a reference, int8 `[n]`, as cross-fitting makes them."""
    folds = np.unique(windows.folds[windows.folds != _TEST_FOLD])
    seen, scores = windows.folds != _TEST_FOLD, np.zeros(windows.labels.size)
    for fold in folds:
        own = windows.folds == fold
        scores[own] = scorer(windows, seen & ~own, own)
    scores[~seen] = scorer(windows, seen, ~seen)
    decisions = np.zeros(windows.labels.size, np.int8)
    for fold in (*folds, _TEST_FOLD):
        own = windows.folds == fold
        others = np.flatnonzero(seen & ~own)
        threshold = choose_threshold(
            rule, scores[others], windows.labels[others], None, windows.timeline.rows(others)
        )
        decisions[own] = scores[own] >= threshold
    return decisions


def figures_of(windows: Windows, decisions: NDArray[np.int8]) -> tuple[Figures, Figures]:
    """Returns the figures on all windows, and on `test`."""
    test = np.flatnonzero(windows.folds == _TEST_FOLD)
    return (
        event_scores(windows.timeline, decisions, _CONFIDENCE),
        event_scores(windows.timeline.rows(test), decisions[test], _CONFIDENCE),
    )


def own_figures(evaluation: Path) -> tuple[Figures, Figures]:
    """Returns the figures that the Evaluator wrote: of the procedure, and on `test`."""
    procedure = read_procedure_evaluation(str(evaluation))
    if procedure is None:
        raise click.UsageError(f"{evaluation} has no results out of fold; set cross_fit.")
    return _measured(procedure), _measured(read_evaluation(str(evaluation)))


def _measured(evaluation: Evaluation) -> Figures:
    intervals = evaluation.intervals[()]
    return {name: (value, intervals.get(name)) for name, value in evaluation.overall.items()}


def table(results: Mapping[str, Figures]) -> str:
    """Returns the figures as a table in Markdown, a line for each model."""
    header = ["model", "events found", *_COLUMNS.values(), "healthy days"]
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    for name, figures in results.items():
        counts = f"{figures['events_found'][0]:.0f} of {figures['num_events'][0]:.0f}"
        days = f"{figures['healthy_hours'][0] / 24:,.0f}"
        lines.append([name, counts, *(_cell(metric, figures) for metric in _COLUMNS), days])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(metric: str, figures: Figures) -> str:
    value, interval = figures[metric]
    text = figure(metric, value)
    if interval is None or not np.isfinite(interval[0]):
        return text
    upper = figure(metric, interval[1]) if np.isfinite(interval[1]) else "…"
    return f"{text} [{figure(metric, interval[0])}, {upper}]"


@click.command(help=__doc__)
@click.option("--splits", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--model-run", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--evaluation", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--channel", default="value", show_default=True)
@click.option("--label", default="label", show_default=True)
@click.option("--false-alarms-per-day", type=float, default=0.1, show_default=True)
def main(**options: Any) -> None:
    """Compares a run's model with the references on the run's own folds."""
    windows = read_windows(
        options["splits"],
        options["model_run"],
        channel=options["channel"],
        label=options["label"],
    )
    rule = ThresholdRule(kind="false_alarms_per_day", value=options["false_alarms_per_day"])
    results = {"faultline": own_figures(options["evaluation"])}
    results["rolling z-score"] = figures_of(windows, decide(windows, rolling_z_score, rule))
    results["boosting on window statistics"] = figures_of(windows, decide(windows, boosting, rule))
    results["an alarm for everything"] = figures_of(windows, np.ones(len(windows.folds), np.int8))
    for place, title in enumerate(("out of fold and on test", "on test")):
        click.echo(f"\n{title}\n\n{table({name: both[place] for name, both in results.items()})}")


if __name__ == "__main__":
    main()
