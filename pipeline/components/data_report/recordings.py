"""Random sample of healthy and faulty recordings, and quantile bands."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.features import Signal
from pipeline.components.data_report.correlations import Floats
from pipeline.components.pages.layout import finite_or_none, seconds
from pipeline.components.recording_troubles.finding import sampling_rates, signal_values

CLASSES = {0: "healthy", 1: "faulty"}
_SEED = 20_252
# Sample size per class; its quantiles are close to those of all recordings.
_MAX_RECORDINGS = 500
_NUM_EXAMPLES = 4
# More samples than this are indistinguishable on a screen.
_MAX_SAMPLES = 1_000
_BAND = (0.05, 0.5, 0.95)


@dataclass(eq=False)
class _Sample:
    """Recordings of one class, each with its random key."""

    keys: Floats
    values: dict[str, Floats]
    rates: dict[str, Floats]

    def keep_smallest(self, limit: int) -> "_Sample":
        chosen = np.argsort(self.keys, kind="stable")[:limit]
        return _Sample(
            self.keys[chosen],
            {name: values[chosen] for name, values in self.values.items()},
            {name: rates[chosen] for name, rates in self.rates.items()},
        )

    def join(self, other: "_Sample") -> "_Sample":
        return _Sample(
            np.concatenate([self.keys, other.keys]),
            {name: np.concatenate([v, other.values[name]]) for name, v in self.values.items()},
            {name: np.concatenate([r, other.rates[name]]) for name, r in self.rates.items()},
        )


@dataclass(eq=False)
class RecordingSample:
    """A random sample of the recordings of each class, drawn in one pass.

    Attributes:
        signals: The signals.
    """

    signals: Mapping[str, Signal]
    _random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(_SEED))
    _samples: dict[int, _Sample] = field(default_factory=dict)

    def add(self, batch: pa.RecordBatch, labels: NDArray[np.int64]) -> None:
        """Adds examples.

        Args:
            batch: Columns of lists, as tfx_bsl decodes them.
            labels: `[rows]` of 0 and 1.
        """
        keys = self._random.random(batch.num_rows)
        for label in CLASSES if self.signals else ():
            held = self._samples.get(label)
            is_full = held is not None and len(held.keys) >= _MAX_RECORDINGS
            limit = held.keys.max() if held is not None and is_full else 1.0
            rows = np.flatnonzero((labels == label) & (keys < limit))
            if rows.size:
                drawn = self._read(batch, rows, keys).keep_smallest(_MAX_RECORDINGS)
                joined = drawn if held is None else held.join(drawn)
                self._samples[label] = joined.keep_smallest(_MAX_RECORDINGS)

    def _read(self, batch: pa.RecordBatch, rows: NDArray[np.int64], keys: Floats) -> _Sample:
        table = pa.Table.from_batches([batch.take(pa.array(rows))])
        return _Sample(
            keys[rows],
            {name: signal_values(table, name, s.num_samples) for name, s in self.signals.items()},
            {name: sampling_rates(table, s) for name, s in self.signals.items()},
        )

    def plots(self) -> list[dict[str, Any]]:
        """Returns the plots of each signal as JSON values."""
        return [
            {
                "name": name,
                "unit": signal.unit,
                "bands": [
                    {"class": CLASSES[label], "count": len(sample.keys)}
                    | _band(sample.values[name], signal.rate_hz)
                    for label, sample in sorted(self._samples.items())
                ],
                "examples": [
                    {"class": CLASSES[label], "lines": _examples(sample, name)}
                    for label, sample in sorted(self._samples.items())
                ],
            }
            for name, signal in self.signals.items()
        ]


def _band(values: Floats, rate_hz: float) -> dict[str, list[float | None]]:
    """Quantiles of each sample, `lower`, `middle` and `upper`, over the nominal time."""
    step = _step(values.shape[1])
    with warnings.catch_warnings():
        # A sample missing from every recording has no quantiles.
        warnings.filterwarnings("ignore", "All-NaN slice encountered", RuntimeWarning)
        quantiles = np.nanquantile(values[:, ::step], _BAND, axis=0)
    names = ("lower", "middle", "upper")
    band = {name: _rounded(row) for name, row in zip(names, quantiles, strict=True)}
    return {"time": [*seconds(values.shape[1], rate_hz)[::step]], **band}


def _examples(sample: _Sample, name: str) -> list[dict[str, list[float | None]]]:
    """The first recordings, each at its own rate; a missing sample leaves a gap in the line."""
    values, rates = sample.values[name][:_NUM_EXAMPLES], sample.rates[name]
    step = _step(values.shape[1])
    return [
        {"time": [*seconds(len(row), rate)[::step]], "values": _rounded(row[::step])}
        for row, rate in zip(values, rates[: len(values)], strict=True)
    ]


def _step(num_samples: int) -> int:
    return -(-num_samples // _MAX_SAMPLES)


def _rounded(values: Floats) -> list[float | None]:
    """Rounds to five digits, enough for a plot."""
    return [None if finite_or_none(v) is None else float(f"{v:.5g}") for v in values.tolist()]
