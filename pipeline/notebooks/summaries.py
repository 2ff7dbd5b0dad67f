"""Tables of a use case's rows: classes and columns."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from measuring.association import roc_auc
from measuring.intervals import proportion_interval
from models.features import Categorical
from pipeline.components.pages.layout import unit_of, value_text
from pipeline.notebooks.data import Data

_CONFIDENCE = 0.95


def count_classes(data: Data) -> pd.DataFrame:
    """Returns rows and share of each class, with an interval of the share.

    The interval takes the rows as independent; those of one machine or recording are not.
    """
    labels = data.labels
    rows = []
    for value, name in ((0, "healthy"), (1, "faulty")):
        count = int((labels == value).sum())
        low, high = proportion_interval(count, max(len(labels), 1), _CONFIDENCE)
        share = count / len(labels) if len(labels) else math.nan
        rows.append({"class": name, "rows": count, "share": share, "low": low, "high": high})
    return pd.DataFrame(rows).set_index("class")


def summarise_columns(data: Data) -> pd.DataFrame:
    """Returns a line for each column, those that separate the classes most first.

    `separation` is the ROC-AUC of the column alone, folded to [0.5, 1]: 0.5 tells nothing, 1 tells
    everything, which is suspicious. Texts, categories and signals have none.
    """
    rows = [_summary(data, name) for name in data.table.column_names if name != data.label]
    columns = ["column", "feature", "unit", "missing", "distinct", "least", "median", "greatest"]
    frame = pd.DataFrame(rows, columns=[*columns, "separation"])
    ordered = frame.sort_values("separation", ascending=False, na_position="last", kind="stable")
    return ordered.set_index("column")


def separating_columns(data: Data, limit: int = 6) -> list[str]:
    """Returns the numeric columns that separate the classes most, the strongest first."""
    frame = summarise_columns(data)
    return frame.index[frame["separation"].notna()][:limit].tolist()


def signal_columns(data: Data) -> list[str]:
    """Returns the columns with a recording a row."""
    return [f.name for f in data.table.schema if _is_list(f.type) and f.name in data.features]


def numbers_of(column: pa.ChunkedArray) -> NDArray[np.float64] | None:
    """Returns a column's numbers, NaN where one is missing; None for texts and lists."""
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return None
    return np.asarray(column.cast(pa.float64(), safe=False).fill_null(math.nan).to_numpy())


def _summary(data: Data, name: str) -> dict[str, Any]:
    column, feature = data.table.column(name), data.feature(name)
    numbers = numbers_of(column)
    present = numbers[np.isfinite(numbers)] if numbers is not None else np.zeros(0)
    missing = column.null_count if numbers is None else len(column) - len(present)
    ordered = None if isinstance(feature, Categorical) else numbers
    row: dict[str, Any] = {
        "column": name,
        "feature": type(feature).__name__.lower() if feature else "",
        "unit": unit_of(feature),
        "missing": missing / max(len(column), 1),
        "distinct": None if _is_list(column.type) else pc.count_distinct(column).as_py(),
        "separation": None if ordered is None else _separation(ordered, data.labels == 1),
    }
    if len(present):
        ends = {"least": present.min(), "median": np.median(present), "greatest": present.max()}
        row |= {key: value_text(float(value), feature) for key, value in ends.items()}
    return row


def _separation(numbers: NDArray[np.float64], positive: NDArray[np.bool_]) -> float | None:
    known = np.isfinite(numbers)
    values, flags = numbers[known], positive[known]
    if not flags.any() or flags.all():
        return None
    area = roc_auc(values, flags)
    return max(area, 1 - area)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))
