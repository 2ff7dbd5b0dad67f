"""Properties of the files of train, which may tell the label."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from measuring.giveaways import Value, find_giveaways
from models.features import Audio, FeatureTable, Image, of_kind
from pipeline.components.recording_troubles.files import file_contents
from pipeline.reading.recordings.media.properties import picture_properties, sound_properties


class FileProperties:
    """The properties of the files in each column of sounds or pictures.

    Args:
        features: The features table.
    """

    def __init__(self, features: FeatureTable) -> None:
        self._readers = dict.fromkeys(of_kind(features, Audio), sound_properties)
        self._readers |= dict.fromkeys(of_kind(features, Image), picture_properties)
        self._values: dict[str, list[dict[str, str | float]]] = {name: [] for name in self._readers}
        self._positive: list[NDArray[np.bool_]] = []

    def add(self, batch: pa.RecordBatch, labels: NDArray[np.int64]) -> None:
        """Adds examples.

        Args:
            batch: Columns of lists, as tfx_bsl decodes them.
            labels: `[rows]` of 0 and 1.
        """
        if not self._readers:
            return
        self._positive.append(labels == 1)
        for name, read in self._readers.items():
            self._values[name] += [read(content) for content in file_contents(batch, name)]

    def giveaways(self) -> dict[str, dict[str, str]]:
        """Returns how properties of the readable files tell the label, by column and property."""
        found = {}
        for name, rows in self._values.items():
            positive = np.concatenate(self._positive) if self._positive else np.zeros(0, bool)
            is_read = np.array([bool(row) for row in rows], bool)
            read = [row for row in rows if row]
            names = dict.fromkeys(key for row in read for key in row)
            properties: dict[str, list[Value]] = {n: [row.get(n) for row in read] for n in names}
            found[name] = find_giveaways(properties, positive[is_read])
        return {name: own for name, own in found.items() if own}
