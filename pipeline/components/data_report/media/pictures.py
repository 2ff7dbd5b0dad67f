"""Random pictures of each class, with what all pictures of train have in common."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from models.features import Image
from pipeline.components.data_report.media.sampling import FileSample
from pipeline.components.recording_troubles.pictures.picture_file import make_thumbnail, read_header
from pipeline.reading.recordings.media.orientation import exif_orientation

_SEED = 20_252
_NUM_EXAMPLES = 16
_NUM_FORMS = 3


def sample_pictures(pictures: Mapping[str, Image]) -> FileSample:
    """Returns an empty sample, which shows thumbnails.

    Args:
        pictures: The pictures by column.
    """
    return FileSample(
        summaries={name: _Seen() for name in pictures},
        draw=lambda _, content: make_thumbnail(content),
        num_examples=_NUM_EXAMPLES,
        seed=_SEED,
    )


@dataclass
class _Seen:
    """What was seen of the pictures of a feature."""

    forms: Counter[str] = field(default_factory=Counter)
    widths: list[int] = field(default_factory=list)
    heights: list[int] = field(default_factory=list)
    num_turned: int = 0

    def add(self, content: bytes) -> bool:
        header = read_header(content)
        if header is None:
            return False
        form, width, height = header
        self.forms[form] += 1
        self.widths.append(width)
        self.heights.append(height)
        self.num_turned += exif_orientation(content) != 1
        return True

    @property
    def words(self) -> str:
        """The number of pictures, their formats and sizes."""
        forms = ", ".join(f"{num:,} {form}" for form, num in self.forms.most_common(_NUM_FORMS))
        turned = f"; {self.num_turned:,} turned upright by EXIF" if self.num_turned else ""
        return f"{forms}; {_range(self.widths)} x {_range(self.heights)} pixels{turned}"


def _range(sides: list[int]) -> str:
    low, high = min(sides), max(sides)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
