"""Simulated data sets of one file an example: their options, and how their folder is written."""

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from datasets.options import suggest

MANIFEST = "manifest.json"
LABELS = "labels.csv"
NO_FAULT = "none"

# A file's name, its content, and its row in the table of labels.
Example = tuple[str, bytes, Mapping[str, Any]]
# A dataclass of arrays of shape [n], one of them `fault_kind`.
Drawn = TypeVar("Drawn")


class FolderOptions(BaseModel, frozen=True, extra="forbid", strict=True):
    """Options of every simulated data set of files.

    Attributes:
        seed: Seed of every random draw, >= 0.
        num_healthy: Healthy examples, >= 0.
        num_faulty: Faulty examples, >= 0.
    """

    seed: Annotated[int, Field(ge=0)] = 0
    num_healthy: Annotated[int, Field(ge=0)]
    num_faulty: Annotated[int, Field(ge=0)]

    @classmethod
    def read(cls, name: str, options: Mapping[str, Any]) -> Self:
        """Builds the options of data set `name` from the names and values of a YAML file.

        Raises:
            ValueError: A name is unknown, a value has the wrong type or range, or there is no
                example at all.
        """
        for key in options:
            if key not in cls.model_fields:
                message = suggest(str(key), cls.model_fields)
                raise ValueError(f"{name}: unknown option {key!r}. {message}")
        try:
            checked = cls.model_validate(dict(options))
        except ValidationError as error:
            first = error.errors()[0]
            message = f"{name}: {first['loc'][0]}: {first['msg']}, got {first['input']!r}"
            raise ValueError(message) from error
        if checked.num_healthy + checked.num_faulty == 0:
            raise ValueError(f"{name}: num_healthy + num_faulty must be > 0, got 0")
        return checked

    def digest(self, version: int) -> str:
        """SHA-256 of the options and of the simulator's version."""
        content = json.dumps([version, self.model_dump()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def draw_fault_kinds(
    rng: np.random.Generator, options: FolderOptions, mix: Mapping[str, float]
) -> NDArray[np.str_]:
    """Draws the fault of every example, [n]: exact counts, and one of each kind first.

    Args:
        rng: Random numbers.
        options: The numbers of healthy and faulty examples.
        mix: Share of each kind among the faulty.
    """
    kinds = np.array(list(mix))
    sure = kinds[: options.num_faulty]
    rest = rng.choice(kinds, options.num_faulty - len(sure), p=list(mix.values()))
    healthy = np.full(options.num_healthy, NO_FAULT)
    return rng.permutation(np.concatenate([healthy, sure, rest]))


def take_rows(drawn: Drawn, rows: slice) -> Drawn:
    """Returns some rows of every array."""
    return type(drawn)(**{name: values[rows] for name, values in vars(drawn).items()})


def describe_row(drawn: object, row: int, *, leave_out: Collection[str] = ()) -> dict[str, Any]:
    """Returns a row of the table of labels, with `is_faulty` as its last column.

    Args:
        drawn: A dataclass of arrays of shape [n], one of them `fault_kind`.
        row: The row.
        leave_out: Fields that are not in the table.
    """
    values = {name: column[row].item() for name, column in vars(drawn).items()}
    is_faulty = int(values["fault_kind"] != NO_FAULT)
    kept = {name: value for name, value in values.items() if name not in leave_out}
    return {**kept, "is_faulty": is_faulty}


def write_folder(folder: Path, *, name: str, digest: str, examples: Iterator[Example]) -> bool:
    """Writes `folder/name/` with a file an example, `labels.csv` and `manifest.json`.

    A folder whose manifest has this digest and whose files are unchanged is left untouched. The
    manifest is written last, so that an interrupted folder is written again. Other files in
    `folder` are left alone.

    Args:
        folder: Is made if it does not exist.
        name: Sub-folder of the examples' files.
        digest: Digest of everything that determines the examples.
        examples: The examples; not read if the folder is left untouched.

    Returns:
        Whether the folder was written.
    """
    manifest = folder / MANIFEST
    if _read_manifest(manifest) == {"options": digest, "sha256": _hash_files(folder, name)}:
        return False
    manifest.unlink(missing_ok=True)
    partial = folder / f".{name}.{os.getpid()}"
    partial.mkdir(parents=True)
    try:
        rows = list(_write_files(partial, examples))
        shutil.rmtree(folder / name, ignore_errors=True)
        partial.rename(folder / name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    with (folder / LABELS).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    content = {"options": digest, "sha256": _hash_files(folder, name)}
    manifest.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return True


def _write_files(folder: Path, examples: Iterator[Example]) -> Iterator[dict[str, Any]]:
    for name, content, row in examples:
        (folder / name).write_bytes(content)
        yield {"file": name, **row}


def _read_manifest(path: Path) -> object:
    """The content of the manifest; None if there is none or it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _hash_files(folder: Path, name: str) -> str:
    digest = hashlib.sha256()
    for path in [*sorted((folder / name).glob("*")), folder / LABELS]:
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
