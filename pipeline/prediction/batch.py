"""`faultline predict --batch`: runs the pushed model on a data set with Beam, without a server."""

import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.components.pusher.signing import trusted_model
from pipeline.components.pusher.version_folder import served_versions
from pipeline.config import Config
from pipeline.prediction.by_server import SIGNATURE, count_decisions, make_read_plan
from pipeline.prediction.contract import reading_spec
from pipeline.prediction.files import bad_rows as bad_rows_lib
from pipeline.prediction.files import input_files
from pipeline.prediction.files.alarms import find_alarms, note_alarms
from pipeline.prediction.files.raw_recordings import rows_of
from pipeline.prediction.files.reading import ReadPlan
from pipeline.prediction.files.results import SUFFIXES
from pipeline.prediction.files.rows import Rows
from pipeline.prediction.options import PredictOptions, PredictSummary
from pipeline.prediction.skew import note_skews, read_reference
from pipeline.reading.files.pieces import BadRow, suffix_of
from pipeline.reading.ingest_spec import IngestSpec
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

_DEFAULT_OUTPUT = Path("predictions")


@dataclass(frozen=True, kw_only=True)
class _Pushed:
    """The model that predicts.

    Attributes:
        name: Its name.
        version: Folder of its version.
        model: Folder to load it from: the version itself, or a copy whose signature was checked.
    """

    name: str
    version: Path
    model: Path


def predict_batch(options: PredictOptions, config: Config, console: Console) -> PredictSummary:
    """Predicts a data set with the pushed model and writes a folder of Parquet files.

    Raises:
        InputError: The input is invalid, no model was pushed, or the config does not trust it; no
            output is written.
    """
    output = options.output_file or _DEFAULT_OUTPUT
    _check_new_folder(output)
    name = options.model or config.name
    version = latest_model(OutputFolder(options.output.absolute()), name)
    # Importing TensorFlow and Beam takes seconds, so all other checks come first.
    with trusted_model(version, config) as model:
        spec = reading_spec(config, model)
        pushed = _Pushed(name=name, version=version, model=model)
        with rows_of(options.data, spec, config, labels=options.labels) as rows:
            return _predict_rows(rows, spec, options, pushed, console)


def _predict_rows(
    rows: Rows, spec: IngestSpec, options: PredictOptions, pushed: _Pushed, console: Console
) -> PredictSummary:
    output, model = options.output_file or _DEFAULT_OUTPUT, pushed.model
    files = input_files.find_input_files(rows.data)
    pieces = input_files.plan_pieces(files, spec.layout)
    with console.status("Importing TensorFlow and Beam"):
        from pipeline.prediction import beam_inference
    signature = beam_inference.read_signature(model, SIGNATURE)
    plan = make_read_plan(
        spec, pieces, signature.inputs, id_column=options.id_column, keys=rows.keys
    )
    summary = PredictSummary(model=pushed.name, source=str(pushed.version), output=str(output))
    summary.versions = [int(pushed.version.name)]
    summary.notes = list(rows.notes)
    incoming = output.with_name(f".{output.name}.{uuid.uuid4().hex}.tmp")
    job = beam_inference.Job(
        pieces=tuple(pieces),
        plan=plan,
        model=str(model),
        signature=signature,
        folder=str(incoming.absolute()),
        reference=read_reference(model),
    )
    incoming.mkdir()
    try:
        with console.status("Predicting"):
            bad_rows, skew = beam_inference.run_job(job, LOCAL_BEAM_ARGS)
        bad_rows_lib.check_bad_rows(
            bad_rows, max_bad_rows=plan.spec.max_bad_rows, layout=plan.spec.layout
        )
        _count(sorted(incoming.glob("*.parquet")), summary)
        note_skews(skew, summary, strict=options.strict)
        incoming.rename(output)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    _write_beside(output, plan, bad_rows, summary)
    return summary


def _write_beside(
    output: Path, plan: ReadPlan, bad_rows: Sequence[BadRow], summary: PredictSummary
) -> None:
    """Writes alarms and bad rows beside the predictions."""
    if plan.keys:
        shards = [pq.read_table(shard) for shard in sorted(output.glob("*.parquet"))]
        note_alarms(find_alarms(shards), output, summary)
    summary.num_left_out = len(bad_rows)
    if bad_rows:
        summary.left_out = str(bad_rows_lib.write_aside(bad_rows, output, plan.spec.layout))


def latest_model(folder: OutputFolder, name: str) -> Path:
    """Returns the folder of the latest pushed version.

    Raises:
        InputError: No version was pushed.
    """
    base = folder.serving(name)
    versions = served_versions(base)
    if not versions:
        raise InputError(
            f"No model was pushed to {base}. Run `faultline run` first, or name the output folder "
            "with --output and the model with --model."
        )
    return base / str(versions[-1])


def _check_new_folder(output: Path) -> None:
    if suffix_of(output.name) or output.suffix.lower() in SUFFIXES:
        raise InputError(
            f"--output-file {output} names a file, and --batch writes a folder of Parquet files. "
            f"Name a folder, such as {output.with_name(output.name.partition('.')[0] or 'out')}, "
            "or predict without --batch to write one file."
        )
    if output.exists():
        raise InputError(
            f"--output-file {output} already exists. With --batch it must be a new folder: "
            "remove the old one, or choose another name."
        )
    if not output.absolute().parent.is_dir():
        raise InputError(f"--output-file {output} is in a folder that does not exist.")


def _count(shards: Sequence[Path], summary: PredictSummary) -> None:
    for shard in shards:
        file: Any = pq.ParquetFile(shard)
        summary.num_rows += file.metadata.num_rows
        if "decision" not in file.schema_arrow.names:
            continue
        for batch in file.iter_batches(columns=["decision"]):
            column: pa.Array = batch.column(0)
            if pa.types.is_nested(column.type):
                column = column.flatten()
            for value, number in count_decisions({"decision": column.to_numpy()}).items():
                summary.decisions[value] = summary.decisions.get(value, 0) + number
