"""Beam inference with a SavedModel; elements are Arrow record batches, never rows."""

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.parquetio import WriteToParquetBatched
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from numpy.typing import NDArray

from common.errors import InputError
from models.exporting.export import load_in_session, read_signatures
from pipeline.components.trainer.reference import Reference
from pipeline.prediction.files.reading import PredictionRows, ReadPlan, read_rows
from pipeline.prediction.files.results import result_table
from pipeline.prediction.skew import SkewCounter
from pipeline.reading.files.pieces import BadRow, Piece, resolve_path
from serving.client import ModelSignature, RowError, TensorSpec
from serving.client.plans import no_rows
from serving.client.rows import encode_rows
from serving.client.signatures import numpy_dtype

_SIGNATURE = "serving_default"
_PROBLEMS, _SKEW = "problems.pickle", "skew.pickle"
# A Session holds the activations of a whole batch; a signal model needs about 100 KB per row.
_RUN_ROWS = 1024
_BAD, _FATAL = "bad", "fatal"

Ask = Callable[[Mapping[str, Any]], dict[str, NDArray[Any]]]


@dataclass(frozen=True, kw_only=True)
class Job:
    """Description of a prediction job; it is sent to the workers.

    Attributes:
        pieces: The data.
        plan: How the data are read.
        model: Folder of the SavedModel; every worker must have access.
        signature: Inputs and outputs of its signature.
        folder: Output folder of the Parquet files; every worker must have access.
        reference: What the rows are compared with, if the model has a reference.
    """

    pieces: tuple[Piece, ...]
    plan: ReadPlan
    model: str
    signature: ModelSignature
    folder: str
    reference: Reference | None = None


def read_signature(model: Path, name: str) -> ModelSignature:
    """Returns a signature of a SavedModel without loading the model.

    Raises:
        InputError: The model has no such signature.
    """
    signatures = read_signatures(model)
    if name not in signatures:
        raise InputError(f"{model} has no signature `{name}`; it has {sorted(signatures)}.")
    signature = signatures[name]
    return ModelSignature(
        inputs={key: _tensor_spec(key, info) for key, info in signature.inputs.items()},
        outputs={key: _tensor_spec(key, info) for key, info in signature.outputs.items()},
        method=signature.method_name,
    )


def _tensor_spec(name: str, info: Any) -> TensorSpec:
    shape = info.tensor_shape
    return TensorSpec(
        name=name,
        dtype=numpy_dtype(info.dtype),
        shape=None if shape.unknown_rank else tuple(dim.size for dim in shape.dim),
    )


def run_job(job: Job, beam_args: Sequence[str]) -> tuple[list[BadRow], SkewCounter | None]:
    """Predicts all pieces and writes shards `predictions-NNNNN-of-NNNNN.parquet`.

    Args:
        job: The prediction job.
        beam_args: Beam options: the runner and its address.

    Returns:
        The rows that could not be read, and the counts of the others, if there is a reference.

    Raises:
        InputError: A file cannot be read, or a row cannot be encoded for the model.
    """
    with beam.Pipeline(options=PipelineOptions(list(beam_args))) as pipeline:
        read = (
            pipeline
            | "Pieces" >> beam.Create(list(job.pieces))
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.ParDo(_Read(job.plan)).with_outputs(_BAD, _FATAL, main="rows")
        )
        handler = SessionHandler(job.model, job.signature)
        tables = read["rows"] | "Predict" >> RunInference(handler)
        answers = tables | "Split" >> beam.ParDo(_Split()).with_outputs(_FATAL, main="tables")
        _ = answers["tables"] | "Write" >> WriteToParquetBatched(
            f"{job.folder}/predictions", _result_schema(job), file_name_suffix=".parquet"
        )
        problems = (read[_BAD], read[_FATAL], answers[_FATAL]) | beam.Flatten()
        _ = (
            problems
            | "Problems" >> beam.combiners.ToList()
            | "Keep" >> beam.Map(_save, f"{job.folder}/{_PROBLEMS}")
        )
        if job.reference is not None:
            _ = (
                read["rows"]
                | "Features" >> beam.Map(lambda rows: rows.features)
                | "Skew" >> beam.CombineGlobally(_SkewCombineFn(job.reference))
                | "KeepSkew" >> beam.Map(_save, f"{job.folder}/{_SKEW}")
            )
    bad_rows = _take_problems(f"{job.folder}/{_PROBLEMS}")
    return bad_rows, _take(f"{job.folder}/{_SKEW}") if job.reference is not None else None


class _SkewCombineFn(beam.CombineFn):  # type: ignore[misc]
    """Combines batches of features into a `SkewCounter`."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference

    def create_accumulator(self) -> SkewCounter:
        return SkewCounter(self._reference)

    def add_input(self, counter: SkewCounter, features: pa.RecordBatch) -> SkewCounter:
        counter.add(features)
        return counter

    def merge_accumulators(self, parts: Iterable[SkewCounter]) -> SkewCounter:
        merged = SkewCounter(self._reference)
        for part in parts:
            merged.merge(part)
        return merged

    def extract_output(self, counter: SkewCounter) -> SkewCounter:
        return counter


class _Read(beam.DoFn):  # type: ignore[misc]
    """Reads pieces into batches of rows; errors are emitted as tagged values.

    An exception that crosses a Beam runner loses its type, so bad input is passed on as a value.
    """

    def __init__(self, plan: ReadPlan) -> None:
        self._plan = plan

    def process(self, piece: Piece) -> Iterator[Any]:
        try:
            for rows in read_rows(piece, self._plan):
                for bad in rows.bad_rows:
                    yield beam.pvalue.TaggedOutput(_BAD, bad)
                yield rows
        except InputError as error:
            yield beam.pvalue.TaggedOutput(_FATAL, str(error))


class SessionHandler(ModelHandler[PredictionRows, Any, Ask]):  # type: ignore[misc]
    """Runs a SavedModel in a TF1 Session, as TensorFlow Serving does, on batches of rows."""

    def __init__(self, model: str, signature: ModelSignature) -> None:
        # An element already holds thousands of rows, so Beam must not batch elements.
        super().__init__(min_batch_size=1, max_batch_size=1)
        self._model = model
        self._signature = signature

    def load_model(self) -> Ask:
        """Loads the model, once per worker process."""
        return load_in_session(Path(self._model), _SIGNATURE)

    def run_inference(
        self,
        batch: Sequence[PredictionRows],
        model: Ask,
        inference_args: dict[str, Any] | None = None,  # noqa: ARG002 - Beam's signature
    ) -> Iterable[Any]:
        """Returns a result table for each batch of rows, or an error text."""
        return [self._predict(rows, model) for rows in batch]

    def get_num_bytes(self, batch: Sequence[PredictionRows]) -> int:
        """Returns the size of the features; Beam's default would pickle them."""
        return sum(rows.features.nbytes for rows in batch)

    def _predict(self, rows: PredictionRows, ask: Ask) -> pa.Table | str:
        version = int(Path(self._model).name)
        try:
            inputs = encode_rows(rows.features, self._signature.inputs)
        except RowError as error:
            return (
                f"{rows.path}, row {rows.numbers[error.row]}, column `{error.column}`: "
                f"{error.problem}"
            )
        tables = []
        for start in range(0, rows.features.num_rows, _RUN_ROWS):
            part = {name: array[start : start + _RUN_ROWS] for name, array in inputs.items()}
            keys = rows.keys.slice(start, _RUN_ROWS)
            tables.append(result_table(keys, ask(part), version))
        if not tables:
            return result_table(rows.keys, no_rows(self._signature), version)
        return pa.concat_tables(tables)


class _Split(beam.DoFn):  # type: ignore[misc]
    """Separates result tables from error texts, which end the job."""

    def process(self, answer: pa.Table | str) -> Iterator[Any]:
        yield beam.pvalue.TaggedOutput(_FATAL, answer) if isinstance(answer, str) else answer


def _result_schema(job: Job) -> pa.Schema:
    """Returns the result columns, from an empty batch of the first piece."""
    first = next(read_rows(job.pieces[0], job.plan))
    return result_table(first.keys.slice(0, 0), no_rows(job.signature), None).schema


def _save(value: object, path: str) -> None:
    filesystem, inner = resolve_path(path)
    with filesystem.open_output_stream(inner) as stream:
        stream.write(pickle.dumps(value))


def _take(path: str) -> Any:
    filesystem, inner = resolve_path(path)
    with filesystem.open_input_stream(inner) as stream:
        value = pickle.loads(stream.read())  # noqa: S301 - written above, in our own folder
    filesystem.delete_file(inner)
    return value


def _take_problems(path: str) -> list[BadRow]:
    problems = _take(path)
    fatal = [problem for problem in problems if isinstance(problem, str)]
    if fatal:
        raise InputError(min(fatal))
    return [problem for problem in problems if isinstance(problem, BadRow)]
