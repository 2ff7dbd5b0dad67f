"""TensorBoard log folder with the options, metrics and training curves of every run.

The events are written in TensorBoard's format without TensorFlow, so `faultline runs tensorboard`
responds immediately, and the same runs give the same files.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.lineage.runs import RunState
from pipeline.tracking.run_record import RunRecord, Scalar

TRAINING = "training"
_EVENTS_FILE = "events.out.tfevents.0000000000.faultline"
_MARK = "made-by-faultline"
_FORMAT = "brain.Event:2"


def write_logdir(records: Iterable[RunRecord], folder: Path) -> int:
    """Rewrites the log folder and returns the number of runs in it.

    A run without a trained model is omitted.

    Args:
        records: The runs.
        folder: Created if needed; the output of an earlier call is replaced.

    Raises:
        FileExistsError: The folder contains other files.
    """
    _clear(folder)
    shown = [record for record in records if record.hyperparameters]
    options = same_types([record.hyperparameters for record in shown])
    metrics = sorted({name for record in shown for name in record.row.metrics})
    _write_events(folder, [(0.0, _experiment(options, metrics))])
    for record, values in zip(shown, options, strict=True):
        _write_run(record, values, folder / record.row.run_id)
    return len(shown)


def same_types(options: Sequence[Mapping[str, Scalar]]) -> list[dict[str, Scalar]]:
    """Returns the options with one type each over all runs, as TensorBoard requires.

    Mixed numbers become floats; any other mixture becomes text.
    """
    types: dict[str, set[type]] = {}
    for values in options:
        for name, value in values.items():
            types.setdefault(name, set()).add(type(value))
    casts = {name: _common_type(kinds) for name, kinds in types.items()}
    return [{name: casts[name](value) for name, value in values.items()} for values in options]


def _common_type(types: set[type]) -> Callable[[Scalar], Scalar]:
    if len(types) == 1:
        return next(iter(types))
    return float if types == {int, float} else str


def _clear(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise FileExistsError(
            f"{folder} holds files that `faultline runs tensorboard` did not write"
        )
    if folder.is_dir():
        shutil.rmtree(folder)  # links to the Trainers' logs are removed, not followed
    folder.mkdir(parents=True)
    (folder / _MARK).touch()


def _write_run(record: RunRecord, values: Mapping[str, Scalar], folder: Path) -> None:
    from tensorboard.plugins.hparams import summary_v2 as hp  # `api` would import TensorFlow
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb

    start = record.started_ms / 1_000
    end = start + record.row.duration_s
    options = hp.hparams_pb(dict(values), trial_id=record.row.run_id, start_time_secs=start)
    metrics = [(end, scalar_pb(name, value)) for name, value in sorted(record.row.metrics.items())]
    _write_events(folder, [(start, options), *metrics, (end, _session_end(record, end))])
    if record.log_dir and Path(record.log_dir).is_dir():
        target = os.path.relpath(record.log_dir, folder)
        (folder / TRAINING).symlink_to(target, target_is_directory=True)


def _experiment(options: Sequence[Mapping[str, Scalar]], metrics: Iterable[str]) -> Any:
    """Returns the experiment summary: all options with their values, and all metrics."""
    from tensorboard.plugins.hparams import summary_v2 as hp  # `api` would import TensorFlow

    values_by_name: dict[str, set[Any]] = {}
    for values in options:
        for name, value in values.items():
            values_by_name.setdefault(name, set()).add(value)
    return hp.hparams_config_pb(
        hparams=[
            hp.HParam(name, hp.Discrete(sorted(options)))
            for name, options in values_by_name.items()
        ],
        metrics=[hp.Metric(name) for name in metrics],
        time_created_secs=0,
    )


def _session_end(record: RunRecord, end_s: float) -> Any:
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = {
        RunState.COMPLETE: api_pb2.STATUS_SUCCESS,
        RunState.RUNNING: api_pb2.STATUS_RUNNING,
    }.get(record.row.state, api_pb2.STATUS_FAILURE)
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=end_s)
    data = plugin_data_pb2.HParamsPluginData(session_end_info=info)
    summary = summary_pb2.Summary()
    summary.value.add(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(data),
        tensor=metadata.NULL_TENSOR,
    )
    return summary


def _write_events(folder: Path, summaries: Iterable[tuple[float, Any]]) -> None:
    """Writes summaries with their wall times, in seconds since the Unix epoch."""
    from tensorboard.compat.proto import event_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _EVENTS_FILE).open("wb") as file:
        writer = RecordWriter(file)
        writer.write(event_pb2.Event(file_version=_FORMAT).SerializeToString())
        for time_s, summary in summaries:
            event = event_pb2.Event(wall_time=time_s, summary=summary)
            writer.write(event.SerializeToString(deterministic=True))
