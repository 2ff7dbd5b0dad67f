"""Generated tables whose truth is known, each written in a style of its own.

A style is a choice of delimiter, decimal mark, thousands separator, encoding, date format, truth
values, missing marks, row of units, and layout of files.
"""

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tests.pipeline.spreadsheets import write_sheet

NUM_ROWS = 160
NUMBERS = ("pressure", "temperature", "flow")
_START = datetime(2024, 1, 3, 5, 0, tzinfo=UTC)
_EPOCHS = {"epoch s": 1, "epoch ms": 1_000}
_DATE_FORMATS = (
    *("%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d.%m.%Y %H:%M"),
    *("%d.%m.%y %H:%M", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S", "%d-%b-%Y %H:%M"),
    *("%m/%d/%Y %H:%M", "%Y-%m-%dT%H:%M:%SZ", *_EPOCHS),
)
_TRUTHS = (
    *(("True", "False"), ("yes", "no"), ("ON", "OFF"), ("Y", "N"), ("true", "false")),
    *(("ja", "nein"), ("oui", "non"), ("WAHR", "FALSCH")),
)
WORD_MARKS = ("", "-", "NA", "n/a", "error", "--", "nan")
_ENCODINGS = ("utf-8", "utf-8-sig", "cp1252", "utf-16")
_LAYOUTS = (
    *("one", "two", "upper", "gzip", "brackets", "parquet", "quoted", "blanks"),
    *("sheet", "folders", "headerless", "separator line"),
)
_SEPARATORS = (None, None, ",", ".", " ", "'")


@dataclass
class Style:
    """How a table is written."""

    delimiter: str
    decimal: str
    thousands: str | None
    encoding: str
    date_format: str
    truth: tuple[str, str]
    units_row: bool
    layout: str
    flow_digits: int
    marks: dict[str, str] = field(default_factory=dict)
    suffix: str = ""

    @property
    def header(self) -> tuple[str, ...] | None:
        """The names to give to `init`, for files without a header."""
        return tuple(EXPECTED) if self.layout == "headerless" else None

    @property
    def is_typed(self) -> bool:
        """Whether the file stores times as such."""
        return self.layout in ("parquet", "sheet")


def make_style(
    rng: np.random.Generator, *, marks: tuple[str, ...] = (*WORD_MARKS, "-9999")
) -> Style:
    """Returns a random style.

    Args:
        rng: The source of randomness.
        marks: What may mean a missing number.
    """

    def choose(options: Any) -> Any:
        return options[int(rng.integers(len(options)))]

    delimiter = choose([",", ";", "\t", "|"])
    decimal = "," if delimiter != "," and rng.random() < 0.5 else "."
    layout = choose(_LAYOUTS)
    thousands = choose(_SEPARATORS)
    style = Style(
        delimiter=delimiter,
        decimal=decimal,
        thousands=None if thousands in (decimal, delimiter) else thousands,
        encoding=choose(_ENCODINGS),
        date_format=choose(_DATE_FORMATS),
        truth=choose(_TRUTHS),
        units_row=bool(rng.random() < 0.2 and layout not in ("headerless", "separator line")),
        layout=layout,
        flow_digits=choose([0, 0, 1]),
        marks={name: choose(marks) for name in NUMBERS},
        suffix=choose(["", "", "", " bar"]),
    )
    # 1,234 alone may be 1.234 as well, which `init` asks about.
    return replace(style, flow_digits=1) if style.thousands == "," else style


def vary_style(style: Style, rng: np.random.Generator, *, marks: tuple[str, ...]) -> Style:
    """Returns a style that differs from another one in some respects, or in none."""
    other = make_style(rng, marks=marks)
    changed = {
        one.name: getattr(other if rng.random() < 0.25 else style, one.name)
        for one in fields(Style)
    }
    if changed["thousands"] in (changed["decimal"], changed["delimiter"]):
        changed["thousands"] = None
    return Style(**changed)


def make_truth(rng: np.random.Generator) -> pd.DataFrame:
    """Returns the values of a table; the first 24 in the order of risk are faults."""
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
    for name in NUMBERS:
        frame.loc[rng.random(NUM_ROWS) < 0.08, name] = np.nan
    return frame


def _number(value: float, name: str, style: Style) -> str:
    if np.isnan(value):
        return style.marks[name]
    digits = {"pressure": 3, "temperature": 2, "flow": style.flow_digits}[name]
    text = f"{value:,.{digits}f}".translate(
        {ord(","): style.thousands or "", ord("."): style.decimal}
    )
    return text + (style.suffix if name == "pressure" else "")


def _time(value: datetime, style: Style) -> str:
    if style.date_format in _EPOCHS:
        return str(int(value.timestamp()) * _EPOCHS[style.date_format])
    return value.strftime(style.date_format)


def _texts(frame: pd.DataFrame, style: Style) -> list[list[str]]:
    rows = []
    for _, row in frame.iterrows():
        cells = [_number(row[name], name, style) for name in NUMBERS]
        cells += [style.truth[0] if row["door_open"] else style.truth[1], row["maker"]]
        rows.append([*cells, _time(row["when"], style), str(row["failed"])])
    return rows


def _records(frame: pd.DataFrame, style: Style) -> list[list[str]]:
    units = [["bar", "K", "l/min", "", "", "", ""]] if style.units_row else []
    header = [] if style.header else [list(frame.columns)]
    return [*header, *units, *_texts(frame, style)]


def _csv_text(frame: pd.DataFrame, style: Style) -> str:
    stream = io.StringIO()
    if style.layout == "separator line":
        stream.write(f"sep={style.delimiter}\r\n")
    writer = csv.writer(
        stream,
        delimiter=style.delimiter,
        quoting=csv.QUOTE_ALL if style.layout == "quoted" else csv.QUOTE_MINIMAL,
    )
    blank = " " if style.layout == "blanks" else ""
    writer.writerows([blank + cell for cell in cells] for cells in _records(frame, style))
    return stream.getvalue()


def _write_typed(frame: pd.DataFrame, folder: Path) -> Path:
    frame.assign(when=frame["when"].dt.tz_convert(None)).to_parquet(folder / "t.parquet")
    return folder / "t.parquet"


def _write_sheet(frame: pd.DataFrame, style: Style, folder: Path) -> Path:
    """Cells as a person enters them: numbers, dates and truth values; marks are texts."""
    units = [["bar", "K", "l/min"]] if style.units_row else []
    rows = [
        [
            *(style.marks[name] if np.isnan(row[name]) else row[name] for name in NUMBERS),
            *(bool(row["door_open"]), row["maker"], row["when"].replace(tzinfo=None)),
            row["failed"],
        ]
        for _, row in frame.iterrows()
    ]
    return write_sheet(folder / "t.xlsx", list(frame.columns), *units, *rows)


def write_table(frame: pd.DataFrame, style: Style, folder: Path) -> Path:
    """Writes a table into a new folder; returns the file or the folder to read."""
    base = folder / ("line [A]" if style.layout == "brackets" else "data")
    base.mkdir(parents=True)
    if style.layout == "parquet":
        return _write_typed(frame, base)
    if style.layout == "sheet":
        return _write_sheet(frame, style, base)
    names = {
        "upper": ["T.CSV"],
        "gzip": ["t.csv.gz"],
        "two": ["a.csv", "b.csv"],
        "folders": ["x/a.csv", "y/a.csv"],
    }.get(style.layout, ["t.csv"])
    parts = [frame[:100], frame[100:]] if len(names) > 1 else [frame]
    for part, name in zip(parts, names, strict=True):
        content = _csv_text(part, style).encode(style.encoding)
        path = base / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return base if len(names) > 1 else base / names[0]


EXPECTED: dict[str, Callable[[Any], Any]] = {
    **{name: lambda v: None if np.isnan(v) else np.float32(v) for name in NUMBERS},
    "door_open": lambda v: b"true" if v else b"false",
    "maker": lambda v: v.encode(),
    "when": lambda v: int(v.timestamp()),
    "failed": int,
}


def expected_values(truth: pd.DataFrame, name: str, style: Style) -> list[Any]:
    """Returns what a column must be read as; a time to the precision of its format."""
    values = truth[name].tolist()
    is_rounded = name == "when" and not style.is_typed and style.date_format not in _EPOCHS
    if is_rounded and "%S" not in style.date_format:
        values = [value.replace(second=0) for value in values]
    return [EXPECTED[name](value) for value in values]


def differences(
    truth: pd.DataFrame, style: Style, examples: pa.Table | None, asked: dict[str, np.ndarray]
) -> Iterator[str]:
    """Yields where examples, or the inputs that a model is asked with, are not the truth."""
    for name in EXPECTED:
        values = expected_values(truth, name, style)
        if examples is not None:
            yield from _compared("example", name, examples.column(name).to_pylist(), values)
        if name in asked:
            yield from _compared("request", name, asked[name].tolist(), values)


def _compared(where: str, name: str, read: list[Any], values: list[Any]) -> Iterator[str]:
    if len(read) != len(values):
        yield f"{where}: {len(read)} of {len(values)} rows"
        return
    for place, (one, value) in enumerate(zip(map(as_read, read), values, strict=True)):
        if one != value:
            yield f"{where} {name}[{place}]: {one!r}, truth {value!r}"
            return


def as_read(value: Any) -> Any:
    """Returns an input of a model as a value of an example: a missing one is None."""
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else np.float32(value)
    return None if value == b"" else value
