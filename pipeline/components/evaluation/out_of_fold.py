"""Evaluation of a procedure: predictions of train and eval out of fold, together with test."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray
from tensorflow_model_analysis.proto import config_pb2

from common.example_files import read_examples, split_files
from measuring.answers import Answers, make_answers, merge_answers
from models.exporting.export import OUT_OF_FOLD_FILE
from models.timelines import timeline_of
from pipeline.components.evaluation.eval_config import CANDIDATE
from pipeline.components.evaluation.measurement import MeasureOptions
from pipeline.components.evaluation.results import OUT_OF_FOLD_FOLDER
from pipeline.components.evaluation.slices import (
    SliceKey,
    SliceOptions,
    group_ids,
    rows_of_slices,
)
from pipeline.components.evaluation.tfma_files import write_config, write_metrics
from pipeline.components.recording_troubles.finding import (
    Recorded,
    UsualLevels,
    find_troubles,
    measure_levels,
    recorded_features,
    usual_levels,
)

_SPLITS = ("train", "eval")

Ints = NDArray[np.int64]


def predictions_file(model_run: str | None) -> Path | None:
    """Returns the file of the predictions out of fold; None without cross-fitting.

    Args:
        model_run: Folder of the ModelRun artifact, if there is one.
    """
    path = None if model_run is None else Path(model_run) / OUT_OF_FOLD_FILE
    return path if path is not None and path.exists() else None


def write_procedure(
    folder: str,
    on_test: Mapping[SliceKey, Answers],
    out_of_fold: Mapping[SliceKey, Answers],
    config: config_pb2.EvalConfig,
    options: MeasureOptions,
) -> None:
    """Writes the metrics of the candidate's procedure in TFMA's format.

    Args:
        folder: The folder of the ModelEvaluation artifact.
        on_test: The models' answers on test, by slice.
        out_of_fold: The answers on train and eval, by slice.
        config: The configuration of the evaluation of test.
        options: Confidence of intervals and prices of decisions.
    """
    parts = {key: [_candidate(answers)] for key, answers in on_test.items()}
    for key, answers in out_of_fold.items():
        parts.setdefault(key, []).append(answers)
    target = f"{folder}/{OUT_OF_FOLD_FOLDER}"
    write_metrics(target, {key: merge_answers(own) for key, own in parts.items()}, options)
    alone = config_pb2.EvalConfig()
    alone.CopyFrom(config)
    kept = [spec for spec in config.model_specs if spec.name in {"", CANDIDATE}]
    del alone.model_specs[:]
    for spec in kept:
        added = alone.model_specs.add()
        added.CopyFrom(spec)
        added.name = ""
    alone = tfma.utils.update_eval_config_with_defaults(
        alone, has_baseline=False, rubber_stamp=True
    )
    write_config(target, alone, examples="", models={"": ""})


def _candidate(answers: Answers) -> Answers:
    name = CANDIDATE if CANDIDATE in answers.models else ""
    return make_answers(answers.labels, {"": answers.of(name)}, answers.groups, answers.timeline)


def answers_out_of_fold(
    predictions: Path, examples: str, label: str, slices: SliceOptions, group: str | None
) -> dict[SliceKey, Answers]:
    """Returns the answers on train and eval out of fold, by slice.

    Args:
        predictions: What `predictions_file` returned.
        examples: Folder of the examples.
        label: The label column.
        slices: The slices.
        group: Column whose equal values are not independent examples, or None.

    Raises:
        ValueError: The predictions are of other examples.
    """
    table = pq.read_table(predictions)
    recorded = recorded_features(slices.recorded)
    usual = _usual(examples, recorded)
    parts: dict[SliceKey, list[Answers]] = {}
    for split in _SPLITS:
        own = table.filter(np.equal(table["split"].to_numpy(zero_copy_only=False), split))
        start = 0
        for _, batch in read_examples(*split_files(examples, split), with_block=True):
            rows, taken = _predicted(own["row"].to_numpy(), start, batch.num_rows)
            start += batch.num_rows
            answers = _answers(own.take(taken))
            labels = np.asarray(batch.column(label).flatten())[rows]
            if not np.array_equal(labels, answers.labels):
                raise ValueError(f"{predictions} has predictions of other examples than {examples}")
            if group is not None:
                answers = replace(answers, groups=group_ids(batch, group)[rows])
            timeline = timeline_of(batch)
            if timeline is not None:
                answers = replace(answers, timeline=timeline.rows(rows))
            troubles = find_troubles(pa.Table.from_batches([batch]), recorded, usual)
            for key, chosen in rows_of_slices(batch, slices.slices, troubles).items():
                inside = np.flatnonzero(np.isin(rows, chosen))
                if inside.size:
                    parts.setdefault(key, []).append(answers.rows(inside))
    return {key: merge_answers(own) for key, own in parts.items()}


def _predicted(rows: Ints, start: int, size: int) -> tuple[Ints, Ints]:
    """The rows of a batch that a fold predicts, and their places in the table."""
    taken = np.flatnonzero((rows >= start) & (rows < start + size))
    taken = taken[np.argsort(rows[taken], kind="stable")]
    return rows[taken] - start, taken


def _answers(table: pa.Table) -> Answers:
    columns = {name: table[name].to_numpy() for name in ("label", "probability", "decision")}
    return make_answers(columns["label"], {"": (columns["probability"], columns["decision"])})


def _usual(examples: str, recorded: Mapping[str, Recorded]) -> UsualLevels | None:
    """Usual values of the recordings; nothing without recordings."""
    if not recorded:
        return None
    files = [file for split in _SPLITS for file in split_files(examples, split)]
    parts = (
        measure_levels(pa.Table.from_batches([batch]), recorded)
        for _, batch in read_examples(*files)
    )
    return usual_levels(parts, recorded)
