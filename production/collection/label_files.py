"""Reads files of labels, on this machine or behind a URL, by the use case's reading contract."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from common.errors import InputError
from common.guards.redaction import redact_text
from pipeline.column_format import ColumnFormat, CsvLayout
from pipeline.counting import count
from pipeline.prediction.files import input_files
from pipeline.reading import contract
from pipeline.reading.columns import COLUMN_TYPES, Column, Type, check_names, form_of
from pipeline.reading.files import sources
from pipeline.reading.files.encodings import detect_encoding
from pipeline.reading.files.pieces import BadRow, RawBatch, suffix_of
from pipeline.reading.ingest_spec import IngestSpec
from pipeline.reading.typing_rows import label_texts, type_batch
from production.collection.labels import SET_VALUES, brought_column, with_label_values

_NUM_SHOWN = 5
_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class LabelSource:
    """Where labels are.

    Attributes:
        data: A file, a folder or a glob; or an http, https, s3, gs or hdfs URL of one file.
        id_column: Column with the request ids.
        label_column: Column with the labels.
        row_column: Column with the rows in the requests; None if every request has one row.
        others: Columns of the training data that requests lack, to be kept with the labels.
    """

    data: str
    id_column: str
    label_column: str
    row_column: str | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FileLabels:
    """Labels of a file.

    Attributes:
        labels: As of `labels.make_labels`, one of each row; brings the columns `others`.
        num_without_label: Rows of the file without a label.
    """

    labels: pa.Table
    num_without_label: int


def read_labels(source: LabelSource, spec: IngestSpec) -> FileLabels:
    """Reads labels.

    Args:
        source: Where they are.
        spec: The ingestion settings of the use case; they tell what is a label.

    Raises:
        InputError: The data cannot be read, a column is missing, a value does not fit, or two rows
            give one row of a request different labels.
    """
    _check_others(source, spec)
    strict = with_label_values(spec)
    tables: list[pa.Table] = []
    places: list[tuple[str, int]] = []
    bad_rows: list[BadRow] = []
    num_without_label = 0
    with _local_files(source.data) as files:
        for piece in input_files.plan_pieces(files, _layout(files)):
            wanted = [source.id_column, source.label_column, *source.others]
            wanted += [source.row_column] if source.row_column else []
            names = input_files.read_schema(piece).names
            check_names(names, spec, where=piece.path, required=wanted)
            for raw in input_files.read_piece(piece, columns=list(dict.fromkeys(wanted))):
                batch = _typed(raw, source, strict, piece.path)
                tables.append(batch.labels)
                places += [(piece.path, int(number)) for number in batch.rows]
                num_without_label += batch.num_without_label
                bad_rows += [*raw.bad_rows, *batch.bad_rows]
    if bad_rows:
        words = [str(row) for row in bad_rows]
        is_of_label = any("label.values" in word for word in words)
        hint = f" {SET_VALUES}" if is_of_label and not spec.label_values else ""
        raise InputError(_listed("cannot be read", words) + hint)
    labels = pa.concat_tables(tables, promote_options="permissive")
    return FileLabels(
        labels=_without_repetitions(labels, places), num_without_label=num_without_label
    )


def _check_others(source: LabelSource, spec: IngestSpec) -> None:
    if spec.label in source.others:
        raise InputError(f"--with {spec.label} names the label, which --label brings. Remove it.")
    repeated = [name for name, times in Counter(source.others).items() if times > 1]
    if repeated:
        raise InputError(f"--with names {', '.join(repeated)} more than once.")


@contextmanager
def _local_files(data: str) -> Iterator[input_files.InputFiles]:
    scheme = urlsplit(data).scheme if "://" in data else ""
    if scheme in ("http", "https"):
        with tempfile.TemporaryDirectory(prefix="faultline-labels-") as folder:
            yield input_files.find_input_files(str(_download(data, Path(folder))))
    elif scheme:
        yield input_files.InputFiles(paths=(data,), format=sources.common_format([data]))
    else:
        yield input_files.find_input_files(data)


def _download(url: str, folder: Path) -> Path:
    """Downloads a file; its name is that in the URL.

    Raises:
        InputError: The server does not answer, or not with a file of a known suffix.
    """
    import httpx

    shown = redact_text(url)
    name = PurePosixPath(urlsplit(url).path).name
    if suffix_of(name) is None:
        raise InputError(
            f"{shown} does not end in a known suffix, such as .csv or .parquet, from which the "
            "format of the labels follows. Download the file and name it."
        )
    path = folder / name
    try:
        with (
            httpx.stream("GET", url, follow_redirects=True, timeout=_TIMEOUT_S) as response,
            path.open("wb") as file,
        ):
            response.raise_for_status()
            for chunk in response.iter_bytes():
                file.write(chunk)
    except httpx.HTTPStatusError as error:
        raise InputError(f"{shown} answered {error.response.status_code}.") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise InputError(f"{shown} cannot be read: {redact_text(str(error))}.") from None
    return path


def _layout(files: input_files.InputFiles) -> CsvLayout:
    """A file of labels need not be written as the training data are; it tells itself."""
    is_csv = files.format == "csv" and "://" not in files.paths[0]
    return CsvLayout(encoding=detect_encoding(files.paths[0])) if is_csv else CsvLayout()


class _LabelBatch(NamedTuple):
    """The labels of a batch, their rows in the file, and the other rows."""

    labels: pa.Table
    rows: np.ndarray
    bad_rows: list[BadRow]
    num_without_label: int


def _typed(raw: RawBatch, source: LabelSource, spec: IngestSpec, path: str) -> _LabelBatch:
    texts = _column(raw, source.label_column)
    # The label has the name of the training data's, whose words it must have.
    batch = pa.RecordBatch.from_arrays(
        [texts, *(_column(raw, name) for name in source.others)], names=[spec.label, *source.others]
    )
    columns = [Column(name=spec.label, type="label"), *(_declared(n, spec) for n in source.others)]
    typed = type_batch(RawBatch(batch=batch, rows=raw.rows), columns, spec, path=path)
    good = np.isin(raw.rows, typed.rows)
    ids, id_faults = _ids(raw, source, path)
    rows, row_faults = _rows(raw, source, path)
    words, _, _ = label_texts(texts.filter(pa.array(good)), spec.label_marks)
    table = pa.table(
        {
            "request_id": ids.filter(pa.array(good)),
            "row": rows.filter(pa.array(good)),
            "is_row_known": pa.array([source.row_column is not None] * int(good.sum()), pa.bool_()),
            "label": words,
        }
        | {brought_column(name): typed.batch[name] for name in source.others}
    )
    return _LabelBatch(
        labels=table,
        rows=raw.rows[good],
        bad_rows=[*typed.bad_rows, *id_faults, *row_faults],
        num_without_label=typed.unlabelled.num_rows,
    )


def _column(raw: RawBatch, name: str) -> pa.Array:
    column = raw.batch[name]
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _declared(name: str, spec: IngestSpec) -> Column:
    """Returns a column of the training data by what the config and the schema say of it."""
    if name in spec.columns:
        kind: Type = COLUMN_TYPES[spec.columns[name].type]
    elif name in spec.times:
        kind = "time"
    else:
        kind = spec.types.get(name, "float" if name in spec.numbers else "bytes")
    return Column(name=name, type=kind, form=form_of(name, kind, spec))


def _ids(raw: RawBatch, source: LabelSource, path: str) -> tuple[pa.Array, list[BadRow]]:
    form = ColumnFormat(type="text")
    ids, bad = contract.read_column(_column(raw, source.id_column), form, default_marks=())
    bad |= np.asarray(ids.is_null())
    return ids.cast(pa.string()), _faults(
        raw, bad, path, column=source.id_column, reason="has no request id"
    )


def _rows(raw: RawBatch, source: LabelSource, path: str) -> tuple[pa.Array, list[BadRow]]:
    if source.row_column is None:
        return pa.array(np.zeros(raw.batch.num_rows, np.int32)), []
    form = ColumnFormat(type="code")
    rows, bad = contract.read_column(_column(raw, source.row_column), form, default_marks=())
    values = np.asarray(rows.fill_null(-1))
    bad |= (values < 0) | (values >= 2**31)
    typed = pa.array(np.where(bad, 0, values).astype(np.int32))
    return typed, _faults(
        raw, bad, path, column=source.row_column, reason="expected a row from 0 on"
    )


def _faults(raw: RawBatch, bad: np.ndarray, path: str, *, column: str, reason: str) -> list[BadRow]:
    return [
        BadRow(path=path, row=int(raw.rows[place]), column=column, reason=reason, text="")
        for place in np.flatnonzero(bad)
    ]


def _without_repetitions(labels: pa.Table, places: Sequence[tuple[str, int]]) -> pa.Table:
    """Returns one label of each row.

    Raises:
        InputError: Two rows of the file contradict each other.
    """
    firsts: dict[tuple[str, int], int] = {}
    conflicts: list[str] = []
    others = [labels[name].to_pylist() for name in labels.column_names[2:]]
    ids, rows = labels["request_id"].to_pylist(), labels["row"].to_pylist()
    words = labels["label"].to_pylist()
    for place, key in enumerate(zip(ids, rows, strict=True)):
        first = firsts.setdefault(key, place)
        if any(column[first] != column[place] for column in others):
            (path, row), (_, first_row) = places[place], places[first]
            conflicts.append(
                f"{path}, rows {first_row} and {row}: request `{key[0]}` row {key[1]} is "
                f"`{words[first]}` and `{words[place]}`"
            )
    if conflicts:
        raise InputError(_listed("with a contradiction in the file", conflicts))
    return labels.take(pa.array(sorted(firsts.values()), pa.int64()))


def _listed(what: str, lines: Sequence[str]) -> str:
    shown = "\n".join(f"  {line}" for line in lines[:_NUM_SHOWN])
    more = len(lines) - _NUM_SHOWN
    return (
        f"{count(len(lines), 'label')} {what}:\n{shown}\n"
        + (f"  and {more:,} more\n" if more > 0 else "")
        + "Nothing was written. Correct the file, and give it again."
    )
