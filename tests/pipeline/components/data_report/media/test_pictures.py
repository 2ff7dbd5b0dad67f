"""The page shows random pictures of each class."""

import numpy as np
import pyarrow as pa
from PIL import Image as Pillow

from models.features import Image
from pipeline.components.data_report.media.pictures import sample_pictures
from tests.pipeline.components.recording_troubles.pictures.picture_files import encode, scene


def sample_of(files, labels, batch_rows=7):
    sample = sample_pictures({"photo": Image(height=8, width=8)})
    rows = pa.array([[file] if file else [] for file in files], pa.list_(pa.binary()))
    table = pa.table({"photo": rows})
    for start in range(0, len(files), batch_rows):
        [batch] = table.slice(start, batch_rows).to_batches()
        sample.add(batch, np.asarray(labels[start : start + batch_rows]))
    return sample


def test_a_random_sample_of_each_class_is_shown_with_formats_and_sizes():
    files = [encode(scene(seed, 16)) for seed in range(40)]
    files[3] = encode(scene(3, 24), "JPEG")
    labels = [int(seed % 8 == 0) for seed in range(40)]
    [shown] = sample_of(files, labels).images()
    assert shown["words"] == "39 PNG L, 1 JPEG L; 16 to 24 x 16 to 24 pixels"
    healthy, faulty = shown["classes"]
    assert (healthy["class"], len(healthy["images"])) == ("healthy", 16)
    assert (faulty["class"], len(faulty["images"])) == ("faulty", 5)
    assert len({*healthy["images"], *faulty["images"]}) == 21
    assert sample_of(files, labels, batch_rows=40).images() == [shown]


def test_missing_and_damaged_pictures_are_not_shown():
    assert sample_of([b"", b"text"], [0, 1]).images() == []
    [shown] = sample_of([b"", encode(scene(0))[:400], encode(scene(1))], [0, 0, 1]).images()
    assert [len(part["images"]) for part in shown["classes"]] == [0, 1]


def test_pictures_that_are_turned_are_counted_with_their_size_as_seen():
    exif = Pillow.Exif()
    exif[0x0112] = 6  # stored lying on its side
    lying = encode(scene(0, 16)[:8], "JPEG", exif=exif.tobytes())
    [shown] = sample_of([lying, encode(scene(1, 16), "JPEG")], [0, 1]).images()
    assert shown["words"] == "2 JPEG L; 8 to 16 x 16 pixels; 1 turned upright by EXIF"
