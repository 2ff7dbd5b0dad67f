"""Errors of damaged Parquet files, which name the file and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from common.errors import InputError


@contextmanager
def damage_named(path: Path, content: str) -> Iterator[None]:
    """Turns errors of reading a Parquet file into one that names it.

    Args:
        path: The file.
        content: What it holds, in the plural, such as `labels`.

    Raises:
        InputError: The file is damaged, or this account may not read it.
        FileNotFoundError: It was removed.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        reason = str(error).rstrip(".")
        raise InputError(
            f"{path} cannot be read: {reason}. Restore it from a backup. Without one, move it out "
            f"of the folder; its {content} are then lost."
        ) from error
