"""The signals use case judged on fresh recordings: `auto`, and trees on train and eval.

Each seed simulates a data set of the default size, splits it and trains as `faultline run` does.
The models are asked about further recordings of the same magnets, which nothing was chosen on:

    python -m benchmarks.fresh_signals --seeds 5

Prints a line of JSON for each seed, and a table at the end. A second call goes on where the first
ended.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML
from sklearn.metrics import average_precision_score

from benchmarks.against_boosting.splits import Prepared, prepare
from benchmarks.sampling_study import simulate
from models.exporting.scorers import Scorer
from models.inputs.transform_graph import TransformGraph, raw_from_serving
from models.training.cross_fitting.fitting import cross_fit
from models.training.data import make_transform, read_eval, read_train
from models.training.fitting import ModelData, Trained, train_model
from models.training.trainer import reproducible
from models.trees.inputs import TreeInputs
from pipeline.config_loading import load_config

CONFIG = Path(__file__).resolve().parent.parent / "configs" / "signals.yaml"
_FOLDS = 5
Raw = Mapping[str, Any]
Labels = NDArray[np.int64]
Fresh = Sequence[tuple[Raw, Labels]]


def write_config(folder: Path, seed: int) -> Path:
    """Writes the use case with another data set, and returns its path."""
    document = YAML().load(CONFIG)
    document["data"]["options"]["seed"] = seed
    document["schema"] = str((CONFIG.parent / document["schema"]).resolve())
    folder.mkdir(parents=True, exist_ok=True)
    YAML().dump(document, folder / CONFIG.name)
    return folder / CONFIG.name


def with_eval(prepared: Prepared) -> ModelData:
    """Returns what the cross-fitted trees are trained on: train and eval."""
    train = replace(prepared.spec.train, model="trees", augmentation={})
    spec = replace(prepared.spec, train=train, cross_fit=_FOLDS)
    graph = TransformGraph(prepared.graph, spec)
    inputs = TreeInputs(spec.features, graph.vocabulary)
    transform = make_transform(graph, trees=inputs, network=False, folds=spec.folds)
    files = [*prepared.files("train"), *prepared.files("eval")]
    return ModelData(
        graph=graph,
        spec=spec,
        train=read_train(files, transform, graph, spec),
        evaluation=read_eval(prepared.files("eval"), transform, spec),
        tree_inputs=inputs,
    )


def score(graph: TransformGraph, scorer: Scorer, fresh: Fresh) -> float:
    """Returns the PR-AUC of a model on fresh recordings."""
    import tensorflow as tf

    @tf.function(autograph=False, reduce_retracing=True)
    def predict(raw: Raw) -> tf.Tensor:
        return scorer.in_graph(graph(raw_from_serving(raw, graph.raw_spec)))[:, 0]

    logits = [predict({name: raw[name] for name in graph.raw_spec}).numpy() for raw, _ in fresh]
    labels = np.concatenate([labels for _, labels in fresh])
    return float(average_precision_score(labels, np.concatenate(logits)))


def measure(folder: Path, seed: int, spans: int) -> Iterator[dict[str, Any]]:
    """Yields the figures of each model on the data set of a seed."""
    config_path = write_config(folder, seed)
    prepared = prepare(config_path, folder, seed)
    fresh = list(simulate(load_config(config_path), spans))
    trainings = {
        "auto, 75 %": (prepared.model_data("auto"), train_model),
        "trees, cross-fitted, 90 %": (with_eval(prepared), lambda *given: cross_fit(*given)[0]),
    }
    for name, (data, train) in trainings.items():
        started = time.process_time()
        with reproducible(seed):
            trained: Trained = train(data, folder / "log")
        yield {
            "seed": seed,
            "model": name,
            "cpu_s": time.process_time() - started,
            "pr_auc": score(data.graph, trained.scorer, fresh),
            "faults": int(sum(labels.sum() for _, labels in fresh)),
            "chosen": trained.facts["model"],
            "log_loss": trained.facts.get("choice", {}).get("log_loss"),
        }


def report(results: Sequence[Mapping[str, Any]]) -> str:
    """Returns a Markdown table: PR-AUC by seed, its mean, and CPU seconds of the training."""
    seeds = sorted({row["seed"] for row in results})
    lines = [
        "| model | " + " | ".join(f"seed {seed}" for seed in seeds) + " | mean | CPU |",
        "|---" * (len(seeds) + 3) + "|",
    ]
    for model in dict.fromkeys(row["model"] for row in results):
        own = {row["seed"]: row for row in results if row["model"] == model}
        cells = [f"{own[s]['pr_auc']:.3f} ({own[s]['chosen']})" if s in own else "" for s in seeds]
        mean = np.mean([row["pr_auc"] for row in own.values()])
        seconds = np.mean([row["cpu_s"] for row in own.values()])
        lines.append(f"| {model} | {' | '.join(cells)} | {mean:.3f} | {seconds:.0f} s |")
    return "\n".join(lines)


@click.command(context_settings={"show_default": True})
@click.option("--folder", default="output/fresh_signals", type=click.Path(path_type=Path))
@click.option("--seeds", default=5, help="Data sets to simulate and train on.")
@click.option("--spans", default=3, help="Fresh spans of 3,242 recordings, 112 of them faulty.")
def main(folder: Path, seeds: int, spans: int) -> None:
    """Prints the PR-AUC on fresh recordings of models of SEEDS data sets."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    results = folder.resolve() / "results.jsonl"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.touch()
    done = [json.loads(line) for line in results.read_text("utf-8").splitlines()]
    for seed in set(range(seeds)) - {row["seed"] for row in done}:
        rows = list(measure(folder.resolve() / str(seed), seed, spans))
        with results.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        done += rows
        click.echo(json.dumps(rows))
    click.echo(report(done))


if __name__ == "__main__":
    main()
