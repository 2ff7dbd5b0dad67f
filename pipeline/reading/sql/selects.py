"""The SELECT that reads a query without loss, and its stream as the batches of a table."""

import binascii
import io
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from common.errors import InputError
from pipeline.reading.sql.columns import SqlColumn
from pipeline.reading.sql.database import Kind
from pipeline.reading.sql.statements import ordering, quote_name, subquery

_SAMPLES = pa.list_(pa.float64())


def select_exactly(
    query: str, columns: Sequence[SqlColumn], order_by: Sequence[str], kind: Kind
) -> str:
    """Returns the SELECT whose stream `typed_batches` takes.

    Args:
        query: The user's query.
        columns: What `columns.describe` returned for it.
        order_by: Columns that order the rows; empty leaves the order to the server.
        kind: The program.
    """
    chosen = ", ".join(f"{c.expression} AS {quote_name(c.name, kind)}" for c in columns)
    order = ordering(order_by, kind) if order_by else ""
    # `a` and `A` are equal to most collations of MariaDB: without their bytes, either may be first.
    collated = [c.name for c in columns if c.is_collated and c.name in order_by]
    order += "".join(f", BINARY q.{quote_name(name, kind)}" for name in collated)
    if kind != "sqlite":
        return f"SELECT {chosen} FROM {subquery(query)} {order}"  # noqa: S608
    # The driver takes the types of SQLite's columns from the first row; this one has them all.
    # A cast has no declared type, by which it would read dates and truth values in its own way.
    names = ", ".join(_cast(c, kind) for c in columns)
    first = ", ".join(f"{c.sentinel} AS {quote_name(c.name, kind)}" for c in columns)
    marker = quote_name(_marker(columns), kind)
    order = ordering(order_by, kind, alias="r").replace("ORDER BY ", ", ") if order_by else ""
    rows = f"SELECT 1, {chosen} FROM {subquery(query)}"  # noqa: S608
    union = subquery(f"SELECT 0 AS {marker}, {first} UNION ALL {rows}", alias="r")
    return f"SELECT {names} FROM {union} ORDER BY r.{marker}{order}"  # noqa: S608


_STORAGE = {"0": "INTEGER", "0.0": "REAL", "''": "TEXT", "x''": "BLOB"}


def _cast(column: SqlColumn, kind: Kind) -> str:
    name = quote_name(column.name, kind)
    return f"CAST(r.{name} AS {_STORAGE[column.sentinel]}) AS {name}"


def _marker(columns: Sequence[SqlColumn]) -> str:
    """Returns a name that no column has; SQLite ignores case."""
    taken = {column.name.lower() for column in columns}
    name = "faultline_row"
    while name in taken:
        name += "_"
    return name


def typed_batches(
    stream: Iterable[pa.RecordBatch], columns: Sequence[SqlColumn], kind: Kind
) -> Iterator[pa.RecordBatch]:
    """Yields the batches of a stream with one type for each column, the same for every server.

    Whole numbers are int64 (uint64 if unsigned and wide), numbers float32 or float64, texts
    strings, bytes large binary, signals lists of float64.

    Args:
        stream: The stream of `select_exactly`.
        columns: The columns.
        kind: The program.

    Raises:
        InputError: A text is not UTF-8, or a JSON list is none; with the column and the row.
    """
    num_before, skip = 0, 1 if kind == "sqlite" else 0
    for batch in stream:
        rows = batch.slice(skip)
        skip = 0
        if not rows.num_rows:
            continue
        arrays = [
            _typed(array, column, num_before)
            for array, column in zip(rows.columns, columns, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])
        num_before += rows.num_rows


def _typed(array: pa.Array, column: SqlColumn, num_before: int) -> pa.Array:
    if column.form == "value":
        return _values(array, column)
    if column.form == "hex":
        values = [None if text is None else binascii.unhexlify(text) for text in array.to_pylist()]
        return pa.array(values, pa.large_binary())
    texts = _texts(array, column, num_before)
    return texts if column.form == "text" else _lists(texts, column, num_before)


def _values(array: pa.Array, column: SqlColumn) -> pa.Array:
    types, kind = pa.types, array.type
    if types.is_integer(kind):
        return array if types.is_uint64(kind) else array.cast(pa.int64())
    if types.is_list(kind) or types.is_large_list(kind):
        return array.cast(_SAMPLES)
    if types.is_binary(kind) or types.is_large_binary(kind):
        return array.cast(pa.large_binary())
    if types.is_floating(kind) or types.is_boolean(kind):
        return array
    raise InputError(
        f"Column `{column.name}` came as {kind}, which is not expected. Cast it in data.sql.query."
    )


def _texts(array: pa.Array, column: SqlColumn, num_before: int) -> pa.Array:
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid:
        pass
    for place, value in enumerate(array.to_pylist()):
        try:
            _ = value.decode() if isinstance(value, bytes) else None
        except UnicodeDecodeError as error:
            raise InputError(
                f"Column `{column.name}`, row {num_before + place + 1:,}: the text is not UTF-8 "
                f"({error.reason}). Convert the column, or select its bytes."
            ) from None
    raise InputError(f"Column `{column.name}` came as {array.type} in place of text.")


def is_json_lists(texts: pa.Array) -> bool:
    """Whether there are texts and all of them are JSON lists of numbers."""
    present = texts.drop_null()
    return bool(len(present)) and _parse_lists(present) is not None


def _lists(texts: pa.Array, column: SqlColumn, num_before: int) -> pa.Array:
    """Parses JSON lists of numbers, all at once; a missing text is a missing signal."""
    present = texts.drop_null()
    if not len(present):
        return pa.nulls(len(texts), _SAMPLES)
    parsed = _parse_lists(present)
    if parsed is None:
        for place, text in enumerate(texts.to_pylist()):
            if text is not None and _parse_lists(pa.array([text])) is None:
                raise InputError(
                    f"Column `{column.name}`, row {num_before + place + 1:,}: expected a JSON list "
                    f"of numbers, found {text[:60]!r}. Correct it, or remove the column from "
                    "data.sql.lists."
                )
        raise InputError(f"Column `{column.name}` has lists that cannot be read together.")
    places = pc.subtract(pc.cumulative_sum(texts.is_valid().cast(pa.int64())), 1)
    return parsed.take(pc.if_else(texts.is_valid(), places, None))


def _parse_lists(texts: pa.Array) -> pa.Array | None:
    lines = pc.replace_substring_regex(texts, r"[\r\n]", " ")
    plain = pc.match_substring_regex(lines, r"^\s*\[[^\[\]{}\"]*\]\s*$")
    if not pc.all(plain).as_py():
        return None
    text = "".join(f'{{"v":{line}}}\n' for line in lines.to_pylist()).encode()
    try:
        table = pyarrow.json.read_json(
            io.BytesIO(text),
            read_options=pyarrow.json.ReadOptions(block_size=len(text) + 1),
            parse_options=pyarrow.json.ParseOptions(explicit_schema=pa.schema([("v", _SAMPLES)])),
        )
    except pa.ArrowInvalid:
        return None
    lists = table["v"].combine_chunks()
    return lists if len(lists) == len(texts) else None
