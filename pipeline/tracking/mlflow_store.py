"""Optional export of runs to a local MLflow store, and of pushed versions to its registry.

MLflow is an optional extra. Nothing leaves the machine: the store is a folder or an SQLite file,
and MLflow's telemetry is disabled before it is imported.
"""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.config import MlflowTracking
from pipeline.lineage.graph import Graph, Run
from pipeline.lineage.runs import RunState
from pipeline.tracking.run_record import RunRecord, run_record, run_tags
from pipeline.tracking.tracker import INSTALL
from pipeline.tracking.training_curves import Curves, read_curves

_SQLITE_PREFIX = "sqlite:///"
_BATCH = 1_000  # the most metrics that MLflow takes in one call
_STATUS = {RunState.COMPLETE: "FINISHED", RunState.INTERRUPTED: "KILLED"}
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # MLflow prefers a database; a folder needs only the skinny package.
    "MLFLOW_ALLOW_FILE_STORE": "true",
}


@dataclass(frozen=True)
class MlflowTracker:
    """A local MLflow store.

    Attributes:
        options: The store and the experiment.
    """

    options: MlflowTracking
    key = "mlflow"
    title = "MLflow"

    def check_installed(self) -> None:
        """Checks before a run that MLflow, and SQLAlchemy for a database, are installed.

        Raises:
            InputError: Names the missing package and how to install it.
        """
        check_installed(self.options)

    def export(self, graph: Graph, run: Run, folder: OutputFolder) -> dict[str, str]:
        """Writes the run; registers the version that it pushed, if it is new.

        Raises:
            RuntimeError: The run is in the store; its version could not be registered.
        """
        record = run_record(graph, run)
        run_id = log_run(record, self.options, folder.root)
        written = {"mlflow_run": run_id, "mlflow_store": store_uri(self.options, folder.root)}
        if not self.options.registry or not record.row.version:
            return written
        from pipeline.tracking.mlflow_registry import register_version

        try:
            client = _client(store_uri(self.options, folder.root))
            name = register_version(client, graph, run, record, run_id, folder)
        except Exception as error:
            raise RuntimeError(
                f"run {run_id} is in the store, but its version {record.row.version} was not "
                f"registered: {error}"
            ) from error
        return written | {"mlflow_model": name}


def check_installed(options: MlflowTracking) -> None:
    """Checks before a run that the packages for the store are installed.

    Raises:
        InputError: Names the missing package and how to install it.
    """
    if importlib.util.find_spec("mlflow") is None:
        raise InputError(
            "tracking.mlflow needs MLflow, which is not installed. In the checkout, run "
            f"`{INSTALL} mlflow-skinny`, or remove `tracking.mlflow` from the config."
        )
    if _is_database(options) and importlib.util.find_spec("sqlalchemy") is None:
        raise InputError(
            f"tracking.mlflow.store is {options.store}: for SQLite, MLflow needs SQLAlchemy and "
            f"Alembic, which are not installed. In the checkout, run `{INSTALL} sqlalchemy "
            "alembic`, or set a folder instead."
        )


def store_uri(options: MlflowTracking, output: Path) -> str:
    """Returns MLflow's URI of the store; relative paths are in the output folder."""
    place = Path(os.path.normpath(output / options.store.removeprefix(_SQLITE_PREFIX)))
    return f"{_SQLITE_PREFIX}{place}" if _is_database(options) else place.as_uri()


def _is_database(options: MlflowTracking) -> bool:
    return options.store.startswith(_SQLITE_PREFIX)


def log_run(record: RunRecord, options: MlflowTracking, output: Path) -> str:
    """Writes a run to the store and returns its MLflow id.

    Args:
        record: A finished run.
        options: The store and the experiment.
        output: The output folder, absolute.
    """
    client = _client(store_uri(options, output))
    start_ms = record.started_ms
    run = client.create_run(
        _experiment_id(client, options.experiment or record.row.use_case, output),
        run_name=record.row.run_id,
        start_time=start_ms,
        tags=_tags(record),
    )
    run_id = str(run.info.run_id)
    for name, value in record.hyperparameters.items():
        client.log_param(run_id, name, value)
    end_ms = start_ms + round(1_000 * record.row.duration_s)
    for name, metric in record.row.metrics.items():
        client.log_metric(run_id, name, metric, timestamp=end_ms)
    _log_curves(client, run_id, read_curves(record.log_dir), time_ms=end_ms)
    client.set_terminated(run_id, _STATUS.get(record.row.state, "FAILED"), end_time=end_ms)
    return run_id


def _log_curves(client: Any, run_id: str, curves: Curves, *, time_ms: int) -> None:
    from mlflow.entities import Metric

    points = [
        Metric(name, value, time_ms, step)
        for name, curve in curves.items()
        for step, value in curve
    ]
    for start in range(0, len(points), _BATCH):
        client.log_batch(run_id, metrics=points[start : start + _BATCH])


def _client(uri: str) -> Any:
    # Parts of MLflow that get no client ask the default store, a file in the working directory.
    os.environ.update(_ENVIRONMENT | {"MLFLOW_TRACKING_URI": uri, "MLFLOW_REGISTRY_URI": uri})
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _experiment_id(client: Any, name: str, output: Path) -> str:
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    place = (output / "artifacts" / name).as_uri()
    return str(client.create_experiment(name, artifact_location=place))


def _tags(record: RunRecord) -> dict[str, str]:
    tags = {f"faultline.{key}": value for key, value in run_tags(record).items()}
    return tags | {"mlflow.source.git.commit": record.row.commit}
