"""Text with a recording in each line: decimal commas and encodings."""

from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from pipeline.reading.recordings.discovery import discover
from pipeline.recording_options import RowsOfFile
from tests.pipeline.reading.recordings.raw_files import assembled, rows

LABELS = [1, 2, 2, 1, 2, 2, 2, 2]
TEXT = RowsOfFile(label_at="first", num_samples=16)


def text(delimiter: str, decimal: str) -> str:
    lines = [
        delimiter.join([str(label), *(f"{place + x:.3f}" for x in np.sin(np.arange(16) / 5))])
        for place, label in enumerate(LABELS)
    ]
    return "\n".join([*lines, ""]).replace(".", decimal)


@pytest.mark.parametrize("delimiter", [";", "\t", " "])
def test_decimal_commas_are_found_and_read(tmp_path: Path, delimiter: str):
    (tmp_path / "a.txt").write_text(text(delimiter, ","))
    found = discover(str(tmp_path / "a.txt"), labels=None, label=None)
    assert found is not None
    assert (found.recordings.rows, found.data) == (TEXT, {"decimal": ","})
    result = assembled(tmp_path, "a.txt", form="rows", rows=TEXT, data={"decimal": ","})
    assert [row["state"] for row in rows(result)] == [str(label) for label in LABELS]
    # The second sample is the place of the recording and sin(0.2) = 0.19867.
    assert rows(result)[3]["signal"][1] == pytest.approx(3.199)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_text_with_a_mark_of_its_encoding_is_read(tmp_path: Path, encoding: str):
    (tmp_path / "a.tsv").write_text(text("\t", "."), encoding=encoding)
    found = discover(str(tmp_path / "a.tsv"), labels=None, label=None)
    assert found is not None
    assert (found.recordings.rows, found.data) == (TEXT, {})
    result = assembled(tmp_path, "a.tsv", form="rows", rows=TEXT)
    assert [row["signal"][0] for row in rows(result)] == list(range(8))


def test_utf_16_without_a_mark_is_refused(tmp_path: Path):
    (tmp_path / "a.tsv").write_text(text("\t", "."), encoding="utf-16-le")
    with pytest.raises(InputError, match=r"neither UTF-8 .* byte order mark; save it as UTF-8"):
        discover(str(tmp_path / "a.tsv"), labels=None, label=None)
