"""Raw recordings as people have them, for the tests of their assembly."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import Data, Label
from pipeline.reading.recordings.assembling import Assembled, Target, assemble
from pipeline.recording_options import Recordings

LABEL = Label(column="state", positive="bad")


def write_csv(path: Path, rows: list[str]) -> None:
    """Writes a CSV file and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_signals(folder: Path, names: list[str], num_samples: int = 4) -> None:
    """Writes one CSV file for each name: `t` in 0.1 s, `acc` counts up from the file's number."""
    for number, name in enumerate(names):
        rows = [f"{place / 10},{number + place}" for place in range(num_samples)]
        write_csv(folder / name, ["t,acc", *rows])


def assembled(
    folder: Path,
    path: str,
    *,
    label: Label | None = LABEL,
    rates: dict[str, float] | None = None,
    units: Sequence[tuple[str, str]] = (),
    data: dict[str, Any] | None = None,
    target: Target | None = None,
    **options: Any,
) -> Assembled:
    """Assembles what is at a path below a folder; `options` are those of `data.recordings`."""
    return assemble(
        path,
        Data(path=path, recordings=Recordings(**options), **(data or {})),
        label=label,
        folder=folder,
        target=target or Target(folder=folder / "output"),
        rates=rates,
        units=units,
    )


def table(result: Assembled) -> pa.Table:
    """Returns the assembled table."""
    return pa.concat_tables(pq.read_table(file) for file in result.files)


def rows(result: Assembled) -> list[dict[str, Any]]:
    """Returns the rows of the assembled table."""
    return list(table(result).to_pylist())


def sine(num_samples: int, rate_hz: float, frequency_hz: float) -> np.ndarray[Any, Any]:
    """Returns a sine, float32 [samples]."""
    times_s = np.arange(num_samples) / rate_hz
    return np.sin(2 * np.pi * frequency_hz * times_s).astype(np.float32)
