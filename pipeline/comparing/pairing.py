"""Selection of the models and the shared test examples of two runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.digests import digest_files
from common.example_files import group_column, split_folder
from pipeline.lineage.graph import Artifact, Graph, Run
from pipeline.lineage.runs import examples_of, run_output
from pipeline.tracking.run_record import model_spec

# Folder of the SavedModel in the artifact of TFX's Trainer.
_SERVED_MODEL = "Format-Serving"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two models and the examples to compare them on.

    Attributes:
        first: SavedModel of the first run.
        second: SavedModel of the second run.
        files: The test split, gzip TFRecords.
        label: The label's column.
        options: `MeasureOptions` of the second run as plain values: confidence, costs, and the
            grouping of examples.
    """

    first: Path
    second: Path
    files: Sequence[Path]
    label: str
    options: Mapping[str, Any]


class CannotPairError(Exception):
    """Two runs cannot be compared on the same examples; the message says why."""


def find_pair(graph: Graph, first: Run, second: Run) -> Pair:
    """Returns the models and the test examples of two runs.

    Raises:
        CannotPairError: A run has no model or no examples, they were deleted, or the test splits
            differ.
    """
    models = [_served_model(graph, run) for run in (first, second)]
    splits = [_test_split(graph, run) for run in (first, second)]
    labels = [_label(run) for run in (first, second)]
    if labels[0] != labels[1]:
        raise CannotPairError(f"their labels differ: {labels[0]} and {labels[1]}")
    if splits[0] != splits[1] and _digest(splits[0]) != _digest(splits[1]):
        raise CannotPairError(
            "their test splits are different examples: the data, the split or the seed differ"
        )
    return Pair(
        first=models[0],
        second=models[1],
        files=sorted(path for path in splits[1].iterdir() if path.is_file()),
        label=labels[1],
        options=_options(second, prices=second.config.get("cost") or first.config.get("cost")),
    )


def _served_model(graph: Graph, run: Run) -> Path:
    model = run_output(graph, run, "Model")
    folder = Path(_made(run, model, "model").uri) / _SERVED_MODEL
    if not (folder / "saved_model.pb").is_file():
        raise CannotPairError(f"the model of run {run.id} is no longer in {folder}")
    return folder


def _test_split(graph: Graph, run: Run) -> Path:
    examples = examples_of(graph, run)
    folder = Path(split_folder(_made(run, examples, "examples").uri, "test"))
    if not folder.is_dir():
        raise CannotPairError(f"the test examples of run {run.id} are no longer in {folder}")
    return folder


def _made(run: Run, artifact: Artifact | None, what: str) -> Artifact:
    if artifact is None:
        raise CannotPairError(f"run {run.id} has no {what}")
    return artifact


def _label(run: Run) -> str:
    trainer = next(step for step in run.steps if step.node == "Trainer" and step.succeeded)
    return str(model_spec(trainer)["label"])


def _options(run: Run, *, prices: Any) -> dict[str, Any]:
    """Returns the measurement options of a run, with defaults for missing keys."""
    split = run.config.get("split", {})
    by_rows = split.get("eval_within_groups", False)
    group = None if by_rows else group_column(split.get("strategy"), split.get("column"))
    values = {
        "confidence": run.config.get("evaluation", {}).get("confidence"),
        "cost": prices,
        "group": group,
    }
    return {key: value for key, value in values.items() if value is not None}


def _digest(folder: Path) -> str:
    """Returns the SHA-256 of a split's files; ingestion writes equal rows as equal bytes."""
    return digest_files(map(str, folder.iterdir()), str(folder)).digest
