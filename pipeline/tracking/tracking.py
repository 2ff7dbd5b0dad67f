"""Experiment tracking of a run: a check before it starts and an export after it ends."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from common.metadata import connection_config, open_store
from common.output_folder import OutputFolder
from pipeline.config import Config, Tracking
from pipeline.lineage.graph import Graph, read_graph
from pipeline.tracking.mlflow_store import MlflowTracker
from pipeline.tracking.openlineage.tracker import OpenLineageTracker
from pipeline.tracking.tensorboard import TensorBoardTracker
from pipeline.tracking.tracker import Failure, Tracker
from pipeline.tracking.wandb_files import WandbTracker


@dataclass(frozen=True, kw_only=True)
class Exports:
    """What the trackers made of a run.

    Attributes:
        written: Ids and places of the exports, by name.
        failures: The trackers that failed.
    """

    written: dict[str, str]
    failures: tuple[Failure, ...]

    def to_json(self) -> dict[str, str]:
        """Returns what was written, and `KEY_error` for each tracker that failed."""
        return self.written | {f"{failure.key}_error": failure.reason for failure in self.failures}


def make_trackers(options: Tracking) -> tuple[Tracker, ...]:
    """Returns the configured trackers."""
    trackers: list[Tracker] = []
    if options.mlflow is not None:
        trackers.append(MlflowTracker(options.mlflow))
    if options.wandb is not None:
        trackers.append(WandbTracker(options.wandb))
    if options.openlineage is not None:
        trackers.append(OpenLineageTracker(options.openlineage))
    if options.tensorboard:
        trackers.append(TensorBoardTracker())
    return tuple(trackers)


def check_tracking(options: Tracking) -> None:
    """Checks that the configured trackers are installed.

    Raises:
        InputError: A package is missing.
    """
    for tracker in make_trackers(options):
        tracker.check_installed()


def track_run(run_id: str, config: Config, folder: OutputFolder) -> Exports:
    """Exports a finished run to the configured trackers; no tracker's failure is raised.

    Args:
        run_id: The run; one that ended before its first record in ML Metadata is not exported.
        config: The use case.
        folder: The output folder.
    """

    def read() -> Graph:
        return read_graph(open_store(connection_config(config.metadata, folder.root, os.environ)))

    return export_run(run_id, make_trackers(config.tracking), read, folder)


def export_run(
    run_id: str, trackers: Iterable[Tracker], read: Callable[[], Graph], folder: OutputFolder
) -> Exports:
    """Exports a run to each of the trackers, also after one of them failed.

    Args:
        run_id: The run.
        trackers: The trackers.
        read: Reads ML Metadata; not called without trackers.
        folder: The output folder.
    """
    written: dict[str, str] = {}
    failures: list[Failure] = []
    for tracker in trackers:
        # Reading takes milliseconds; with it in here, its failure is a tracker's too.
        try:
            graph = read()
            if run_id in graph.runs:
                written.update(tracker.export(graph, graph.runs[run_id], folder))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a library's; the caller prints it
            failures.append(Failure(key=tracker.key, title=tracker.title, error=error))
    return Exports(written=written, failures=tuple(failures))
