"""Twelve kinds of broken input: what was wrong and where, exit code 2, and nothing pushed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.e2e.harness import CONFIG, PROJECT, Faultline, wells_csv, write_wells

pytestmark = pytest.mark.e2e

_ROWS = wells_csv(80).splitlines(keepends=True)
_HEADER, _GOOD = _ROWS[0], "".join(_ROWS)


@dataclass(frozen=True)
class Broken:
    """One kind of broken input.

    Attributes:
        kind: What is broken.
        words: Regular expressions that the error must match.
        data: The CSV file.
        config: The YAML file.
        prepare: What else to do to the folder.
    """

    kind: str
    words: tuple[str, ...]
    data: str | bytes = _GOOD
    config: str = CONFIG
    prepare: Callable[[Path], object] = lambda _: None


def _with_labels(labels: list[int]) -> str:
    lines = [f"{row[: row.rindex(',')]},{f}\n" for row, f in zip(_ROWS[1:], labels, strict=True)]
    return "".join([_HEADER, *lines])


def _with_line(number: int, line: str) -> str:
    """The good data with one line, counted from 1 as an editor counts, replaced."""
    return "".join([*_ROWS[: number - 1], line, *_ROWS[number:]])


def _truncate_parquet(folder: Path) -> None:
    path = folder / "wells.parquet"
    pq.write_table(pa.table({"pressure": [1.0] * 1000, "faulty": [0, 1] * 500}), path)
    path.write_bytes(path.read_bytes()[:-100])


_CASES = (
    Broken(
        "no such file",
        ("No data found at absent.csv", "relative to the config"),
        config=CONFIG.replace("wells.csv", "absent.csv"),
    ),
    Broken("an empty file", (r"wells\.csv is empty", "needs a header and rows"), data=""),
    Broken("a header only", (r"wells\.csv: a header, but no rows",), data=_HEADER),
    Broken(
        "a missing label column",
        (r"The label column `broken` is not in .*wells\.csv", "Columns found: .*`faulty`"),
        config=CONFIG.replace("column: faulty", "column: broken"),
    ),
    Broken(
        "one class only",
        ("`faulty` has one class only", "0 positive and 80 negative rows", r"label\.positive"),
        data=_with_labels([0] * 80),
    ),
    Broken(
        "fewer positives than splits need",
        ("2 positive and 78 negative rows", "at least 3 of each class"),
        data=_with_labels([1] * 2 + [0] * 78),
    ),
    Broken(
        "a ragged row past the limit",
        (r"wells\.csv", "line 42", "has 5 fields, the header has 4", r"data\.max_bad_rows = 0"),
        data=_with_line(42, "200.0,350.0,a,0,extra\n"),
    ),
    Broken(
        "an undecodable byte",
        (r"wells\.csv", "line 7", "`maker`", "expected UTF-8 text"),
        data=_with_line(7, "200.0,350.0,@,0\n").encode().replace(b"@", b"\xff"),
    ),
    Broken(
        "a column that changes type",
        (r"wells\.csv", "line 60", "`pressure`", "`high` found, expected a number"),
        data=_with_line(60, "high,350.0,a,0\n"),
    ),
    Broken(
        "an unknown YAML key",
        (r"wells\.yaml, line 12", r"unknown key `train\.epoch`", "did you mean `epochs`"),
        config=CONFIG.replace("epochs:", "epoch:"),
    ),
    Broken(
        "a truncated Parquet file",
        (r"wells\.parquet is not a readable Parquet file", "truncated"),
        config=CONFIG.replace("wells.csv", "wells.parquet"),
        prepare=_truncate_parquet,
    ),
    Broken(
        "an output folder that cannot be written",
        ("Cannot write to the output folder", "blocked/output", "--output"),
        # A file in the way stops the superuser too, whom no permission stops.
        prepare=lambda folder: (folder / "blocked").touch(),
    ),
)


@pytest.mark.parametrize("broken", _CASES, ids=[case.kind for case in _CASES])
def test_broken_input_is_explained_with_exit_code_2_and_nothing_is_pushed(broken, tmp_path):
    faultline = Faultline(PROJECT, tmp_path / "work")
    write_wells(faultline.cwd, broken.data, broken.config)
    broken.prepare(faultline.cwd)
    served = faultline.output / "serving" / "wells" / "1" / "saved_model.pb"
    served.parent.mkdir(parents=True)
    served.write_text("what was pushed before")
    blocked = ["--output", "blocked/output"] if (faultline.cwd / "blocked").exists() else []

    done = faultline("run", "--config", "wells.yaml", *blocked)

    assert done.code == 2, done.err + faultline.last_log()
    for words in broken.words:
        assert re.search(words, done.err), f"{words!r} is not in: {done.err}"
    assert done.err.startswith("Error: ")
    assert "Traceback" not in done.out + done.err
    serving = faultline.output / "serving"
    assert [path for path in serving.rglob("*") if path.is_file()] == [served]
    assert served.read_text() == "what was pushed before"
