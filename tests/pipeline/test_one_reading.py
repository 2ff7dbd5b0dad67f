"""init, run and predict read equal values: generated tables whose truth is known.

Each table is written in a way of its own: types, missing marks, number and time formats, encodings,
file layouts. `init` proposes a config; what ingestion and prediction then read must be the truth,
or the command must have refused.
"""

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from common.errors import InputError
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.onboarding import initialise
from pipeline.prediction.contract import reading_spec
from pipeline.prediction.files import input_files
from pipeline.prediction.files.reading import ReadPlan, read_rows
from pipeline.prediction.model_columns import decide_columns as columns_of_model
from pipeline.reading.columns import Profile, decide_columns
from pipeline.reading.files import listing, sources
from pipeline.reading.ingest_spec import make_ingest_spec
from pipeline.reading.typing_rows import type_batch
from serving.client import TensorSpec
from serving.client.rows import encode_rows

pytestmark = pytest.mark.e2e  # minutes, though without TensorFlow

NUM_TABLES = 200
NUM_ROWS = 160
_START = datetime(2024, 1, 3, 5, 0, tzinfo=UTC)
_DATE_FORMATS = (
    *("%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d.%m.%Y %H:%M"),
    *("%d.%m.%y %H:%M", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S", "%d-%b-%Y %H:%M"),
)
_TRUTHS = (("True", "False"), ("yes", "no"), ("ON", "OFF"), ("Y", "N"), ("true", "false"))
_MARKS = ("", "-", "NA", "n/a", "error", "-9999", "--", "nan")
_ENCODINGS = ("utf-8", "utf-8-sig", "cp1252", "utf-16")


@dataclass
class Style:
    """How a table is written."""

    delimiter: str
    decimal: str
    encoding: str
    date_format: str
    truth: tuple[str, str]
    units_row: bool
    layout: str
    marks: dict[str, str] = field(default_factory=dict)
    suffix: str = ""


def _style(rng: np.random.Generator) -> Style:
    def choose(options: Any) -> Any:
        return options[int(rng.integers(len(options)))]

    delimiter = choose([",", ";", "\t", "|"])
    numbers = ("pressure", "temperature", "flow")
    return Style(
        delimiter=delimiter,
        decimal="," if delimiter != "," and rng.random() < 0.5 else ".",
        encoding=choose(_ENCODINGS),
        date_format=choose(_DATE_FORMATS),
        truth=choose(_TRUTHS),
        units_row=bool(rng.random() < 0.2),
        layout=choose(["one", "two", "upper", "gzip", "brackets", "parquet", "quoted", "blanks"]),
        marks={name: choose(_MARKS) for name in numbers},
        suffix=choose(["", "", "", " bar"]),
    )


def _truth_of(rng: np.random.Generator) -> pd.DataFrame:
    pressure = (4 + rng.normal(size=NUM_ROWS)).round(3)
    risk = pressure + rng.normal(0, 0.3, NUM_ROWS)
    frame = pd.DataFrame(
        {
            "pressure": pressure,
            "temperature": (310 + 5 * rng.normal(size=NUM_ROWS)).round(2),
            "flow": rng.integers(1_000, 9_000, NUM_ROWS).astype(float),
            "door_open": rng.random(NUM_ROWS) < 0.4,
            "maker": rng.choice(["Acme", "Zürich AG", "Infinity"], NUM_ROWS),
            "when": [_START + timedelta(hours=7 * n) for n in range(NUM_ROWS)],
            "failed": (risk > np.sort(risk)[-24]).astype(int),
        }
    )
    for name in ("pressure", "temperature", "flow"):
        frame.loc[rng.random(NUM_ROWS) < 0.08, name] = np.nan
    return frame


def _number(value: float, name: str, style: Style) -> str:
    if np.isnan(value):
        return style.marks[name]
    digits = {"pressure": 3, "temperature": 2, "flow": 0}[name]
    text = f"{value:.{digits}f}".replace(".", style.decimal)
    return text + (style.suffix if name == "pressure" else "")


def _texts(frame: pd.DataFrame, style: Style) -> list[list[str]]:
    rows = []
    for _, row in frame.iterrows():
        cells = [_number(row[n], n, style) for n in ("pressure", "temperature", "flow")]
        cells += [style.truth[0] if row["door_open"] else style.truth[1], row["maker"]]
        rows.append([*cells, row["when"].strftime(style.date_format), str(row["failed"])])
    return rows


def _csv_text(frame: pd.DataFrame, style: Style) -> str:
    stream = io.StringIO()
    quoting = csv.QUOTE_ALL if style.layout == "quoted" else csv.QUOTE_MINIMAL
    writer = csv.writer(stream, delimiter=style.delimiter, quoting=quoting)
    blank = " " if style.layout == "blanks" else ""
    writer.writerow([blank + name for name in frame.columns])
    if style.units_row:
        writer.writerow(["bar", "K", "l/min", "", "", "", ""])
    writer.writerows([[blank + cell for cell in cells] for cells in _texts(frame, style)])
    return stream.getvalue()


def _write(frame: pd.DataFrame, style: Style, folder: Path) -> Path:
    folder.mkdir(parents=True)
    if style.layout == "parquet":
        frame.assign(when=frame["when"].dt.tz_convert(None)).to_parquet(folder / "t.parquet")
        return folder / "t.parquet"
    names = {"upper": "T.CSV", "gzip": "t.csv.gz", "two": "a.csv"}
    parts = [frame[:100], frame[100:]] if style.layout == "two" else [frame]
    for part, name in zip(parts, (names.get(style.layout, "t.csv"), "b.csv"), strict=False):
        content = _csv_text(part, style).encode(style.encoding)
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder if style.layout == "two" else folder / names.get(style.layout, "t.csv")


def _examples(config: Config, data: Path) -> pa.Table:
    """What ingestion reads, before it assigns rows to splits."""
    spec = make_ingest_spec(config)
    files = listing.list_files(str(data))
    pieces = sources.plan_pieces(files, sources.common_format(files), layout=spec.layout)
    profile = Profile()
    for piece in pieces:
        for raw in sources.read_piece(piece):
            profile.add_batch(raw.batch, spec, csv=piece.format == "csv")
    columns = decide_columns(profile, spec)
    return pa.Table.from_batches(
        [
            type_batch(raw, columns, spec, path=piece.path).batch
            for piece in pieces
            for raw in sources.read_piece(piece)
        ]
    )


def _asked(config: Config, data: Path, examples: pa.Table) -> dict[str, np.ndarray]:
    """What `predict` sends to the served model for the same rows."""
    spec = reading_spec(config, None)
    pieces = input_files.plan_pieces(input_files.find_input_files(str(data)), spec.layout)
    inputs = {
        name: TensorSpec(name=name, dtype=_dtype(examples.schema.field(name).type), shape=(-1,))
        for name in config.features
    }
    plan = ReadPlan(columns=columns_of_model(inputs, pieces, spec), spec=spec)
    parts = [
        encode_rows(rows.features, inputs) for piece in pieces for rows in read_rows(piece, plan)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in inputs}


def _dtype(kind: pa.DataType) -> np.dtype[Any]:
    if pa.types.is_floating(kind):
        return np.dtype("float32")
    return np.dtype("int64") if pa.types.is_integer(kind) else np.dtype("object")


_EXPECTED: dict[str, Callable[[Any], Any]] = {
    **{n: lambda v: None if np.isnan(v) else np.float32(v) for n in ("pressure", "temperature")},
    "flow": lambda v: None if np.isnan(v) else np.float32(v),
    "door_open": lambda v: b"true" if v else b"false",
    "maker": lambda v: v.encode(),
    "when": lambda v: int(v.timestamp()),
    "failed": int,
}


def _on_disk(when: datetime, style: Style) -> datetime:
    """The time to the precision of its format."""
    if style.layout == "parquet" or "%S" in style.date_format:
        return when
    return when.replace(second=0)


def _differences(
    truth: pd.DataFrame, style: Style, examples: pa.Table, asked: dict[str, np.ndarray]
) -> Iterator[str]:
    for name, expected in _EXPECTED.items():
        values = [
            expected(_on_disk(v, style) if name == "when" else v) for v in truth[name].tolist()
        ]
        read = examples.column(name).to_pylist()
        if len(read) != len(values):
            yield f"{len(read)} examples of {len(values)} rows"
            return
        if read != values:
            place = next(i for i, (a, b) in enumerate(zip(read, values, strict=False)) if a != b)
            yield f"example {name}[{place}]: {read[place]!r}, truth {values[place]!r}"
        if name in asked:
            sent = [_as_read(v) for v in asked[name].tolist()]
            if sent != [None if v is None else _as_read(v) for v in values]:
                yield f"predict {name}: {sent[:5]}, truth {values[:5]}"


def _as_read(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else np.float32(value)
    return None if value == b"" else value


def _outcome(seed: int, folder: Path) -> str:
    """`equal`, `refused`, or what differs."""
    rng = np.random.default_rng(seed)
    style, truth = _style(rng), _truth_of(rng)
    base = folder / ("line [A]" if style.layout == "brackets" else "data")
    data = _write(truth, style, base)
    try:
        initialise(
            str(data), label="failed", positive=None, name="t", project_dir=folder, force=True
        )
        config = load_config(folder / "configs" / "t.yaml")
        examples = _examples(config, data)
        asked = _asked(config, data, examples)
    except InputError as error:
        return f"refused: {error}"
    problems = list(_differences(truth, style, examples, asked))
    return "; ".join([*problems, str(style)]) if problems else "equal"


@pytest.mark.parametrize("block", range(10))
def test_examples_and_requests_are_the_truth_or_the_command_refused(block, tmp_path):
    size = NUM_TABLES // 10
    outcomes = {
        seed: _outcome(seed, tmp_path / str(seed))
        for seed in range(block * size, (block + 1) * size)
    }
    wrong = {s: o for s, o in outcomes.items() if o != "equal" and not o.startswith("refused")}
    assert wrong == {}
    refused = [o for o in outcomes.values() if o.startswith("refused")]
    assert len(refused) <= size // 10, refused
