"""The files that a table names take the place of their paths."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from common.errors import InputError
from pipeline.data_options.path_columns import PathColumn
from pipeline.reading.columns import Column
from pipeline.reading.files.sources import plan_pieces, read_piece
from pipeline.reading.path_columns.embedding import embed_files, list_inputs
from pipeline.reading.typing_rows import type_batch
from tests.pipeline.reading.path_columns.mixed_table import (
    COLUMNS,
    data,
    edit,
    picture,
    write_mixed,
)
from tests.pipeline.reading.specs import spec


def embed(folder, rates=None, **changes):
    return embed_files(
        "parts.csv", data(**changes), folder=folder, target=folder / "out", rates=rates
    )


def rows_of(embedded):
    [file] = Path(embedded.pattern).parent.glob("*.parquet")
    return pq.read_table(file).to_pylist()


def typed(embedded, columns, **changes):
    """The rows as ingestion reads them."""
    [file] = map(str, Path(embedded.pattern).parent.glob("*.parquet"))
    [piece] = plan_pieces([file], "parquet", whole_files=True)
    given = spec(label="faulty", path_columns=COLUMNS, media=("photo", "sound"), **changes)
    return [type_batch(raw, columns, given, path=file) for raw in read_piece(piece)]


LABEL = Column(name="faulty", type="label")
PHOTO = Column(name="photo", type="media")
TRACE = Column(name="trace", type="float list")


@pytest.mark.parametrize("is_unchanged", [True, False])
def test_the_draft_of_a_killed_process_is_removed(tmp_path, is_unchanged):
    write_mixed(tmp_path, 3)
    if is_unchanged:
        embed(tmp_path)
    draft = tmp_path / "out" / ".embedded-0123456789abcdef"
    draft.mkdir(parents=True)
    (draft / "00000-parts.csv.parquet").write_text("half a file")
    embed(tmp_path)
    assert not draft.exists()


def test_each_row_has_its_picture_sound_and_samples(tmp_path):
    write_mixed(tmp_path, 3)

    rows = rows_of(embed(tmp_path))

    assert [row["photo"] for row in rows] == [picture(0), picture(1), picture(2)]
    assert all(row["sound"].startswith(b"RIFF") for row in rows)
    assert rows[1]["trace"] == [1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert [row["nr"] for row in rows] == [b"0", b"1", b"2"]  # as it is written


def test_an_empty_path_is_a_missing_file_and_counted(tmp_path):
    table = write_mixed(tmp_path, 3)
    edit(table, "photos/1.png", "")
    edit(table, "traces/1.csv", "NA")

    embedded = embed(tmp_path)

    row = rows_of(embedded)[1]
    assert (row["photo"], row["trace"]) == (None, None)
    assert row["sound"] is not None
    assert embedded.notes == (
        "1 of 3 rows have no file in `photo`",
        "1 of 3 rows have no file in `trace`",
    )


def test_a_row_without_a_trace_has_a_gap_of_its_length(tmp_path):
    table = write_mixed(tmp_path, 3)
    edit(table, "traces/1.csv", "")

    [batch] = typed(embed(tmp_path), [LABEL, TRACE], signals={"trace": 10})

    samples = batch.batch["trace"].to_pylist()
    assert np.isnan(samples[1]).tolist() == [True] * 10
    assert samples[2] == [2.0, 3, 4, 5, 6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    ("spoil", "column", "reason"),
    [
        (lambda f: (f / "photos/1.png").unlink(), "photo", "`photos/1.png`: there is no such file"),
        (
            lambda f: (f / "photos/1.png").write_bytes(picture(1)[:45]),
            "photo",
            "`photos/1.png`: it cannot be decoded: ",
        ),
        (
            lambda f: (f / "sounds/1.wav").write_bytes(b"RIFF"),
            "sound",
            "`sounds/1.wav`: it is not a readable .wav file",
        ),
        (
            lambda f: (f / "traces/1.csv").write_text("t;y\n0;1\n1;2\n"),
            "trace",
            "`traces/1.csv`: it has no column `x`; it has `t`, `y`",
        ),
        (
            lambda f: edit(f / "parts.csv", "photos/1.png", "traces/1.npz"),
            "photo",
            "`traces/1.npz`: there is no such file",
        ),
        (
            lambda f: edit(f / "parts.csv", "photos/1.png,", "sounds/1.wav,"),
            "photo",
            "`sounds/1.wav`: its suffix is `.wav`; expected one of .png, .jpg",
        ),
    ],
)
def test_a_file_that_cannot_be_used_makes_a_bad_row_of_the_table(tmp_path, spoil, column, reason):
    table = write_mixed(tmp_path, 3)
    spoil(tmp_path)

    [batch] = typed(embed(tmp_path), [LABEL, PHOTO])

    [bad] = batch.bad_rows
    assert (bad.path, bad.row, bad.column) == (str(table), 2, column)
    assert bad.reason.startswith(reason)
    assert batch.rows.tolist() == [1, 3]


def test_a_row_with_too_many_fields_keeps_its_number(tmp_path):
    table = write_mixed(tmp_path, 4)
    edit(table, "sounds/1.wav,", "sounds/1.wav,too,many,")
    (tmp_path / "photos/3.png").unlink()

    bad_rows = [bad for batch in typed(embed(tmp_path), [LABEL, PHOTO]) for bad in batch.bad_rows]

    assert sorted((bad.row, bad.column) for bad in bad_rows) == [(2, ""), (4, "photo")]


def test_paths_of_another_computer_mean_the_only_file_of_their_name(tmp_path):
    table = write_mixed(tmp_path, 3)
    edit(table, "photos/1.png", r"D:\line 2\photos\1.PNG")
    edit(table, "photos/2.png", "2")

    rows = rows_of(embed(tmp_path))

    assert [row["photo"] for row in rows] == [picture(0), picture(1), picture(2)]


def test_a_path_that_may_mean_two_files_is_bad(tmp_path):
    table = write_mixed(tmp_path, 3)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/1.png").write_bytes(picture(9))
    edit(table, "photos/1.png", "1.png")

    assert "it means several files" in rows_of(embed(tmp_path))[1]["faultline_problem"]


def test_files_are_read_again_only_if_one_of_them_has_changed(tmp_path):
    write_mixed(tmp_path, 3)
    first = embed(tmp_path)
    assert embed(tmp_path).pattern == first.pattern

    (tmp_path / "photos/1.png").write_bytes(picture(99))
    second = embed(tmp_path)

    assert second.pattern != first.pattern
    assert rows_of(second)[1]["photo"] == picture(99)


def test_a_file_that_appears_is_noticed(tmp_path):
    write_mixed(tmp_path, 3)
    moved = (tmp_path / "photos/1.png").rename(tmp_path / "aside")
    before = embed(tmp_path)
    moved.rename(tmp_path / "photos/1.png")

    assert rows_of(embed(tmp_path))[1]["photo"] == picture(1)
    assert before.counts.num_bad == 1


def test_a_table_that_was_damaged_since_is_written_again(tmp_path):
    write_mixed(tmp_path, 3)
    first = embed(tmp_path)
    [file] = Path(first.pattern).parent.glob("*.parquet")
    file.write_bytes(file.read_bytes()[:-9])

    assert len(rows_of(embed(tmp_path))) == 3


def test_traces_of_another_rate_are_resampled_and_counted(tmp_path):
    write_mixed(tmp_path, 3, step_s=0.1)  # 10 Hz

    embedded = embed(tmp_path, rates={"trace": 5.0})

    assert [len(row["trace"]) for row in rows_of(embedded)] == [5, 5, 5]
    assert "3 files of samples resampled to the nominal rate" in embedded.notes


def test_times_in_ms_that_nothing_declares_make_bad_rows(tmp_path):
    write_mixed(tmp_path, 3)
    for number in range(3):
        edit(tmp_path / f"traces/{number}.csv", "t;x", "t_ms;x")
    option = PathColumn(holds="signal", channels=("x",), time_column="t_ms")

    undeclared = embed(tmp_path, path_columns={"trace": option})
    declared = embed(tmp_path, path_columns={"trace": replace(option, time_unit="ms")})

    assert "set `time_unit: ms`" in undeclared.counts.problems[0]
    assert declared.counts.num_bad == 0
    assert declared.counts.rates == {"trace": {"10000": 3}}


def test_several_channels_become_columns_with_the_name_of_the_path(tmp_path):
    write_mixed(tmp_path, 2)
    for number in range(2):
        rows = [f"{place};{place * number}" for place in range(5)]
        (tmp_path / f"traces/{number}.csv").write_text("\n".join(["x;y", *rows]) + "\n")
    option = PathColumn(holds="signal", channels=("x", "y"))

    rows = rows_of(embed(tmp_path, path_columns={"trace": option}))

    assert (rows[1]["trace_x"], rows[1]["trace_y"]) == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
    assert rows[0]["trace_y"] == [0, 0, 0, 0, 0]


def test_a_table_without_the_column_is_refused_with_its_columns(tmp_path):
    write_mixed(tmp_path, 2)
    with pytest.raises(InputError, match="has no column `film`, which data"):
        embed(tmp_path, path_columns={"film": PathColumn(holds="image")})


def test_inputs_are_the_table_and_the_files_that_it_names(tmp_path):
    table = write_mixed(tmp_path, 2)
    edit(table, "photos/1.png", "")

    inputs = list_inputs("parts.csv", data(), tmp_path)

    names = sorted(str(Path(file).relative_to(tmp_path)) for file in inputs)
    assert names == ["parts.csv", "photos/0.png", "sounds/0.wav", "sounds/1.wav", "traces/0.csv",
                     "traces/1.csv"]  # fmt: skip
