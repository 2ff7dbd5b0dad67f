"""Columns in files beside the same columns in memory."""

from pathlib import Path

import numpy as np
import pytest

from models.stored_rows import (
    GrowingRows,
    RowStore,
    StoredRows,
    pick_rows,
    row_slices,
    rows_per_batch,
)

PICTURES = np.arange(5 * 2 * 3 * 1, dtype=np.float32).reshape(5, 2, 3, 1)
CODES = np.array([[7], [1], [4], [9], [2]], np.int64)


def _batches():
    for start, end in ((0, 2), (2, 4), (4, 5)):
        yield {"picture": PICTURES[start:end], "code": CODES[start:end]}


def _stored(folder: Path | None = None):
    return RowStore(limit_bytes=0, folder=folder).collect(_batches())


def test_columns_within_the_limit_are_arrays():
    # 5 rows of 6 * 4 + 8 bytes.
    columns = RowStore(limit_bytes=160).collect(_batches())
    assert np.array_equal(columns["picture"], PICTURES)
    assert np.array_equal(columns["code"], CODES)


def test_one_byte_beyond_the_limit_all_columns_are_in_files():
    columns = RowStore(limit_bytes=159).collect(_batches())
    assert all(isinstance(values, StoredRows) for values in columns.values())


@pytest.mark.parametrize(
    "rows",
    [
        slice(None),
        slice(1, 4),
        slice(4, 9),
        np.array([3]),
        np.array([4, 0, 1, 2, 1]),
        np.array([], np.int64),
    ],
)
def test_rows_of_a_file_are_those_of_the_array(rows):
    columns = _stored()
    for name, array in {"picture": PICTURES, "code": CODES}.items():
        values = columns[name][rows]
        assert values.dtype == array.dtype
        assert np.array_equal(values, array[rows])


def test_rows_picked_twice_are_read_through_both():
    first, second = np.array([4, 2, 1]), np.array([2, 0])
    picked = pick_rows(pick_rows(_stored()["code"], first), second)
    assert isinstance(picked, StoredRows)
    assert picked[:].tolist() == CODES[first][second].tolist() == [[1], [2]]


def test_shape_and_sizes_are_those_of_the_array():
    values = _stored()["picture"]
    assert (len(values), values.shape) == (5, (5, 2, 3, 1))
    assert (values.size, values.nbytes) == (PICTURES.size, PICTURES.nbytes)


def test_files_leave_nothing_in_their_folder(tmp_path):
    folder = tmp_path / "run"
    columns = _stored(folder)
    assert list(folder.iterdir()) == []
    assert np.array_equal(columns["code"][:], CODES)


def test_no_batches_are_no_columns():
    assert RowStore().collect([]) == {}


def test_large_rows_come_in_small_batches():
    # 64 MiB hold 64 rows of 1 MiB.
    assert rows_per_batch(2**20, 4_096) == 64
    assert rows_per_batch(100, 4_096) == 4_096
    assert rows_per_batch(2**30, 4_096) == 1


def test_slices_cover_all_rows_and_count_the_bytes_of_all_columns():
    # 2**21 and 2**22 float64 a row are 48 MiB, so that 64 MiB hold one row.
    wide = [np.empty((2, 2**21)), np.empty((2, 2**22))]
    assert list(row_slices(wide, 4_096)) == [slice(0, 1), slice(1, 2)]
    assert list(row_slices([np.empty((5, 1))], 2)) == [slice(0, 2), slice(2, 4), slice(4, 6)]
    assert list(row_slices([np.empty((0, 1))], 2)) == []


@pytest.mark.parametrize("sizes", [(3,), (2, 5, 0, 1), (1, 1, 1, 1, 1)])
def test_batches_grow_to_the_array_that_they_are_together(sizes):
    # Zeros before the other values and behind them.
    batches = [np.full((size, 2), place % 3, np.float32) for place, size in enumerate(sizes)]
    rows = GrowingRows()
    for batch in batches:
        rows.append(batch)
    assert rows.array().dtype == np.float32
    np.testing.assert_array_equal(rows.array(), np.concatenate(batches))
