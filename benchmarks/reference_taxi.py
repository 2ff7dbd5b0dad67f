"""Reference for taxi: gradient boosting on the raw columns, on the same splits as a run's model.

python -m benchmarks.reference_taxi --splits output/artifacts/ArrowExampleGen/examples/1
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks import reference
from benchmarks.against_boosting.boosting import with_categories

LABEL = "big_tipper"
# The label was made of the tip.
LEFT_OUT = (LABEL, "tips")


def tabulate(splits: Mapping[str, Mapping[str, NDArray[Any]]]) -> dict[str, pd.DataFrame]:
    """Returns the features of each split; text becomes a category that the train split knows."""
    tables = {
        name: pd.DataFrame({key: v for key, v in columns.items() if key not in LEFT_OUT})
        for name, columns in splits.items()
    }
    return with_categories(tables)


def evaluate(splits: reference.Splits) -> dict[str, dict[str, float]]:
    """Returns the figures on the test split."""
    label = {name: columns[LABEL].astype(np.int64) for name, columns in splits.items()}
    candidates = reference.boosting_candidates(categorical_features="from_dtype")
    return {"boosting": reference.score_best(candidates, tabulate(splits), label)}


main = reference.command(evaluate, help_text="Scores gradient boosting on the test split of a run.")


if __name__ == "__main__":
    main()
