"""AutoGluon on the tables of one split, in an environment of its own.

    python -m venv /tmp/ag
    /tmp/ag/bin/pip install "autogluon.tabular[lightgbm,xgboost,catboost]"
    /tmp/ag/bin/python -P benchmarks/against_boosting/autogluon_fit.py FOLDER…

FOLDER is one that `python -m benchmarks.against_boosting` wrote, `TABLE/SEED`. Prints JSON, a line
for each folder. This file imports nothing of Faultline.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import pandas as pd
from autogluon.tabular import TabularPredictor
from sklearn.metrics import average_precision_score

LABEL_COLUMN = "label_of_the_split"


def cpu_seconds() -> float:
    """Returns the CPU seconds of this process and of those that it has started and awaited."""
    usages = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure(folder: Path, *, preset: str, limit_s: float, cores: int) -> dict[str, object]:
    """Trains on `train` and returns the PR-AUC on `test`, time, and bytes on disk.

    Args:
        folder: Has train.parquet and test.parquet.
        preset: AutoGluon's preset.
        limit_s: Time limit of the training.
        cores: Cores that it may use.
    """
    train, test = (pd.read_parquet(folder / f"{split}.parquet") for split in ("train", "test"))
    with tempfile.TemporaryDirectory() as models:
        wall, cpu = time.perf_counter(), cpu_seconds()
        predictor = TabularPredictor(
            label=LABEL_COLUMN,
            problem_type="binary",
            eval_metric="average_precision",
            path=f"{models}/all",
            verbosity=0,
        ).fit(train, presets=preset, time_limit=limit_s, num_cpus=cores, num_gpus=0)
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
        scores = predictor.predict_proba(test.drop(columns=LABEL_COLUMN))[1]
        deployed = predictor.clone_for_deployment(f"{models}/best", return_clone=True)
        return {
            "table": folder.parent.name,
            "seed": int(folder.name),
            "model": "autogluon",
            "pr_auc": float(average_precision_score(test[LABEL_COLUMN], scores)),
            "wall_s": wall,
            "cpu_s": cpu,
            "bytes": predictor.disk_usage(),
            "deployed_bytes": deployed.disk_usage(),
            "chosen": predictor.model_best,
            "tried": predictor.model_names(),
        }


def main() -> None:
    """Prints a line for each folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--preset", default="medium_quality")
    parser.add_argument("--limit-s", default=120.0, type=float)
    parser.add_argument("--cores", default=1, type=int)
    options = parser.parse_args()
    for folder in options.folders:
        line = measure(
            folder.resolve(), preset=options.preset, limit_s=options.limit_s, cores=options.cores
        )
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
