"""A random sample of the files of each class."""

import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image as Pillow

from pipeline.components.data_report.recordings import CLASSES
from pipeline.components.recording_troubles.files import file_contents
from pipeline.components.recording_troubles.pictures.picture_file import data_url


class FileSummary(Protocol):
    """What all files of a column have in common."""

    def add(self, content: bytes) -> bool:
        """Adds a file; returns whether it can be read."""

    @property
    def words(self) -> str:
        """The summary as text; needs a readable file."""


@dataclass(eq=False, kw_only=True)
class FileSample:
    """A random sample of the readable files of each class, drawn in one pass.

    Attributes:
        summaries: By column, the summary of its files.
        draw: Returns the image of a file in a column; None without one.
        num_examples: Size of the sample of each class.
        seed: Seed of the sample.
    """

    summaries: Mapping[str, FileSummary]
    draw: Callable[[str, bytes], Pillow.Image | None]
    num_examples: int
    seed: int
    _random: np.random.Generator = field(init=False)
    # By column and class, the files with the smallest random keys, in order.
    _examples: dict[str, dict[int, list[tuple[float, bytes]]]] = field(init=False)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        self._examples = {name: {label: [] for label in CLASSES} for name in self.summaries}

    def add(self, batch: pa.RecordBatch, labels: NDArray[np.int64]) -> None:
        """Adds examples.

        Args:
            batch: Columns of lists, as tfx_bsl decodes them.
            labels: `[rows]` of 0 and 1.
        """
        for name, summary in self.summaries.items():
            keys = self._random.random(batch.num_rows).tolist()
            contents = file_contents(batch, name)
            for content, label, key in zip(contents, labels.tolist(), keys, strict=True):
                if summary.add(content):
                    examples = self._examples[name][label]
                    bisect.insort(examples, (key, content))
                    del examples[self.num_examples :]

    def images(self) -> list[dict[str, Any]]:
        """Returns, for each column with readable files, its name, words, and images by class."""
        return [
            {
                "name": name,
                "words": self.summaries[name].words,
                "classes": [
                    {"class": CLASSES[label], "images": self._draw(name, examples)}
                    for label, examples in by_class.items()
                ],
            }
            for name, by_class in self._examples.items()
            if any(by_class.values())
        ]

    def _draw(self, name: str, examples: list[tuple[float, bytes]]) -> list[str]:
        drawn = [self.draw(name, content) for _, content in examples]
        return [data_url(picture) for picture in drawn if picture is not None]
