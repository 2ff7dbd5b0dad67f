"""The row to explain: of the test split, of a file, or a JSON request."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from common.errors import InputError
from common.example_files import read_serialised
from models.inputs.raw_columns import columns_from_examples
from pipeline.config import Config
from pipeline.explaining.training_rows import feature_text
from pipeline.prediction.beam_inference import read_signature
from pipeline.prediction.by_server import SIGNATURE, make_read_plan
from pipeline.prediction.contract import reading_spec
from pipeline.prediction.files import input_files
from pipeline.prediction.files.embedded_rows import with_files
from pipeline.prediction.files.reading import ReadPlan
from pipeline.reading.files.pieces import ADDED_COLUMNS, RawBatch
from pipeline.reading.typing_rows import type_batch
from serving.client import InputMismatchError
from serving.client.rows import encode_rows


@dataclass(frozen=True, kw_only=True)
class RowChoice:
    """Which row a person means.

    Attributes:
        row: Its number: in the test split from 0, in a file from 1; None if not given.
        where: `COLUMN=VALUE` of exactly one row; None if not given.
        data: A data file; None for the test split.
        request: A JSON request, or the name of a file that holds one; None if not given.
    """

    row: int | None = None
    where: str | None = None
    data: str | None = None
    request: str | None = None

    def __post_init__(self) -> None:
        if self.request is not None:
            given = (self.row, self.where, self.data) != (None, None, None)
            if given:
                raise InputError("--request is a row of its own; give no other option with it.")
        elif (self.row is None) == (self.where is None):
            raise InputError(
                "Give one row: its number, --where COLUMN=VALUE, or --request JSON. "
                "See `faultline explain --help`."
            )


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row as a client sends it.

    Attributes:
        title: What it is, for people.
        slug: The same for a file name.
        columns: The model's columns, `[1]` or `[1, samples]`.
        label: 0 or 1, or None where it is not known.
        others: Texts of columns that the model does not read.
    """

    title: str
    slug: str
    columns: Mapping[str, NDArray[Any]]
    label: int | None
    others: Mapping[str, str]


@dataclass(frozen=True)
class TestSplit:
    """The test examples of a run.

    Attributes:
        columns: As clients send them, `[n]` or `[n, samples]` each.
        labels: `[n]` of 0 and 1.
        others: Texts of the columns that the model does not see, by column, `[n]`.
    """

    __test__ = False  # no test, whatever pytest thinks of its name

    columns: Mapping[str, NDArray[Any]]
    labels: NDArray[np.int64]
    others: Mapping[str, list[str]]

    def row(self, number: int) -> Row:
        """Returns one row, numbered from 0."""
        return Row(
            title=f"row {number} of the test split",
            slug=str(number),
            columns={name: values[number : number + 1] for name, values in self.columns.items()},
            label=int(self.labels[number]),
            others={name: texts[number] for name, texts in self.others.items()},
        )


def read_split(files: Sequence[Path], inputs: Mapping[str, Any], label: str) -> TestSplit:
    """Reads the test examples as clients would send them.

    Args:
        files: Gzip TFRecords of tf.Examples, in order.
        inputs: The inputs of `serving_default`.
        label: The label column.
    """
    records = [record for batch in read_serialised(*map(str, files)) for record in batch]
    features = [tf.train.Example.FromString(record).features.feature for record in records]
    unseen = sorted({name for row in features for name in row} - set(inputs) - {label})
    return TestSplit(
        # A signature's inputs have another order in every process.
        columns=dict(sorted(columns_from_examples(records, inputs).items())),
        labels=np.array([row[label].int64_list.value[0] for row in features]),
        others={name: [feature_text(row[name]) for row in features] for name in unseen},
    )


def find_row(split: TestSplit, row: int | None, where: str | None) -> int | None:
    """Returns the number of the row that is meant; None if no row of the split is as `where` says.

    Raises:
        InputError: There is no such number or column, or `where` fits several rows.
    """
    size = len(split.labels)
    if where is None:
        if row is None or not 0 <= row < size:
            raise InputError(f"There is no row {row} in the test split; it has 0 to {size - 1}.")
        return row
    texts = dict(split.others) | {
        name: [shown_value(value) for value in values.tolist()]
        for name, values in split.columns.items()
        if values.ndim == 1
    }
    column, value = _parse_where(where, texts)
    rows = [number for number, text in enumerate(texts[column]) if text == value]
    if len(rows) > 1:
        raise InputError(_not_one(len(rows), where, "the test split"))
    return rows[0] if rows else None


def row_of_other_splits(
    files: Mapping[str, Sequence[str]], where: str, inputs: Mapping[str, Any], label: str
) -> Row:
    """Returns a row of the splits that the model was made from, which no test row matched.

    Args:
        files: Gzip TFRecords of tf.Examples, in order, by split.
        where: `COLUMN=VALUE` of the row.
        inputs: The inputs of `serving_default`.
        label: The label column.

    Raises:
        InputError: Not exactly one row is as `where` says.
    """
    column, _, value = where.partition("=")
    matches: list[tuple[str, int, bytes]] = []
    for split, names in files.items():
        number = 0
        for batch in read_serialised(*names):
            for record in batch:
                features = tf.train.Example.FromString(record).features.feature
                if column in features and feature_text(features[column]) == value:
                    matches.append((split, number, record))
                number += 1
    if len(matches) != 1:
        raise InputError(_not_one(len(matches), where, f"the splits test, {', '.join(files)}"))
    [(split, number, record)] = matches
    features = tf.train.Example.FromString(record).features.feature
    return Row(
        title=f"row {number} of the {split} split",
        slug=f"{split}-{number}",
        columns=dict(sorted(columns_from_examples([record], inputs).items())),
        label=int(features[label].int64_list.value[0]),
        others={
            name: feature_text(features[name])
            for name in sorted(set(features) - set(inputs) - {label})
        },
    )


def row_of_file(choice: RowChoice, config: Config, model: Path) -> Row:
    """Returns a row of a data file, read as `faultline predict` reads it.

    Args:
        choice: The file, and the row's number from 1 or a column and its value.
        config: The use case: how the file is read.
        model: The SavedModel.

    Raises:
        InputError: The file or the row cannot be read, or not exactly one row is meant.
    """
    files = input_files.find_input_files(str(choice.data))
    if len(files.paths) != 1:
        raise InputError(f"{choice.data} is {len(files.paths)} files; name one of them.")
    spec = reading_spec(config, model)
    inputs = read_signature(model, SIGNATURE).inputs
    name = input_files.short_name(files.paths[0])
    with with_files(str(choice.data), spec) as rows:
        read = input_files.find_input_files(rows.data)
        pieces = input_files.plan_pieces(read, spec.layout)
        plan = make_read_plan(spec, pieces, inputs, id_column=None)
        batches = (raw for piece in pieces for raw in input_files.read_piece(piece))
        number, raw = _find_in_file(batches, choice, name)
        columns = encode_rows(_typed(raw, plan, files.paths[0]), inputs)
    return Row(
        title=f"row {number} of {name}",
        slug=f"{name}-{number}",
        columns=dict(sorted(columns.items())),
        label=None,
        others=_texts(raw, set(inputs)),
    )


def row_of_request(request: str, model: Path) -> Row:
    """Returns the row of a JSON request, as the server takes it.

    Args:
        request: A row as an object, `{"instances": [ROW]}`, or the name of a file with either.
        model: The SavedModel.

    Raises:
        InputError: It is neither, has several rows, or the model does not take it.
    """
    text = request
    if not request.lstrip().startswith("{"):
        try:
            text = Path(request).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--request {request} is neither JSON nor a file: {error}.") from error
    try:
        body = json.loads(text)
    except ValueError as error:
        raise InputError(f"--request is not valid JSON: {error}.") from None
    rows = body.get("instances", [body]) if isinstance(body, dict) else body
    if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], dict):
        raise InputError(
            '--request must be one row: {"COLUMN": VALUE, …} or {"instances": [{…}]}; got '
            f"{text[:60]}."
        )
    inputs = read_signature(model, SIGNATURE).inputs
    try:
        columns = encode_rows(rows, inputs)
    except InputMismatchError as error:
        raise InputError(f"--request: {error}") from error
    return Row(
        title="the request",
        slug="request",
        columns=dict(sorted(columns.items())),
        label=None,
        others={name: str(value) for name, value in rows[0].items() if name not in inputs},
    )


def _find_in_file(
    batches: Iterator[RawBatch], choice: RowChoice, name: str
) -> tuple[int, RawBatch]:
    """The number of the one row that is meant, and a batch of this row alone."""
    matches: list[tuple[int, RawBatch]] = []
    last = 0
    examples: list[str] = []
    for raw in batches:
        if choice.where is None:
            places = np.flatnonzero(raw.rows == choice.row).tolist()
        else:
            column, value = _parse_where(choice.where, raw.batch.schema.names)
            texts = [shown_value(v) for v in raw.batch.column(column).to_pylist()]
            places = [place for place, text in enumerate(texts) if text == value]
            examples = examples or texts[:3]
        last = max(last, int(raw.rows.max(initial=0)))
        for place in places:
            numbers = raw.rows[place : place + 1]
            one = RawBatch(batch=raw.batch.slice(place, 1), rows=numbers, source=raw.source)
            matches.append((int(raw.rows[place]), one))
    if len(matches) == 1:
        return matches[0]
    if choice.where is None:
        raise InputError(f"There is no row {choice.row} in {name}; it has 1 to {last}.")
    such = f" The first rows have {', '.join(examples)}." if examples and not matches else ""
    raise InputError(_not_one(len(matches), choice.where, name) + such)


def _typed(raw: RawBatch, plan: ReadPlan, path: str) -> Any:
    typed = type_batch(raw, plan.columns, plan.spec, path=path)
    if typed.bad_rows:
        raise InputError("\n".join(str(bad) for bad in typed.bad_rows))
    return typed.batch


def _texts(raw: RawBatch, inputs: set[str]) -> dict[str, str]:
    values = raw.batch.to_pylist()[0]
    return {
        name: shown_value(value)
        for name, value in values.items()
        if name not in {*inputs, *ADDED_COLUMNS}
        and not isinstance(value, list)
        and value is not None
    }


def _parse_where(where: str, columns: Any) -> tuple[str, str]:
    column, equals, value = where.partition("=")
    if not equals or column not in columns:
        known = ", ".join(sorted(columns))
        raise InputError(
            f"--where takes COLUMN=VALUE with one of the columns {known}; got {where}."
        )
    return column, value


def _not_one(count: int, where: str, place: str) -> str:
    return f"{count} rows of {place} have {where}; exactly one is needed."


def shown_value(value: Any) -> str:
    """Returns a value as the text that `--where` compares with."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
