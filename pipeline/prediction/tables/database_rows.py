"""The rows of a database that are predicted into a file."""

import os
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from common.errors import InputError
from pipeline.components.pusher.signing import trusted_model
from pipeline.config import Config
from pipeline.prediction.by_server import find_local_model
from pipeline.prediction.contract import reading_spec
from pipeline.prediction.files.raw_recordings import are_rows
from pipeline.prediction.options import PredictOptions, PredictSummary
from pipeline.prediction.tables.ids import check_ids
from pipeline.prediction.tables.left_out import name_rows, source_words
from pipeline.prediction.tables.source import (
    DatabaseSource,
    ReadFacts,
    check_source,
    read_ids,
    read_source,
)
from pipeline.reading.ingest_spec import IngestSpec

Predict = Callable[[PredictOptions, Config], PredictSummary]


def predict_database_rows(
    options: PredictOptions, config: Config, source: DatabaseSource, predict: Predict
) -> PredictSummary:
    """Reads the rows in one snapshot into a temporary folder, and predicts them into a file.

    Args:
        options: The command line.
        config: The use case.
        source: The table or query.
        predict: Predicts files.

    Raises:
        InputError: As `predict`, or the database cannot be read.
    """
    check_source(source, options.table, os.environ)
    with tempfile.TemporaryDirectory(prefix="faultline-") as target:
        folder = Path(target)
        facts = read_rows(source, folder, config, options)
        return predict_files(options, config, source, folder, facts, predict)


def read_rows(
    source: DatabaseSource, folder: Path, config: Config, options: PredictOptions
) -> ReadFacts:
    """Reads a database's rows into an empty folder, and checks their ids.

    Raises:
        InputError: The query fails or has no rows; ids are missing or occur twice; or the model's
            rows are assembled from raw recordings.
    """
    version = find_local_model(options, options.model or config.name)
    with trusted_model(version, config) if version else nullcontext() as model:
        spec = reading_spec(config, model)
    lists = dict.fromkeys((*spec.signals, *(config.data.sql.lists if config.data.sql else ())))
    facts = read_source(source, folder, tuple(lists), os.environ)
    _check_rows(folder, spec, source)
    ids = read_ids(sorted(folder.glob("*.parquet")), source.id_column)
    check_ids(ids, id_column=source.id_column, source=source.name)
    return facts


def predict_files(
    options: PredictOptions,
    config: Config,
    source: DatabaseSource,
    folder: Path,
    facts: ReadFacts,
    predict: Predict,
) -> PredictSummary:
    """Predicts the rows in a folder; errors and left-out rows are named as in the database."""
    with source_words(folder, source):
        summary = predict(replace(options, data=str(folder)), config)
    summary.notes.insert(0, f"rows of {source.name} as of {facts.taken_at:%Y-%m-%d %H:%M:%S} UTC")
    if facts.note:
        summary.notes.append(facts.note)
    if summary.left_out is not None:
        files = sorted(folder.glob("*.parquet"))
        summary.notes.append(name_rows(Path(summary.left_out), files, source))
    return summary


def _check_rows(folder: Path, spec: IngestSpec, source: DatabaseSource) -> None:
    if spec.recordings is not None and not are_rows(str(folder), spec.recordings):
        raise InputError(
            "The model's rows are assembled from raw recordings (data.recordings), and "
            f"{source.name} does not have one row for each recording. Write the recordings to "
            "files, and name their folder."
        )
