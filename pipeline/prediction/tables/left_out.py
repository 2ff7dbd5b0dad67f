"""Rows of a database that cannot be read for the model, named by their ids."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from common.errors import InputError
from common.output_folder import replace_file
from pipeline.prediction.tables.source import DatabaseSource

_NUM_NAMED = 5


def name_rows(left_out: Path, files: Sequence[Path], source: DatabaseSource) -> str:
    """Adds the ids to the list of the rows that were left out.

    Args:
        left_out: The list: one JSON object a line.
        files: The Parquet files that the rows were read into.
        source: Where they came from.

    Returns:
        The first ids, in words.
    """
    by_path = {str(file.absolute()): file for file in files}
    lines = [json.loads(line) for line in left_out.read_text(encoding="utf-8").splitlines()]
    ids: list[Any] = []
    for line in lines:
        file = by_path[str(Path(line["path"]).absolute())]
        column = pq.read_table(file, columns=[source.id_column]).column(0)
        ids.append(column[line["row"] - 1].as_py())
        line["path"] = source.name
    named = [{source.id_column: row_id} | line for row_id, line in zip(ids, lines, strict=True)]
    text = "".join(json.dumps(line, ensure_ascii=False, default=str) + "\n" for line in named)
    replace_file(left_out, text.encode())
    more = len(ids) - _NUM_NAMED
    return (
        f"left out, by `{source.id_column}`: "
        + ", ".join(map(str, ids[:_NUM_NAMED]))
        + (f" and {more:,} more" if more > 0 else "")
    )


@contextmanager
def source_words(folder: Path, source: DatabaseSource) -> Iterator[None]:
    """Names the database in errors where they name the files that its rows were read into.

    Raises:
        InputError: As within, in these words.
    """
    try:
        yield
    except InputError as error:
        text = str(error)
        files = sorted(map(str, folder.glob("*.parquet")), key=len, reverse=True)
        for path in (*files, str(folder)):
            text = text.replace(path, source.name)
        raise InputError(text) from error
