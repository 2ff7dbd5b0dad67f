"""Every model on splits of tables, in this process.

    python -m benchmarks.against_boosting.one_split JOB…

JOB is a `Job` as JSON. Its folder gets the output of the run up to Transform and the columns of
train and test as Parquet, its results file a line for each model. A job that fails does not keep
the others from running; the exit code is then 1.
"""

import gc
import json
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from sklearn.metrics import average_precision_score

from benchmarks.against_boosting.boosting import fit_boosting, with_categories
from benchmarks.against_boosting.splits import Floats, Labels, Prepared, prepare
from benchmarks.against_boosting.tables import BOOSTING, LABEL_COLUMN
from models.train_options import Kind
from models.training.choice import train_folds
from models.training.fitting import train_model
from models.training.trainer import reproducible


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to measure on one split.

    Attributes:
        config: Path of the config.
        seed: Seed of the split and of the models.
        folder: Folder for output.
        results: File that gets a line for each model.
        models: The models, some of `tables.MODELS`.
        max_epochs: Largest number of epochs of the network; None: that of the config.
        candidates: Options that boosting is tuned over.
    """

    config: str
    seed: int
    folder: str
    results: str
    models: Sequence[str]
    max_epochs: int | None
    candidates: int


@dataclass(frozen=True)
class Fitted:
    """A model's scores of the test split.

    Attributes:
        scores: `[n]`, higher for a fault.
        labels: 0 or 1, `[n]`.
        num_train: Rows of the train split.
        facts: What was chosen.
    """

    scores: Floats
    labels: Labels
    num_train: int
    facts: dict[str, Any]


def measure(prepared: Prepared, model: str, job: Job) -> dict[str, Any]:
    """Trains a model and returns its PR-AUC on test with what its training cost."""
    if model == BOOSTING:
        train, score = _boosting(prepared, job)
    else:
        train, score = _faultline(prepared, cast(Kind, model), job)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
    wall, cpu = time.perf_counter(), time.process_time()
    trained = train()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = _peak_mb()
    fitted = score(trained)
    return {
        "pr_auc": float(average_precision_score(fitted.labels, fitted.scores)),
        "train_rows": fitted.num_train,
        "test_rows": fitted.labels.size,
        "test_faults": int(fitted.labels.sum()),
        "cpu_s": cpu,
        "wall_s": wall,
        "peak_mb": peak,
        **fitted.facts,
    }


def _faultline(
    prepared: Prepared, kind: Kind, job: Job
) -> tuple[Callable[[], Any], Callable[[Any], Fitted]]:
    data = prepared.model_data(kind)
    if job.max_epochs is not None:
        options = data.spec.train
        options = replace(options, epochs=min(options.epochs, job.max_epochs))
        data = replace(data, spec=replace(data.spec, train=options))

    def train() -> Any:
        with reproducible(data.spec.seed):
            return train_model(data, Path(job.folder) / "log" / kind)

    def score(trained: Any) -> Fitted:
        logits, labels = prepared.test_logits(data.graph, trained.scorer)
        facts = {key: trained.facts[key] for key in ("rounds", "choice") if key in trained.facts}
        facts["chosen"] = trained.facts["model"]
        return Fitted(logits, labels, data.train.labels.size, facts)

    return train, score


def _boosting(prepared: Prepared, job: Job) -> tuple[Callable[[], Any], Callable[[Any], Fitted]]:
    data = prepared.model_data("trees")
    tables = with_categories(prepared.tables())
    labels = data.train.labels.astype(int)
    folds = train_folds(data.train, data.spec)

    def train() -> Any:
        return fit_boosting(
            tables["train"], labels, folds, seed=job.seed, candidates=job.candidates
        )

    def score(trained: Any) -> Fitted:
        scores = trained.predict_proba(tables["test"])[:, 1]
        return Fitted(
            scores,
            prepared.labels("test"),
            labels.size,
            {"chosen": trained.best_params_, "fit_s": trained.refit_time_},
        )

    return train, score


def write_tables(prepared: Prepared, folder: Path) -> None:
    """Writes the columns that boosting gets, and the labels, for programs in other environments."""
    for split, table in prepared.tables().items():
        labelled = table.assign(**{LABEL_COLUMN: prepared.labels(split)})
        labelled.to_parquet(folder / f"{split}.parquet", index=False)


def _peak_mb() -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no VmHWM; the benchmark needs Linux.")


def run(job: Job) -> None:
    """Prepares the split of a job, and measures its models."""
    prepared = prepare(Path(job.config), Path(job.folder), job.seed)
    write_tables(prepared, Path(job.folder))
    for model in job.models:
        line = {"table": Path(job.config).stem, "seed": job.seed, "model": model}
        line |= measure(prepared, model, job)
        with Path(job.results).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def main() -> None:
    """Runs the jobs."""
    has_failed = False
    for text in sys.argv[1:]:
        job = Job(**json.loads(text))
        try:
            run(job)
        except Exception:  # noqa: BLE001 - the other tables are measured; the exit code tells
            has_failed = True
            print(f"{job.folder} failed:", file=sys.stderr)
            traceback.print_exc()
    sys.exit(int(has_failed))


if __name__ == "__main__":
    main()
