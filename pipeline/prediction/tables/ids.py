"""The ids of rows whose predictions go into a table: present, distinct, whole numbers or texts."""

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from common.errors import InputError
from pipeline.counting import count
from pipeline.prediction.tables.layout import Kind

_NUM_NAMED = 5


def check_ids(parts: Iterable[pa.Array | pa.ChunkedArray], *, id_column: str, source: str) -> Kind:
    """Checks that ids can decide which row of a table is meant.

    Args:
        parts: The ids of all rows.
        id_column: Their column.
        source: Where they come from, for messages.

    Returns:
        Whether they are whole numbers or texts.

    Raises:
        InputError: An id is missing or occurs twice, or ids are neither whole numbers nor texts.
    """
    ids = _joined(list(parts), id_column, source)
    kind = _kind(ids.type, id_column, source)
    if ids.null_count:
        raise InputError(
            f"{source}: {count(ids.null_count, 'row')} without an id in `{id_column}`. Each row "
            "needs one: it says which row of the table is written. Leave such rows out in the "
            "query (WHERE … IS NOT NULL), or name another column with --id."
        )
    _check_distinct(ids, id_column, source)
    return kind


def _joined(
    parts: Sequence[pa.Array | pa.ChunkedArray], id_column: str, source: str
) -> pa.ChunkedArray:
    if not parts:
        raise InputError(f"{source} has no rows, so there is nothing to predict.")
    arrays = [array for part in parts for array in getattr(part, "chunks", [part])]
    kinds = {str(array.type) for array in arrays if len(array)}
    if len(kinds) > 1:
        raise InputError(
            f"{source}: the ids in `{id_column}` are {' and '.join(sorted(kinds))} in different "
            "parts of the data. Give them one type."
        )
    filled = [array for array in arrays if len(array)]
    return pa.chunked_array(filled or arrays[:1])


def _kind(given: pa.DataType, id_column: str, source: str) -> Kind:
    if pa.types.is_integer(given) and given != pa.uint64():
        return "integer"
    if pa.types.is_string(given) or pa.types.is_large_string(given):
        return "text"
    raise InputError(
        f"{source}: the ids in `{id_column}` are {given}; expected whole numbers of at most 64 "
        "bits with a sign, or text. Cast them in the query, for example "
        f"CAST({id_column} AS CHAR(36)) AS {id_column}."
    )


def _check_distinct(ids: pa.ChunkedArray, id_column: str, source: str) -> None:
    counts = pc.value_counts(ids)
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if not len(repeated):
        return
    named = ", ".join(
        f"`{item['values']}` ({item['counts']:,} rows)"
        for item in repeated.slice(0, _NUM_NAMED).to_pylist()
    )
    more = len(repeated) - _NUM_NAMED
    raise InputError(
        f"{source}: {count(len(repeated), 'id')} in `{id_column}` "
        f"{'occurs' if len(repeated) == 1 else 'occur'} in several rows: {named}"
        + (f" and {more:,} more" if more > 0 else "")
        + ". A table has one row for each id, and which prediction counts is not for this command "
        "to choose. Make the ids distinct in the query, or name another column with --id."
    )
