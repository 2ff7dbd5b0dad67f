"""Types of the exposition: metrics, samples, and parts that read them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from common.output_folder import OutputFolder


class Sample(NamedTuple):
    """A value of a metric.

    Attributes:
        name: Name of the metric; of a histogram, with `_bucket`, `_sum` or `_count`.
        labels: Its labels.
        value: Its value.
    """

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Metric:
    """A metric as it is declared.

    Attributes:
        name: Its name; a counter's ends in `_total`.
        help: Its description, one sentence.
        is_histogram: Whether it is a histogram.
    """

    name: str
    help: str
    is_histogram: bool = False

    @property
    def kind(self) -> str:
        """Its type in Prometheus."""
        if self.is_histogram:
            return "histogram"
        return "counter" if self.name.endswith("_total") else "gauge"


# Reads the samples of one model from the output folder.
Read = Callable[[OutputFolder, str], Iterable[Sample]]


@dataclass(frozen=True)
class Part:
    """A part of the exposition.

    Attributes:
        name: What it is about, such as `rollout`.
        metrics: The metrics that it declares.
        read: Reads the samples of one model.
    """

    name: str
    metrics: tuple[Metric, ...]
    read: Read
