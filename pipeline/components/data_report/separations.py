"""Columns of numbers that separate the classes almost alone, from one pass over train."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from measuring.association import separation
from pipeline.components.data_report.correlations import Floats

_MAX_ROWS = 20_000  # of each class
_MAX_CELLS = 4_000_000  # of each class
_SEED = 0


@dataclass(eq=False)
class ClassSample:
    """A random sample of the rows of each class; ROC-AUC does not depend on the classes' sizes.

    Attributes:
        columns: The columns.
    """

    columns: Sequence[str]
    _random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(_SEED))
    _keys: dict[bool, Floats] = field(default_factory=dict)
    _values: dict[bool, Floats] = field(default_factory=dict)

    def add(self, values: Floats, labels: NDArray[np.int64]) -> None:
        """Adds rows.

        Args:
            values: `[rows, columns]`, NaN where a value is missing.
            labels: `[rows]` of 0 and 1.
        """
        limit = min(_MAX_ROWS, _MAX_CELLS // max(1, len(self.columns)))
        drawn = self._random.random(len(labels))
        for is_positive in (False, True):
            rows = (labels == 1) == is_positive
            keys, held = drawn[rows], values[rows]
            if is_positive in self._keys:
                keys = np.concatenate([self._keys[is_positive], keys])
                held = np.concatenate([self._values[is_positive], held])
            smallest = np.argsort(keys, kind="stable")[:limit]
            self._keys[is_positive], self._values[is_positive] = keys[smallest], held[smallest]

    def separations(self) -> dict[str, float]:
        """Returns the ROC-AUC of each column that separates the classes almost alone.

        Below 0.5, low values mark the positives.
        """
        if not self._values:
            return {}
        values = np.concatenate([self._values[False], self._values[True]])
        positive = np.arange(len(values)) >= len(self._values[False])
        areas = {
            name: separation(values[:, place], positive) for place, name in enumerate(self.columns)
        }
        return {name: area for name, area in areas.items() if area is not None}
