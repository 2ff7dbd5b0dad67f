"""The exposition: all metrics of an output folder in Prometheus's text format."""

import logging
import shutil
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from common.errors import InputError
from common.output_folder import OutputFolder
from production.monitoring.exposition.collection import COLLECTION
from production.monitoring.exposition.gateway import GATEWAY
from production.monitoring.exposition.metrics import Metric, Part, Sample
from production.monitoring.exposition.monitor import MONITOR
from production.monitoring.exposition.retraining import RETRAINING
from production.monitoring.exposition.rollout import ROLLOUT

logger = logging.getLogger(__name__)

# What reading a damaged file raises; it must not hide all other metrics.
_DAMAGE = (InputError, OSError, ValueError, LookupError, TypeError, AttributeError)

PARTS = (GATEWAY, ROLLOUT, COLLECTION, MONITOR, RETRAINING)
_PROBLEM = Metric(
    "faultline_exposition_problem",
    "Whether this part of a model's metrics could not be read; the log has the reason.",
)
_FREE = Metric("faultline_output_free_bytes", "Free bytes of the disk with the output folder.")
METRICS: tuple[Metric, ...] = (
    _FREE,
    _PROBLEM,
    *(metric for part in PARTS for metric in part.metrics),
)


class Exposition(Collector):
    """Reads the metrics of all models of an output folder, at each scrape anew."""

    def __init__(self, folder: OutputFolder, parts: Sequence[Part] = PARTS) -> None:
        """Reads nothing yet.

        Args:
            folder: The output folder.
            parts: What to read.
        """
        self._folder, self._parts = folder, parts
        self._problems: dict[tuple[str, str], str] = {}
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def render(self) -> bytes:
        """Returns the metrics in the text format."""
        return bytes(generate_latest(self.registry))

    def collect(self) -> Iterator[Family]:
        """Yields each metric with its samples; one without samples is left out."""
        samples: dict[str, list[Sample]] = {}
        for sample in self._samples():
            samples.setdefault(_metric_name(sample.name), []).append(sample)
        for metric in (_FREE, _PROBLEM, *(m for part in self._parts for m in part.metrics)):
            name = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
            family = Family(name, metric.help, metric.kind)
            for sample in samples.pop(metric.name, ()):
                family.add_sample(sample.name, dict(sample.labels), sample.value)
            if family.samples:
                yield family
        if samples:
            raise ValueError(f"metrics that no part declares: {', '.join(samples)}")

    def _samples(self) -> Iterator[Sample]:
        yield Sample(_FREE.name, {}, float(shutil.disk_usage(self._folder.root).free))
        for model in models(self._folder):
            for part in self._parts:
                samples: list[Sample] = []
                problem = ""
                try:
                    # Those before the damage are kept.
                    samples.extend(part.read(self._folder, model))
                except _DAMAGE as error:
                    problem = f"The metrics of {model}, {part.name}: {error}"
                self._log_change(model, part.name, problem)
                labels = {"model": model, "part": part.name}
                yield Sample(_PROBLEM.name, labels, float(bool(problem)))
                yield from samples

    def _log_change(self, model: str, part: str, problem: str) -> None:
        """Logs a problem once, and again if it comes back."""
        if problem and self._problems.get((model, part)) != problem:
            logger.error("%s", problem)
        self._problems[model, part] = problem


def models(folder: OutputFolder) -> list[str]:
    """Returns the names of the models that were pushed, served or recorded."""
    places = (
        *(folder.serving, folder.gateway, folder.rollouts),
        *(folder.collected, folder.monitoring, folder.retraining),
    )
    names: set[str] = set()
    for place in places:
        root = place("x").parent
        if root.is_dir():
            folders = (path for path in root.iterdir() if path.is_dir())
            names.update(path.name for path in folders if not path.name.startswith("."))
    return sorted(names)


_HISTOGRAMS = frozenset(metric.name for metric in METRICS if metric.is_histogram)


def _metric_name(sample_name: str) -> str:
    """Returns the metric of a sample; those of a histogram have a suffix."""
    stem = sample_name.rpartition("_")[0]
    return stem if stem in _HISTOGRAMS else sample_name
