"""Findings about pictures, on files with known troubles."""

import numpy as np
import pyarrow as pa

from models.features import Image
from pipeline.components.anomaly_gate import pictures
from pipeline.components.anomaly_gate.pictures import (
    count_pictures,
    judge_duplicates,
    judge_pictures,
)
from tests.pipeline.components.recording_troubles.pictures.picture_files import encode, scene

PICTURES = {"photo": Image(height=32, width=32, channels=1)}


def count(*files: bytes):
    rows = pa.array([[file] if file else [] for file in files], pa.list_(pa.binary()))
    batches = [pa.record_batch({"photo": rows[:1]}), pa.record_batch({"photo": rows[1:]})]
    return count_pictures(batches, PICTURES)


def findings(*files: bytes):
    return list(judge_pictures(count(*files), PICTURES, "train"))


def test_good_pictures_give_no_findings():
    assert findings(*(encode(scene(seed)) for seed in range(3))) == []


def test_only_as_many_pictures_of_a_split_are_hashed_as_are_compared(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_COMPARED", 2)
    parts = count(*(encode(scene(seed)) for seed in range(3)))["photo"].fingerprints
    # Batches of one and of two pictures.
    assert [len(part.hashes) for part in parts] == [1, 1]
    assert [len(part.digests) for part in parts] == [1, 2]


def test_files_that_cannot_be_decoded_stop_the_run_and_say_why():
    [finding] = findings(encode(scene(0)), b"text", encode(scene(1))[:500])
    assert finding.stops
    assert finding.found.startswith(
        "2 of 3 pictures (66.7%) cannot be used: is no PNG, JPEG, BMP or GIF picture; cannot be"
    )


def test_size_proportions_colour_and_format_are_warnings():
    plain = [encode(scene(seed)) for seed in range(3)]
    colour = np.repeat(scene(3)[..., None], 3, axis=2)
    files = [*plain, b"", encode(scene(4, 16)), encode(scene(5)[:, :48]), encode(colour)]
    listed = findings(*files)
    assert not any(finding.stops for finding in listed)
    assert [finding.found.partition(") ")[2] for finding in listed] == [
        "are missing",
        "have fewer than 32 x 32 pixels and are enlarged",
        "have other proportions than 32 x 32 and are distorted",
        "have colours, of which only the grey is used",
        "have another format or mode than PNG L",
    ]
    assert all(finding.found.startswith("1 of 7 pictures") for finding in listed)


def test_a_tenth_of_smaller_pictures_is_no_reason_for_a_warning():
    plain = [encode(scene(seed)) for seed in range(9)]
    assert findings(*plain, encode(scene(9, 16))) == []
    [finding] = findings(*plain[:8], encode(scene(9, 16)))
    assert finding.found.startswith("1 of 9 pictures (11.1%) have fewer than 32 x 32 pixels")


def test_a_picture_in_two_splits_is_a_warning_that_names_both():
    pictures = [encode(scene(seed)) for seed in range(6)]
    again = encode(scene(1), "JPEG", quality=60)
    counts = {"train": count(*pictures[:4]), "test": count(pictures[0], again, *pictures[4:])}
    [finding] = judge_duplicates(counts)
    assert (finding.split, finding.stops) == ("test", False)
    assert finding.found == (
        "of 4 pictures 1 are the same file as one of `train`, and 1 look like one of `train`"
    )
    apart = {"train": count(*pictures[:4]), "test": count(*pictures[4:])}
    assert list(judge_duplicates(apart)) == []
