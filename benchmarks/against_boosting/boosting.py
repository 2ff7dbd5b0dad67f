"""scikit-learn's boosting, tuned by cross-validation on the folds of the train split."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import RandomizedSearchCV
from sklearn.preprocessing import OrdinalEncoder

from models.folds import Fold

GRID: Mapping[str, Sequence[float]] = {
    "learning_rate": (0.03, 0.1),
    "max_leaf_nodes": (7, 31),
    "min_samples_leaf": (5, 20),
    "l2_regularization": (0.0, 1.0),
}
# scikit-learn's boosting takes at most 255 categories, missing included.
_MAX_CATEGORIES = 254
_MAX_ITERATIONS = 200


def with_categories(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Returns tables whose text is a category that the train split knows, else missing."""
    text = list(tables["train"].select_dtypes(object).columns)
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=_MAX_CATEGORIES
    ).fit(tables["train"][text])
    return {
        name: table.drop(columns=text).join(
            pd.DataFrame(encoder.transform(table[text]), columns=text).astype("category")
        )
        for name, table in tables.items()
    }


def fit_boosting(
    train: pd.DataFrame,
    labels: NDArray[np.int64],
    folds: Sequence[Fold],
    *,
    seed: int,
    candidates: int,
) -> Any:
    """Returns boosting with the options of the highest PR-AUC out of fold, trained on all of train.

    Args:
        train: The features, with categories.
        labels: 0 or 1, `[n]`.
        folds: Folds of the train split.
        seed: Seed of scikit-learn.
        candidates: Points of `GRID` to try, drawn at random; all 16 or fewer.
    """
    model = HistGradientBoostingClassifier(
        max_iter=_MAX_ITERATIONS,
        early_stopping=False,
        categorical_features="from_dtype",
        random_state=seed,
    )
    search = RandomizedSearchCV(
        model,
        {name: list(values) for name, values in GRID.items()},
        n_iter=candidates,
        scoring="average_precision",
        cv=[(fold.train, fold.held_out) for fold in folds],
        random_state=seed,
    )
    return search.fit(train, labels)
