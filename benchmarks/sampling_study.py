"""Cost of sampling, and value of its correction, on the signals.

Trains on the train split of a run, whole and sampled, and asks each network about fresh recordings
of the same magnets, of which there are enough to tell:

    python -m benchmarks.sampling_study --artifacts output/artifacts/signals
"""

import dataclasses
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.probability_figures import FIGURES, Floats, intervals
from datasets.options import SignalOptions
from datasets.signals import simulate_span
from models.model_spec import ModelSpec
from models.probabilities.sampling import SamplingRecord, sampling_shift
from pipeline.components.case_control.executor import merge_tallies
from pipeline.components.case_control.selection import Selection, Tally, sample_file
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.sampling_options import Sampling, rates_of


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to train: the use case's own but for this.

    Attributes:
        sampling: How train is sampled.
        class_weight: How much each class counts in the loss.
        varied: Whether signals are varied as the use case says.
        more_epochs: So many times the epochs, and the patience, of the use case.
    """

    sampling: Sampling = dataclasses.field(default_factory=lambda: Sampling(keep=1.0))
    class_weight: Literal["balanced", "none"] = "none"
    varied: bool = True
    more_epochs: float = 1.0


ARMS: Mapping[str, Arm] = {
    "all, not varied, classes balanced": Arm(varied=False, class_weight="balanced"),
    "all, not varied": Arm(varied=False),
    "all": Arm(),
    "all, classes balanced": Arm(class_weight="balanced"),
    "1:10": Arm(Sampling(negatives_per_positive=10)),
    "1:3": Arm(Sampling(negatives_per_positive=3)),
    # As many steps as with all 2,432 examples, of which 1:10 leaves 924 and 1:3 336.
    "1:10, as many steps": Arm(Sampling(negatives_per_positive=10), more_epochs=2432 / 924),
    "1:3, as many steps": Arm(Sampling(negatives_per_positive=3), more_epochs=2432 / 336),
}
VARIANTS = ("as trained", "corrected", "corrected, Platt")


class Study:
    """The data of a run, ready for trainings."""

    def __init__(self, artifacts: Path, config: Config, num_test_spans: int) -> None:
        """Reads eval and simulates the test recordings.

        Args:
            artifacts: Folder of the use case's artifacts.
            config: The use case.
            num_test_spans: Spans to simulate after the first, 3,242 recordings each.
        """
        from common.example_files import split_files
        from models.inputs.transform_graph import TransformGraph
        from models.training.data import make_transform, read_split

        self.config = config
        examples = latest(artifacts / "ArrowExampleGen" / "examples")
        self._train_files = split_files(str(examples), "train")
        graph = latest(artifacts / "Transform" / "transform_graph")
        self._graph = TransformGraph(graph, config.model_spec)
        self._transform = make_transform(self._graph)
        self._eval = read_split(split_files(str(examples), "eval"), self._transform)
        # In pieces, for the network's inputs take three times the room of the signals.
        self._test = list(simulate(config, num_test_spans))
        self.labels = np.concatenate([labels for _, labels in self._test])

    def train(self, arm: Arm, seed: int) -> dict[str, Floats]:
        """Trains once; returns the test logits of each variant."""
        from models.probabilities.calibration import fit_platt
        from models.training.data import make_correction, read_train
        from models.training.network import build_network
        from models.training.network_fit import network_logits, train_network
        from models.training.trainer import reproducible

        spec = self._spec(arm, seed)
        options = spec.train
        with tempfile.TemporaryDirectory() as folder:
            record = self._sample(arm.sampling, folder, seed)
            train = read_train([f"{folder}/*.gz"], self._transform, self._graph, spec)
            with reproducible(seed):
                network = build_network(self._graph.index_space, options)
                train_network(network, train, self._eval, options=options, log_dir=Path(folder))
        shift = sampling_shift(record)
        correction = make_correction(train.labels, options, shift)
        on_eval = correction.apply(network_logits(network, self._eval.network_inputs), shift.rest)
        platt = fit_platt(on_eval, self._eval.labels.astype(np.float64))
        logits = np.concatenate(
            [network_logits(network, self._inputs(raw)) for raw, _ in self._test]
        )
        corrected = correction.apply(logits, shift.rest)
        calibrated = platt.slope * corrected + platt.intercept
        return dict(zip(VARIANTS, (logits, corrected, calibrated), strict=True))

    def _spec(self, arm: Arm, seed: int) -> ModelSpec:
        options = dataclasses.replace(
            self.config.train,
            class_weight=arm.class_weight,
            epochs=round(self.config.train.epochs * arm.more_epochs),
            patience=round(self.config.train.patience * arm.more_epochs),
        )
        if not arm.varied:
            options = dataclasses.replace(options, augmentation={})
        return dataclasses.replace(self.config.model_spec, train=options, seed=seed)

    def _sample(self, sampling: Sampling, folder: str, seed: int) -> SamplingRecord:
        label = self.config.label.column
        whole = Selection(label=label, seed=seed, by=None, rates={None: 1.0})
        counted = self._write_sample(folder, whole)
        rates = rates_of(
            sampling,
            num_positives=counted.positives,
            num_negatives=sum(counted.total.values()),
        )
        strata = self._write_sample(folder, dataclasses.replace(whole, rates=rates)).strata(rates)
        return SamplingRecord(strata={}, rest=strata[None])

    def _write_sample(self, folder: str, selection: Selection) -> Tally:
        return merge_tallies(sample_file(file, folder, selection) for file in self._train_files)

    def _inputs(self, raw: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        from models.inputs.transform_graph import network_inputs, raw_from_serving

        columns = {name: raw[name] for name in self._graph.raw_spec}
        transformed = self._graph(raw_from_serving(columns, self._graph.raw_spec))
        packed = network_inputs(transformed, self._graph.index_space)
        return {name: tensor.numpy() for name, tensor in packed.items()}


def latest(folder: Path) -> Path:
    """Returns the newest artifact of a folder of artifacts."""
    if not folder.is_dir():
        raise click.UsageError(f"{folder} is not there: first `faultline run`, then its artifacts.")
    return max(folder.iterdir(), key=lambda path: int(path.name))


def simulate(
    config: Config, num_test_spans: int
) -> Iterator[tuple[dict[str, Any], NDArray[np.int64]]]:
    """Yields columns and labels of each span after the first, which the run has."""
    import tensorflow as tf

    options = SignalOptions.from_mapping(config.data.options | {"num_spans": 1 + num_test_spans})
    for span in range(2, options.num_spans + 1):
        batches = list(simulate_span(options, span))
        columns: dict[str, Any] = {}
        for name in config.features:
            parts = [batch.column(name).to_numpy(zero_copy_only=False) for batch in batches]
            joined = np.concatenate(parts)
            columns[name] = tf.constant(
                np.stack(list(joined)) if isinstance(joined[0], np.ndarray) else joined
            )
        labels = [batch.column(config.label.column).to_numpy() for batch in batches]
        yield columns, np.concatenate(labels)


def report(rows: Mapping[tuple[str, str], Mapping[str, tuple[float, float, float]]]) -> str:
    """Returns a Markdown table: each figure with its interval."""
    lines = [
        "| train | probabilities | " + " | ".join(FIGURES) + " |",
        "|---" * (2 + len(FIGURES)) + "|",
    ]
    for (arm, variant), figures in rows.items():
        cells = [_cell(*figures[name], digits=4 if name == "brier" else 2) for name in FIGURES]
        lines.append(f"| {arm} | {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(mean: float, low: float, high: float, *, digits: int) -> str:
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


@click.command(context_settings={"show_default": True})
@click.option("--artifacts", type=click.Path(path_type=Path), required=True)
@click.option(
    "--config", "config_path", default="configs/signals.yaml", type=click.Path(path_type=Path)
)
@click.option("--seeds", default=3, help="Trainings of each kind.")
@click.option("--test-spans", default=9, help="Spans of 3,242 recordings to ask about.")
@click.option("--replicates", default=500, help="Bootstrap replicates.")
def main(artifacts: Path, config_path: Path, seeds: int, test_spans: int, replicates: int) -> None:
    """Prints one table: sampling, correction and what they do to every figure."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    study = Study(artifacts, load_config(config_path), test_spans)
    click.echo(report(compare(study, seeds=seeds, replicates=replicates)))


def compare(
    study: Study, *, seeds: int, replicates: int
) -> dict[tuple[str, str], dict[str, tuple[float, float, float]]]:
    """Returns the figures of each way to train and each variant of its answers."""
    click.echo(f"{study.labels.size:,} test recordings, {study.labels.sum():,} faulty", err=True)
    rows = {}
    for arm, options in ARMS.items():
        trained = [study.train(options, seed) for seed in range(seeds)]
        for variant in VARIANTS:
            answers = [logits[variant] for logits in trained]
            rows[arm, variant] = intervals(study.labels, answers, replicates=replicates, seed=0)
        click.echo(report({key: row for key, row in rows.items() if key[0] == arm}), err=True)
    return rows


if __name__ == "__main__":
    main()
