"""Random pictures of each class, with what all pictures of train have in common."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.features import Image
from pipeline.components.recording_troubles.files import file_contents
from pipeline.components.recording_troubles.pictures.picture_file import (
    data_url,
    make_thumbnail,
    read_header,
)

_CLASSES = {0: "healthy", 1: "faulty"}
_SEED = 20_252
_NUM_EXAMPLES = 16
_NUM_FORMS = 3


@dataclass
class _Seen:
    """What was seen of the pictures of a feature."""

    forms: Counter[str] = field(default_factory=Counter)
    widths: list[int] = field(default_factory=list)
    heights: list[int] = field(default_factory=list)
    # By class, the files with the smallest random keys.
    examples: dict[int, list[tuple[float, bytes]]] = field(
        default_factory=lambda: {label: [] for label in _CLASSES}
    )

    def add(self, content: bytes, label: int, key: float) -> None:
        header = read_header(content)
        if header is None:
            return
        form, width, height = header
        self.forms[form] += 1
        self.widths.append(width)
        self.heights.append(height)
        examples = self.examples[label]
        if len(examples) < _NUM_EXAMPLES or key < examples[-1][0]:
            examples.append((key, content))
            examples.sort(key=lambda example: example[0])
            del examples[_NUM_EXAMPLES:]

    @property
    def words(self) -> str:
        """The number of pictures, their formats and sizes."""
        forms = ", ".join(f"{num:,} {form}" for form, num in self.forms.most_common(_NUM_FORMS))
        return f"{forms}; {_range(self.widths)} x {_range(self.heights)} pixels"


def _range(sides: list[int]) -> str:
    low, high = min(sides), max(sides)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


@dataclass(eq=False)
class PictureSample:
    """A random sample of the pictures of each class, drawn in one pass.

    Attributes:
        pictures: The pictures by column.
    """

    pictures: Mapping[str, Image]
    _random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(_SEED))
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def add(self, batch: pa.RecordBatch, labels: NDArray[np.int64]) -> None:
        """Adds examples.

        Args:
            batch: Columns of lists, as tfx_bsl decodes them.
            labels: `[rows]` of 0 and 1.
        """
        for name in self.pictures:
            seen = self._seen.setdefault(name, _Seen())
            keys = self._random.random(batch.num_rows).tolist()
            contents = file_contents(batch, name)
            for content, label, key in zip(contents, labels.tolist(), keys, strict=True):
                seen.add(content, label, key)

    def thumbnails(self) -> list[dict[str, Any]]:
        """Returns, for each column with pictures, its name, words, and images by class."""
        return [
            {
                "name": name,
                "words": seen.words,
                "classes": [
                    {"class": _CLASSES[label], "images": _images(examples)}
                    for label, examples in seen.examples.items()
                ],
            }
            for name, seen in self._seen.items()
            if seen.widths
        ]


def _images(examples: list[tuple[float, bytes]]) -> list[str]:
    thumbnails = [make_thumbnail(content) for _, content in examples]
    return [data_url(thumbnail) for thumbnail in thumbnails if thumbnail is not None]
