"""Reference for signals: linear model and gradient boosting on summary statistics.

They see the same three splits as a run's own model, and the same context:

    python -m benchmarks.reference_signals --splits output/artifacts/ArrowExampleGen/examples/1
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from benchmarks import reference
from benchmarks.signal_statistics import summarise

LABEL = "is_faulty"
CONTEXT = ("charging_voltage_v", "temperature_k", "sampling_rate_hz")
VERSION = "software_version"


def tabulate(columns: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """Returns summary statistics and context of each recording, a column each."""
    rate_hz = columns["sampling_rate_hz"].astype(float)
    voltage, current = (columns[name].astype(float) for name in ("voltage", "current"))
    context = {name: columns[name].astype(float) for name in CONTEXT}
    table = pd.DataFrame(summarise(voltage, current, rate_hz) | context)
    return table.assign(**{VERSION: columns[VERSION]})


def linear_candidates() -> list[reference.Classifier]:
    """Returns logistic regression in a few strengths, with and without class weights."""
    number = make_pipeline(SimpleImputer(), StandardScaler())
    return [
        make_pipeline(
            ColumnTransformer(
                [("version", OneHotEncoder(handle_unknown="ignore"), [VERSION])], remainder=number
            ),
            LogisticRegression(C=strength, class_weight=weight, solver="newton-cholesky"),
        )
        for strength in (0.1, 1.0, 10.0)
        for weight in (None, "balanced")
    ]


def boosting_candidates() -> list[reference.Classifier]:
    """Returns gradient boosting, the firmware as a category."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    text = make_column_selector(dtype_include=object)
    return [
        make_pipeline(
            ColumnTransformer([("version", codes, text)], remainder="passthrough"), booster
        )
        for booster in reference.boosting_candidates(categorical_features=[0])
    ]


def evaluate(splits: reference.Splits) -> dict[str, dict[str, float]]:
    """Returns the figures on the test split of both models, by model."""
    features = {name: tabulate(columns) for name, columns in splits.items()}
    label = {name: columns[LABEL].astype(np.int64) for name, columns in splits.items()}
    return {
        "linear": reference.score_best(linear_candidates(), features, label),
        "boosting": reference.score_best(boosting_candidates(), features, label),
    }


main = reference.command(
    evaluate, help_text="Scores models on summary statistics on the test split of a run."
)


if __name__ == "__main__":
    main()
