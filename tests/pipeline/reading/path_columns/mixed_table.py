"""A table with a picture, a sound and a trace in each row."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from pipeline.config import Data
from pipeline.data_options.path_columns import PathColumn

COLUMNS = {
    "photo": PathColumn(holds="image"),
    "sound": PathColumn(holds="audio"),
    "trace": PathColumn(holds="signal", channels=("x",), time_column="t"),
}


def picture(shade: int) -> bytes:
    """Returns a grey PNG."""
    file = io.BytesIO()
    Image.new("L", (16, 12), shade).save(file, "PNG")
    return file.getvalue()


def write_mixed(folder: Path, num_rows: int, *, step_s: float = 0.1) -> Path:
    """Writes `parts.csv` with a row for each of its files; each fifth row is faulty."""
    for name in ("photos", "sounds", "traces"):
        (folder / name).mkdir(parents=True)
    rows = ["nr,temp,photo,sound,trace,faulty"]
    rng = np.random.default_rng(0)
    for number in range(num_rows):
        (folder / f"photos/{number}.png").write_bytes(picture(number % 250))
        soundfile.write(folder / f"sounds/{number}.wav", 0.1 * rng.normal(size=800), 4_000)
        samples = [f"{place * step_s:.3f};{number + place}" for place in range(10)]
        (folder / f"traces/{number}.csv").write_text("\n".join(["t;x", *samples]) + "\n")
        files = f"photos/{number}.png,sounds/{number}.wav,traces/{number}.csv"
        temp = 20 + number % 7 + rng.normal()
        rows.append(f"{number},{temp:.3f},{files},{int(number % 5 == 0)}")
    (folder / "parts.csv").write_text("\n".join(rows) + "\n")
    return folder / "parts.csv"


def edit(table: Path, old: str, new: str) -> None:
    """Replaces a text that the table has once."""
    text = table.read_text()
    assert text.count(old) == 1, (old, text.count(old))
    table.write_text(text.replace(old, new))


def data(**changes: Any) -> Data:
    """The `data` block of the table."""
    options: dict[str, Any] = {"path": "parts.csv", "path_columns": COLUMNS}
    return Data(**(options | changes))
