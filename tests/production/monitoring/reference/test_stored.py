"""A reference is kept in files and read back exactly."""

import json
from dataclasses import replace

import numpy as np
import pytest

from common.errors import InputError
from common.metadata import SQLITE_FILE, open_store, sqlite_connection
from common.output_folder import OutputFolder
from pipeline.config import Config
from production.monitoring.reference.loading import load_reference, measured_figures
from production.monitoring.reference.stored import (
    ReferenceFiles,
    read_judged,
    read_reference,
    save_reference,
)
from tests.production.monitoring.pumps import FEATURES, Pumps, reference_of


@pytest.fixture(scope="module")
def reference():
    made = reference_of(Pumps().rows(200, 1))
    return replace(
        made, recordings=np.arange(200) // 4, measured={"recall": (0.8, 0.6, None)}, threshold=None
    )


def files(folder, version=100):
    return ReferenceFiles(folder=folder / "monitoring" / "pump", version=version)


def test_a_reference_is_read_as_it_was_written(tmp_path, reference):
    save_reference(files(tmp_path), reference)
    read = read_reference(files(tmp_path))
    for name, values in reference.columns.numbers.items():
        np.testing.assert_array_equal(read.columns.numbers[name], values)
    for name, values in reference.columns.times.items():
        np.testing.assert_array_equal(read.columns.times[name], values)
    for name, flags in reference.columns.missing.items():
        np.testing.assert_array_equal(read.columns.missing[name], flags)
    for name, one in reference.columns.categories.items():
        assert read.columns.categories[name].names == one.names
        np.testing.assert_array_equal(read.columns.categories[name].codes, one.codes)
    np.testing.assert_array_equal(read.recordings, reference.recordings)
    for name, values in vars(reference.held_out).items():
        np.testing.assert_array_equal(getattr(read.held_out, name), values)
    plain = {"columns", "recordings", "held_out"}
    assert {k: v for k, v in vars(read).items() if k not in plain} == {
        k: v for k, v in vars(reference).items() if k not in plain
    }


def test_files_are_private(tmp_path, reference):
    save_reference(files(tmp_path), reference)
    modes = {path.stat().st_mode & 0o777 for path in files(tmp_path).folder.iterdir()}
    assert modes == {0o600}


@pytest.mark.parametrize("name", ["rows", "held_out", "rest"])
def test_a_reference_without_one_of_its_files_is_none(tmp_path, reference, name):
    save_reference(files(tmp_path), reference)
    getattr(files(tmp_path), name).unlink()
    assert read_reference(files(tmp_path)) is None


@pytest.mark.parametrize("name", ["rows", "held_out", "rest"])
@pytest.mark.parametrize("damage", ["empty", "cut", "one byte"])
def test_a_damaged_reference_is_none(tmp_path, reference, name, damage):
    save_reference(files(tmp_path), reference)
    path = getattr(files(tmp_path), name)
    content = path.read_bytes()
    middle = len(content) // 2
    changed = bytes([content[middle] ^ 1])
    path.write_bytes(
        {
            "empty": b"",
            "cut": content[:middle],
            "one byte": content[:middle] + changed + content[middle + 1 :],
        }[damage]
    )
    assert read_reference(files(tmp_path)) is None


def test_what_the_gate_measured_is_read_without_the_training_rows(tmp_path, reference):
    save_reference(files(tmp_path), reference)
    files(tmp_path).rows.unlink()
    judged = read_judged(files(tmp_path))
    assert judged.measured == {"recall": (0.8, 0.6, None)}
    np.testing.assert_array_equal(judged.held_out.labels, reference.held_out.labels)
    files(tmp_path).held_out.write_bytes(b"")
    assert read_judged(files(tmp_path)) is None


def test_a_changed_figure_makes_a_reference_none(tmp_path, reference):
    save_reference(files(tmp_path), reference)
    rest = files(tmp_path).rest
    assert "0.8," in rest.read_text()
    rest.write_text(rest.read_text().replace("0.8,", "0.1,"))
    assert read_reference(files(tmp_path)) is None


def test_the_reference_of_another_version_is_none(tmp_path, reference):
    save_reference(files(tmp_path), reference)
    for name in ("rows", "held_out", "rest"):
        other = getattr(files(tmp_path, 101), name)
        other.write_bytes(getattr(files(tmp_path), name).read_bytes())
    assert read_reference(files(tmp_path, 101)) is None


def test_a_kept_reference_needs_no_metadata(tmp_path, reference):
    save_reference(files(tmp_path), reference)
    read = load_reference(None, OutputFolder(tmp_path), "pump", 100)
    assert read.run == reference.run


def test_a_reference_of_another_format_is_made_anew(tmp_path, reference):
    save_reference(files(tmp_path), reference)
    rest = json.loads(files(tmp_path).rest.read_text())
    files(tmp_path).rest.write_text(json.dumps(rest | {"format": 0}))
    assert read_reference(files(tmp_path)) is None


def test_figures_of_the_gate_have_their_intervals():
    judged = {"metrics": {"recall": 0.9, "f1": 0.8}, "intervals": {"recall": [0.7, 1.0]}}
    assert measured_figures(judged) == {"recall": (0.9, 0.7, 1.0), "f1": (0.8, None, None)}


def test_a_short_reference_is_told(reference):
    assert reference.size_note(20) == ""
    assert reference.size_note(21).startswith("The reference has all 200 training rows, less than")


def test_a_reference_without_features_has_rows_that_are_equal_in_the_others(reference):
    others = set(FEATURES) - {"valve"}
    few = reference.without(others)
    assert set(few.columns.missing) == {"valve"}
    assert (few.columns.numbers, few.columns.times) == ({}, {})
    # There are two valves: all rows but the first one of each repeat an earlier one.
    assert (reference.num_repeated, few.num_repeated) == (0, 198)


def test_a_version_that_nobody_pushed_is_refused(tmp_path):
    folder = OutputFolder(tmp_path)
    open_store(sqlite_connection(tmp_path / SQLITE_FILE))
    config = Config(
        name="pump", label={"column": "failed"}, data={"path": "x.csv"}, features=FEATURES
    )
    with pytest.raises(InputError, match="ML Metadata knows no version 7 of pump"):
        load_reference(config, folder, "pump", 7)
    assert not folder.monitoring("pump").exists()
