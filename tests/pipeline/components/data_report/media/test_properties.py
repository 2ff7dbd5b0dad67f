"""Properties of the files of train that tell the label."""

import io

import numpy as np
import pyarrow as pa
import soundfile
from PIL import Image as Pillow

from models.features import Audio, Image
from pipeline.components.data_report.media.properties import FileProperties

LABELS = np.arange(40) % 4 // 3  # each fourth is positive


def sound(rate_hz: int) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, np.zeros(100), rate_hz, format="WAV")
    return content.getvalue()


def picture(kind: str) -> bytes:
    content = io.BytesIO()
    Pillow.new("L", (8, 8)).save(content, kind)
    return content.getvalue()


def giveaways(**columns: list[bytes]) -> dict[str, dict[str, str]]:
    features = {
        "sound": Audio(sampling_rate_hz=8_000.0, duration_s=0.1),
        "image": Image(height=8, width=8, channels=1),
    }
    found = FileProperties({name: features[name] for name in columns})
    arrays = [pa.array([[one] for one in own], pa.list_(pa.binary())) for own in columns.values()]
    found.add(pa.RecordBatch.from_arrays(arrays, names=list(columns)), LABELS)
    return found.giveaways()


def test_properties_of_each_column_are_compared_with_the_label():
    found = giveaways(
        sound=[sound(8_000 if label else 4_000) for label in LABELS],
        image=[picture("PNG" if label else "BMP") for label in LABELS],
    )
    assert found["image"] == {"format": "PNG in 10 of 10 positives and in 0 of 30 others"}
    assert list(found["sound"]) == ["sampling rate", "duration in s"]


def test_files_that_are_missing_or_damaged_do_not_count():
    contents = [picture("PNG") if label else b"" for label in LABELS]
    contents[0] = b"no picture"
    assert giveaways(image=contents) == {}
