"""Prediction through a model server."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console

from common.errors import InputError, StepFailedError
from common.output_folder import OutputFolder
from pipeline.components.pusher.signing import trusted_model
from pipeline.components.pusher.version_folder import served_versions
from pipeline.config import Config
from pipeline.prediction.contract import reading_spec
from pipeline.prediction.files import bad_rows as bad_rows_lib
from pipeline.prediction.files import input_files
from pipeline.prediction.files.alarms import find_alarms, note_alarms
from pipeline.prediction.files.raw_recordings import rows_of
from pipeline.prediction.files.reading import PredictionRows, ReadPlan, check_id_column, read_rows
from pipeline.prediction.files.results import ResultFile, result_table
from pipeline.prediction.files.rows import Rows
from pipeline.prediction.model_columns import decide_columns
from pipeline.prediction.options import DEFAULT_SERVER, PredictOptions, PredictSummary
from pipeline.prediction.progress import RowProgress
from pipeline.prediction.skew import SkewCounter, note_skews, read_reference
from pipeline.reading.files.pieces import BadRow, Piece
from pipeline.reading.files.sources import open_parquet
from pipeline.reading.ingest_spec import IngestSpec
from serving.client import (
    Client,
    InputMismatchError,
    ModelMetadata,
    RowError,
    ServingClientError,
    TensorSpec,
)

SIGNATURE = "serving_default"
_DEFAULT_OUTPUT = Path("predictions.csv")
# Rows per request; each row is recorded with the version that answered its request.
_BATCH_ROWS = 1024


class _Prediction:
    """One prediction run through a server, from the first row to the summary."""

    def __init__(
        self,
        client: Client,
        plan: ReadPlan,
        results: ResultFile,
        summary: PredictSummary,
        skew: SkewCounter | None,
    ) -> None:
        self._client = client
        self._skew = skew
        self._plan = plan
        self._results = results
        self._summary = summary
        self._decisions: Counter[str] = Counter()
        self._bad_rows: list[BadRow] = []
        self._answers: list[pa.Table] = []

    def run(self, pieces: Sequence[Piece], progress: RowProgress) -> list[BadRow]:
        """Predicts all rows and returns those that were skipped.

        Raises:
            InputError: More rows are unreadable than the config allows, or one cannot be encoded.
            ServingClientError: The server failed.
        """
        for piece in pieces:
            for rows in read_rows(piece, self._plan):
                self._bad_rows += rows.bad_rows
                if self._skew is not None:
                    self._skew.add(rows.features)
                bad_rows_lib.check_bad_rows(
                    self._bad_rows,
                    max_bad_rows=self._plan.spec.max_bad_rows,
                    layout=self._plan.spec.layout,
                    is_complete=False,
                )
                # Send a request even for an empty batch: the response gives the output columns.
                for start in range(0, max(1, rows.features.num_rows), _BATCH_ROWS):
                    progress.add(self._ask(rows, start))
        self._summary.decisions = dict(self._decisions)
        return self._bad_rows

    @property
    def alarms(self) -> pa.Table | None:
        """The alarms of streams; None of other rows."""
        return find_alarms(self._answers)

    def _ask(self, rows: PredictionRows, start: int) -> int:
        features = rows.features.slice(start, _BATCH_ROWS)
        num_rows = int(features.num_rows)
        try:
            predictions = self._client.predict(features, signature=SIGNATURE)
        except RowError as error:
            raise InputError(
                f"{rows.path}, row {rows.numbers[start + error.row]}, column `{error.column}`: "
                f"{error.problem}"
            ) from error
        outputs, version = predictions.outputs, predictions.version
        answers = result_table(rows.keys.slice(start, _BATCH_ROWS), outputs, version)
        self._results.write(answers)
        if self._plan.keys:
            self._answers.append(answers)
        self._summary.num_rows += num_rows
        if version is not None and version not in self._summary.versions:
            self._summary.versions.append(version)
        self._decisions.update(count_decisions(outputs))
        return num_rows


def count_decisions(outputs: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Returns the number of rows per decision; empty if the model makes none."""
    if "decision" not in outputs:
        return {}
    decisions, counts = np.unique(outputs["decision"], return_counts=True)
    return {str(value): int(n) for value, n in zip(decisions, counts, strict=True)}


def predict_by_server(options: PredictOptions, config: Config, console: Console) -> PredictSummary:
    """Sends the data to a server and writes its responses.

    Raises:
        InputError: The input is invalid, or the config does not trust the version on this machine
            that says how rows are read; no output is written.
        StepFailedError: The server cannot be reached or failed; no output is written.
    """
    model = options.model or config.name
    version = find_local_model(options, model)
    with trusted_model(version, config) if version else nullcontext() as local_model:
        spec = reading_spec(config, local_model)
        reference = read_reference(local_model)
    skew = SkewCounter(reference) if reference is not None else None
    with rows_of(options.data, spec, config, labels=options.labels) as rows:
        return _predict_rows(rows, spec, options, model, skew, console)


def _predict_rows(
    rows: Rows,
    spec: IngestSpec,
    options: PredictOptions,
    model: str,
    skew: SkewCounter | None,
    console: Console,
) -> PredictSummary:
    files = input_files.find_input_files(rows.data)
    pieces = input_files.plan_pieces(files, spec.layout)
    output = options.output_file or _DEFAULT_OUTPUT
    if output.resolve() in {Path(path).resolve() for path in (*files.paths, *rows.sources)}:
        raise InputError(f"--output-file {output} is the input data itself. Choose another file.")
    summary = PredictSummary(model=model, source=options.server, output=str(output))
    summary.notes = list(rows.notes)
    try:
        with (
            _open_client(options.server, model) as client,
            ResultFile(output) as results,
            RowProgress(console, total=_count_rows(files, pieces)) as progress,
        ):
            inputs = plain_inputs(client.metadata())
            plan = make_read_plan(spec, pieces, inputs, id_column=options.id_column, keys=rows.keys)
            prediction = _Prediction(client, plan, results, summary, skew)
            bad_rows = prediction.run(pieces, progress)
            note_skews(skew, summary, strict=options.strict)
    except InputMismatchError as error:
        raise InputError(str(error)) from error
    except ServingClientError as error:
        raise _translate_error(error, options.server, model) from error
    note_alarms(prediction.alarms, output, summary)
    summary.num_left_out = len(bad_rows)
    if bad_rows:
        summary.left_out = str(bad_rows_lib.write_aside(bad_rows, output, plan.spec.layout))
    return summary


def find_local_model(options: PredictOptions, name: str) -> Path | None:
    """Returns the latest version below the output folder; the server's has the same contract."""
    base = OutputFolder(options.output.absolute()).serving(name)
    versions = served_versions(base) if base.is_dir() else []
    return base / str(versions[-1]) if versions else None


def plain_inputs(metadata: ModelMetadata) -> Mapping[str, TensorSpec]:
    """Returns the inputs of the signature with one input per column.

    Raises:
        InputError: The model has no such signature.
    """
    if SIGNATURE not in metadata.signatures:
        raise InputError(
            f"The model `{metadata.name}` has no signature `{SIGNATURE}` with one input per "
            f"column; it has {sorted(metadata.signatures)}. Use serving.client instead."
        )
    return metadata.signatures[SIGNATURE].inputs


def make_read_plan(
    spec: IngestSpec,
    pieces: Sequence[Piece],
    inputs: Mapping[str, TensorSpec],
    *,
    id_column: str | None,
    keys: tuple[str, ...] = (),
) -> ReadPlan:
    """Returns the plan for reading the data for a model.

    Raises:
        InputError: A column is missing, or has a type that the model does not accept.
    """
    plan = ReadPlan(
        columns=decide_columns(inputs, pieces, spec),
        spec=spec,
        id_column=id_column,
        keys=keys if id_column is None else (),
        name_files=len({piece.path for piece in pieces}) > 1,
    )
    check_id_column(plan, pieces)
    return plan


def _open_client(server: str, model: str) -> Client:
    try:
        return Client(server, model=model, batch_size=_BATCH_ROWS)
    except ValueError as error:
        raise InputError(f"--server: {error}") from error


def _count_rows(files: input_files.InputFiles, pieces: Sequence[Piece]) -> int | None:
    """Returns the total number of rows, if the file metadata contain it."""
    if files.format != "parquet":
        return None
    return sum(int(open_parquet(path).metadata.num_rows) for path in {p.path for p in pieces})


def _translate_error(error: ServingClientError, server: str, model: str) -> Exception:
    if error.code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}:
        how = (
            "Start one in another terminal with `faultline serve`, or set --server."
            if server == DEFAULT_SERVER
            else "Check that it is running and that the address is correct."
        )
        return StepFailedError(f"No model server answers at {server}. {how} ({error})")
    if error.code == "NOT_FOUND":
        return InputError(
            f"The server {server} does not serve the model `{model}`: {error.message}. Choose "
            "one that it serves with --model."
        )
    return StepFailedError(f"The server {server} failed. {error}")
