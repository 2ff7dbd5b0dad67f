"""The Markdown tables of the comparison."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.against_boosting.tables import BOOSTING, MODELS

_CONFIDENCE = 0.95


def paired_interval(differences: Sequence[float], test_share: float) -> tuple[float, float, float]:
    """Returns the mean of paired differences over random splits, and its 95 % interval.

    The splits share rows, so that their differences are dependent: the variance of the mean is
    (1 / J + test_share) s^2 for J splits whose differences have the variance s^2, and the interval
    is Student's with J - 1 degrees of freedom; infinite for one split.

    Args:
        differences: A difference for each split.
        test_share: Rows of test by rows of train.

    References:
        Nadeau & Bengio (2003), Inference for the generalization error, Machine Learning 52,
        section 3.
    """
    values = np.asarray(differences, np.float64)
    mean = float(values.mean())
    if values.size < 2:
        return mean, -np.inf, np.inf
    error = float(np.sqrt(1 / values.size + test_share) * values.std(ddof=1))
    reach = float(stats.t.ppf(0.5 + _CONFIDENCE / 2, values.size - 1)) * error
    return mean, mean - reach, mean + reach


def report(results: Sequence[Mapping[str, Any]]) -> str:
    """Returns the tables of PR-AUC, of differences from boosting, and of costs.

    Args:
        results: A mapping for each table, seed and model.
    """
    frame = pd.DataFrame(results).drop_duplicates(["table", "seed", "model"], keep="last")
    return "\n\n".join([_scores(frame), _differences(frame), _costs(frame)])


def _scores(frame: pd.DataFrame) -> str:
    means = _means(frame, "pr_auc")
    shape = frame.groupby("table")[["test_rows", "test_faults"]].mean().round().astype(int)
    seeds = frame.groupby("table")["seed"].nunique()
    rows = [
        [
            str(name),
            str(seeds[name]),
            f"{shape.test_rows[name]:,}, {shape.test_faults[name]:,}",
            *(_number(means[model].get(name), 3) for model in means),
        ]
        for name in means.index
    ]
    return _markdown(["PR-AUC", "splits", "test rows, faults", *means.columns], rows)


def _differences(frame: pd.DataFrame) -> str:
    wide = frame.pivot_table(index=["table", "seed"], columns="model", values="pr_auc")
    models = [model for model in MODELS if model in wide and model != BOOSTING]
    rows = []
    for name in wide.index.unique("table"):
        own = wide.loc[name]
        sizes = frame[frame["table"] == name]
        test_share = float((sizes["test_rows"] / sizes["train_rows"]).mean())
        cells = []
        for model in models:
            pairs = (own[model] - own[BOOSTING]).dropna()
            cells.append(_cell(*paired_interval(list(pairs), test_share)) if len(pairs) else "")
        rows.append([str(name), *cells])
    return _markdown(["PR-AUC less that of boosting", *models], rows)


def _costs(frame: pd.DataFrame) -> str:
    seconds, memory = _means(frame, "cpu_s"), _means(frame, "peak_mb")
    rows = []
    for name in seconds.index:
        cells = [
            f"{_number(seconds[model].get(name), 1)} s, {_number(memory[model].get(name), 0)} MB"
            for model in seconds
        ]
        rows.append([str(name), *cells])
    return _markdown(["training, CPU and peak memory", *seconds.columns], rows)


def _means(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    means = frame.pivot_table(index="table", columns="model", values=column)
    return means[[model for model in MODELS if model in means]]


def _cell(mean: float, low: float, high: float) -> str:
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]" if np.isfinite(low) else f"{mean:+.3f}"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.{digits}f}"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
