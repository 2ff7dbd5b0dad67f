"""Arrays of HDF5 files with groups."""

import h5py
import numpy as np
import pytest

from pipeline.reading.recordings.raw.arrays import read_arrays
from pipeline.reading.recordings.raw.clock import UnusableError


def write_hdf5(folder, **arrays):
    path = folder / "a.h5"
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name.replace("__", "/")] = array
    return str(path)


def test_groups_that_are_recordings_of_their_own_are_refused_by_name(tmp_path):
    path = write_hdf5(tmp_path, run1__x=np.arange(5.0), run2__x=np.arange(7.0))
    expected = (
        "its 2 groups with a data set `x` seem to be recordings of their own: `run1` "
        r"\(5 samples\), `run2` \(7 samples\)"
    )
    with pytest.raises(UnusableError, match=expected):
        read_arrays(path)


def test_groups_of_equal_length_are_channels_of_one_recording(tmp_path):
    path = write_hdf5(tmp_path, left__x=np.arange(5.0), right__x=np.arange(5.0))
    batch, _ = read_arrays(path)
    assert batch.schema.names == ["left_x", "right_x"]


def test_a_file_without_samples_is_refused_with_what_it_has(tmp_path):
    path = write_hdf5(tmp_path, meta__name=b"pump", one=np.zeros(1))
    with pytest.raises(UnusableError, match=r"two samples; it has .*`name` \(\) of .*`one` \(1,\)"):
        read_arrays(path)


def test_a_text_of_matlab_7_3_is_a_single_value(tmp_path):
    path = tmp_path / "7.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values, kind in (
            ("x", np.arange(5.0), b"double"),
            ("name", np.array([[112], [55]], np.uint16), b"char"),
        ):
            file.create_dataset(name, data=values).attrs["MATLAB_class"] = np.bytes_(kind)
    with path.open("r+b") as block:
        block.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    batch, singles = read_arrays(str(path))
    assert batch.schema.names == ["x"]
    assert singles == {"name": "p7"}
