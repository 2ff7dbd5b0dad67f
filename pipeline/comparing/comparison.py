"""Comparison of two runs."""

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import InputError
from common.output_folder import captured_output
from pipeline.comparing.differences import Difference, Side, find_differences, make_side
from pipeline.comparing.paired_verdict import PairedVerdict
from pipeline.comparing.pairing import CannotPairError, find_pair
from pipeline.lineage.graph import Graph, Run
from pipeline.lineage.references import resolve
from pipeline.lineage.runs import run_output
from pipeline.tracking.run_record import RunRecord, run_record

Differences = list[Difference] | None
PARTS = ("data", "code", "steps", "config", "hyperparameters", "model", "packages")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A metric of one run.

    Attributes:
        value: The metric.
        interval: Its lower and upper limit, or None if not recorded.
    """

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        first: The first run.
        second: The second run.
        data: Differences in the data; empty for equal data, None if a run did not record them.
        code: Differences in commit, sources and schema.
        steps: Differences in the code of each step.
        config: Differences in the configuration, by dotted key.
        packages: Differences in packages, interpreter, platform and lock file.
        hyperparameters: Differences in the hyperparameters, tuned or not.
        model: Differences in what the Trainer noted of the models.
        metrics: Metrics on each run's own test split: values of both runs by name.
        paired: Result on the same test examples, or None.
        not_paired: Why there is no paired result, or empty.
        notes: What could not be compared, and why.
    """

    first: RunRecord
    second: RunRecord
    data: Differences
    code: Differences
    steps: Differences
    config: Differences
    packages: Differences
    hyperparameters: Differences
    model: Differences
    metrics: Mapping[str, tuple[Figure | None, Figure | None]]
    paired: PairedVerdict | None
    not_paired: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the comparison as a JSON object."""
        return {
            "first": self.first.row.to_json(),
            "second": self.second.row.to_json(),
            **{key: _plain_list(getattr(self, key)) for key in PARTS},
            "metrics": {
                name: {"first": _plain(pair[0]), "second": _plain(pair[1])}
                for name, pair in self.metrics.items()
            },
            "paired": None if self.paired is None else self.paired.to_json(),
            "not_paired": self.not_paired,
            "notes": list(self.notes),
        }


def _plain_list(differences: Differences) -> list[dict[str, Any]] | None:
    return None if differences is None else [dataclasses.asdict(item) for item in differences]


def _plain(figure: Figure | None) -> dict[str, Any] | None:
    return None if figure is None else dataclasses.asdict(figure)


def compare_runs(graph: Graph, first: str, second: str) -> Comparison:
    """Returns the comparison of two runs.

    Args:
        graph: The metadata graph.
        first: A run's id, or a model reference as for `faultline lineage`, which means its run.
        second: The other run, in the same form.

    Raises:
        InputError: A reference matches nothing, or both refer to the same run.
    """
    runs = [find_run(graph, reference) for reference in (first, second)]
    if runs[0].id == runs[1].id:
        raise InputError(
            f"{first} and {second} are the same run, {runs[0].id}. Specify two different runs."
        )
    sides = [make_side(graph, run) for run in runs]
    records = [run_record(graph, run) for run in runs]
    paired, not_paired = _pair(graph, runs)
    return Comparison(
        first=records[0],
        second=records[1],
        **{key: find_differences(getattr(sides[0], key), getattr(sides[1], key)) for key in PARTS},
        metrics=_metrics(graph, runs, records),
        paired=paired,
        not_paired=not_paired,
        notes=tuple(_notes(sides) + (_price_notes(sides) if paired else [])),
    )


def find_run(graph: Graph, reference: str) -> Run:
    """Returns the run of a reference; for a model, the run that produced it.

    Raises:
        InputError: The reference matches nothing.
    """
    target = resolve(graph, reference)
    if isinstance(target, Run):
        return target
    step = graph.producer(target.id)
    if step is None:
        raise InputError(f"No run is recorded as the producer of {reference}. Give the run's id.")
    return graph.runs[step.run_id]


def _pair(graph: Graph, runs: list[Run]) -> tuple[PairedVerdict | None, str]:
    try:
        pair = find_pair(graph, *runs)
    except CannotPairError as error:
        return None, str(error)
    # TensorFlow takes seconds to import and logs messages, so it is imported only if needed.
    with captured_output(Path(os.devnull)):
        from pipeline.comparing.answers import ask_both
        from pipeline.comparing.paired import judge
        from pipeline.components.evaluation.measurement import MeasureOptions

        options = MeasureOptions.from_json(json.dumps(pair.options))
        try:
            return judge(ask_both(pair), options), ""
        except CannotPairError as error:
            return None, str(error)


def _metrics(
    graph: Graph, runs: list[Run], records: list[RunRecord]
) -> dict[str, tuple[Figure | None, Figure | None]]:
    figures = [_figures(graph, run, rec) for run, rec in zip(runs, records, strict=True)]
    names = dict.fromkeys([*figures[0], *figures[1]])
    return {name: (figures[0].get(name), figures[1].get(name)) for name in names}


def _figures(graph: Graph, run: Run, record: RunRecord) -> dict[str, Figure]:
    blessing = run_output(graph, run, "ModelBlessing")
    intervals = blessing.properties.get("intervals", {}) if blessing else {}
    return {
        name: Figure(value=value, interval=tuple(intervals[name]) if name in intervals else None)
        for name, value in record.row.metrics.items()
    }


def _price_notes(sides: list[Side]) -> list[str]:
    first, second = (side.run.config.get("cost") for side in sides)
    if first == second:
        return []
    which = "second" if second else "first"
    return [f"the runs have different prices; the paired verdict uses those of the {which} run"]


def _notes(sides: list[Side]) -> list[str]:
    notes = []
    for side in sides:
        if not side.config:
            notes.append(f"the configuration of run {side.run.id} was not recorded")
        if side.run.provenance is None:
            notes.append(f"the code and packages of run {side.run.id} were not recorded")
    return notes
