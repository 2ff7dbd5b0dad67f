"""Finds the training data of a served version through ML Metadata, and keeps what is needed."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pydantic import ValidationError

from common.example_files import split_files
from common.output_folder import OutputFolder
from models.model_spec import ModelSpec
from pipeline.config import SHADOW_SUFFIX, Config
from pipeline.production_options.collection import redacted
from production.monitoring.chunks.repeats import find_repeats, row_hashes
from production.monitoring.reference.reference import (
    HeldOut,
    MissingReferenceError,
    Reference,
)
from production.monitoring.reference.stored import (
    ReferenceFiles,
    read_reference,
    save_reference,
)
from production.monitoring.report import Figure
from serving.inference.model_facts import read_local_facts

# Values of the sample: 1,000,000 rows of 20 features, 160 MB.
MOST_VALUES = 20_000_000
_ERRORS_FILE = "errors.parquet"


def say_nothing(_: str) -> None:
    """Drops a line about progress."""


def load_reference(
    config: Config,
    folder: OutputFolder,
    model: str,
    version: int,
    *,
    say: Callable[[str], None] = say_nothing,
) -> Reference:
    """Returns the reference of a served version.

    It is made once, from the artifacts of the run that trained the version, and kept in the
    monitor's folder as `reference-VERSION.*`.

    Args:
        config: The use case.
        folder: The output folder.
        model: Name of the served model.
        version: The version.
        say: Prints a line about progress.

    Raises:
        MissingReferenceError: ML Metadata does not know the version, or its run's artifacts are
            gone.
    """
    files = ReferenceFiles(folder=folder.monitoring(model), version=version)
    reference = read_reference(files)
    if reference is None:
        say(f"Building the reference of version {version} from its training data.")
        reference = _make_reference(config, folder, model, version)
        save_reference(files, reference)
    return reference


@dataclass(frozen=True, kw_only=True)
class _Sources:
    """Where the reference comes from.

    Attributes:
        run: The run that trained the version.
        spec: Specification of the model.
        train: Files of the train split.
        errors: Answers to the test split.
        model: Folder of the pushed version.
        judged: What the gate noted.
    """

    run: str
    spec: ModelSpec
    train: list[str]
    errors: Path
    model: Path
    judged: Mapping[str, Any]


def _make_reference(config: Config, folder: OutputFolder, model: str, version: int) -> Reference:
    from production.monitoring.reference.training_rows import sample_training_rows

    sources = _find_sources(config, folder, model, version)
    skip = redacted(config.collection)
    rows = sample_training_rows(sources.train, sources.spec, most_values=MOST_VALUES, skip=skip)
    return Reference(
        model=model,
        version=version,
        run=sources.run,
        features=sources.spec.features,
        num_train=rows.num_rows,
        num_faults=rows.num_faults,
        columns=rows.columns,
        recordings=rows.groups,
        num_repeated=int(find_repeats(row_hashes(rows.columns)).sum()),
        held_out=_held_out(sources.errors),
        threshold=read_local_facts(sources.model).threshold,
        measured=measured_figures(sources.judged),
        confidence=float(sources.judged.get("confidence", 0.95)),
    )


def _find_sources(config: Config, folder: OutputFolder, model: str, version: int) -> _Sources:
    from common.metadata import connection_config, open_store
    from pipeline.lineage.graph import read_graph
    from pipeline.lineage.references import pushed_versions
    from pipeline.lineage.runs import examples_of, run_output
    from pipeline.tracking.run_record import model_spec

    connection = connection_config(config.metadata, folder.root, os.environ)
    graph = read_graph(open_store(connection, must_exist=True))
    pushes = {(one.name, one.version): one for one in pushed_versions(graph)}
    names = (model, f"{model}{SHADOW_SUFFIX}")
    push = next((p for name in names if (p := pushes.get((name, str(version))))), None)
    step = graph.producer(push.artifact.id) if push else None
    if push is None or step is None:
        raise MissingReferenceError(
            f"ML Metadata knows no version {version} of {model}, so that the monitor has nothing "
            "to compare its requests with. Give the output folder of the run that pushed it with "
            "--output."
        )
    run = graph.runs[step.run_id]
    examples, errors = examples_of(graph, run), run_output(graph, run, "ErrorAnalysis")
    train = split_files(examples.uri, "train") if examples else []
    path = Path(errors.uri) / _ERRORS_FILE if errors else Path()
    trainer = next((s for s in run.steps if s.node == "Trainer" and s.succeeded), None)
    if not train or not path.is_file() or trainer is None:
        raise MissingReferenceError(
            f"The training data or the test answers of {model}/{version} are gone: run {run.id} "
            "made them. Train and push a new version, or restore the artifacts."
        )
    blessing = run_output(graph, run, "ModelBlessing")
    return _Sources(
        run=run.id,
        spec=_spec(model_spec(trainer), run.id),
        train=train,
        errors=path,
        model=push.path,
        judged=blessing.properties if blessing else {},
    )


def _spec(recorded: Mapping[str, Any], run_id: str) -> ModelSpec:
    try:
        return ModelSpec.from_json(json.dumps(recorded))
    except ValidationError as error:
        raise MissingReferenceError(
            f"The model of run {run_id} was trained by another release of Faultline, whose options "
            "this one does not know. Train and push a new version."
        ) from error


def _held_out(errors: Path) -> HeldOut:
    table = pq.ParquetFile(errors).read(columns=["row", "probability", "decision", "label"])
    table = table.sort_by("row")
    return HeldOut(
        probabilities=np.asarray(table["probability"].to_numpy(), np.float64),
        decisions=np.asarray(table["decision"].to_numpy(), np.int64),
        labels=np.asarray(table["label"].to_numpy(), np.int64),
    )


def measured_figures(judged: Mapping[str, Any]) -> dict[str, Figure]:
    """Returns metrics with their intervals.

    Args:
        judged: Properties of the gate's artifact: `metrics` and `intervals`.
    """
    metrics, intervals = judged.get("metrics") or {}, judged.get("intervals") or {}
    return {
        name: (float(value), *(intervals.get(name) or (None, None)))
        for name, value in metrics.items()
        if isinstance(value, int | float)
    }
