"""Experiment tracking of a run: a check before it starts and an export after it ends."""

import os

from common.output_folder import OutputFolder
from pipeline.config import Config, Tracking


def check_tracking(options: Tracking) -> None:
    """Checks that the configured tracker is installed.

    Raises:
        InputError: A package is missing.
    """
    if options.mlflow is not None:
        from pipeline.tracking.mlflow_store import check_installed

        check_installed(options.mlflow)


def track_run(run_id: str, config: Config, folder: OutputFolder) -> dict[str, str]:
    """Exports a finished run to the configured tracker; returns what was written.

    Args:
        run_id: The run; one that ended before its first record in ML Metadata is not exported.
        config: The use case.
        folder: The output folder.
    """
    options = config.tracking.mlflow
    if options is None:
        return {}
    from common.metadata import connection_config, open_store
    from pipeline.lineage.graph import read_graph
    from pipeline.tracking.mlflow_store import log_run, store_uri
    from pipeline.tracking.run_record import run_record

    connection = connection_config(config.metadata, folder.root, os.environ)
    graph = read_graph(open_store(connection))
    if run_id not in graph.runs:
        return {}
    mlflow_id = log_run(run_record(graph, graph.runs[run_id]), options, folder.root)
    return {"mlflow_run": mlflow_id, "mlflow_store": store_uri(options, folder.root)}
