import shutil
import subprocess

import numpy as np
import pytest
from rich.console import Console

from common.errors import InputError
from pipeline.explaining.explain import (
    Explanation,
    TestSplit,
    find_row,
    render_explanation,
    write_page,
)
from pipeline.explaining.importance import Importance

SPLIT = TestSplit(
    columns={
        "number": np.array([1.5, 2.5, 2.5]),
        "text": np.array([b"a", b"b", b"c"], object),
        "signal": np.zeros((3, 2)),
    },
    labels=np.array([0, 1, 0]),
    others={"id": ["r1", "r2", "r3"]},
)
FOUND = Explanation(
    run="run-1",
    use_case="wells",
    row=1,
    label=1,
    probability=0.9,
    baseline_probability=0.1,
    gap=0.0001,
    parts={"number": [0.1], "signal": [0.3, 0.4]},
    values={"number": None, "text": "<b>", "signal": [1.0, None]},
    importances=[Importance("signal", 0.5, 0.4, 0.6)],
)


@pytest.mark.parametrize(
    ("row", "where", "expected"),
    [(2, None, 2), (None, "id=r2", 1), (None, "text=c", 2), (None, "number=1.5", 0)],
)
def test_a_row_is_found_by_its_number_or_a_value(row, where, expected):
    assert find_row(SPLIT, row, where) == expected


@pytest.mark.parametrize(
    ("row", "where", "words"),
    [
        (3, None, "no row 3 in the test split; it has 0 to 2"),
        (-1, None, "no row -1"),
        (None, None, "no row None"),
        (None, "id=r9", "0 rows of the test split have id=r9; exactly one is needed, such as r1"),
        (None, "number=2.5", "2 rows"),
        (None, "maker=x", "columns id, number, text; got maker=x"),
        (None, "id", "COLUMN=VALUE"),
    ],
)
def test_a_row_that_is_not_there_is_told_with_what_is(row, where, words):
    with pytest.raises(InputError, match=words):
        find_row(SPLIT, row, where)


def test_the_terminal_shows_parts_by_size_and_what_columns_are_worth():
    console = Console(width=100)
    with console.capture() as captured:
        console.print(render_explanation(FOUND))
    text = captured.get()

    assert text.index("signal") < text.index("number")
    for words in ("+0.7000", "+0.1000", "2 samples", "missing", "0.9000", "0.5000"):
        assert words in text


def test_the_page_escapes_and_names_nothing_elsewhere(tmp_path):
    page = write_page(FOUND, tmp_path)
    text = page.read_text()
    own = text.split("<script>")[0] + text.rsplit("<script>", 1)[1]

    assert page.name == "explain-wells-1.html"
    assert "http" not in own
    assert '"values": [1.0, null]' in own


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_browser_shows_the_page_without_an_error(tmp_path):
    page, picture = write_page(FOUND, tmp_path), tmp_path / "page.png"

    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *("--v=0", "--virtual-time-budget=5000", f"--user-data-dir={tmp_path / 'profile'}"),
            *(f"--screenshot={picture}", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert picture.stat().st_size > 10_000
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
