"""The log folder, read back by TensorBoard's own reader and HParams plugin."""

import dataclasses

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

from pipeline.lineage.runs import RunRow, RunState
from pipeline.tracking.hparams import same_types, write_logdir
from pipeline.tracking.run_record import RunRecord

ROW = RunRow(
    run_id="run-1",
    use_case="wells",
    started="2026-11-23T10:15:00Z",
    duration_s=12.5,
    state=RunState.COMPLETE,
    stopped_at="",
    num_steps=12,
    num_cached=0,
    data={},
    commit="c0ffee",
    dirty=False,
    metrics={"pr_auc": 0.75, "recall": 0.5},
    verdict="BLESSED",
    version="1764000000",
    withdrawn=None,
)
OPTIONS = {"learning_rate": 0.01, "batch_size": 32, "hidden_units": "[16]"}


def _record(run_id="run-1", *, log_dir="", options=OPTIONS, **row):
    return RunRecord(
        row=dataclasses.replace(ROW, run_id=run_id, **row),
        hyperparameters=options,
        model_uri="",
        log_dir=log_dir,
    )


def _plugin(folder):
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    context = TBContext(data_provider=provider, logdir=str(folder))
    return backend_context.Context(context), multiplexer


def _sessions(folder):
    context, _ = _plugin(folder)
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=100,
        include_metrics=True,
        allowed_statuses=[
            api_pb2.STATUS_SUCCESS,
            api_pb2.STATUS_FAILURE,
            api_pb2.STATUS_RUNNING,
        ],
        col_params=[api_pb2.ColParams(metric=_metric(m)) for m in ("pr_auc", "recall")],
    )
    handler = list_session_groups.Handler(RequestContext(), context, "", request)
    return {group.name: group for group in handler.run().session_groups}


def _metric(tag):
    return api_pb2.MetricName(group="", tag=tag)


@pytest.mark.tensorflow
def test_every_run_has_its_options_and_final_metrics_in_the_plugin(tmp_path):
    worse = _record("run-2", options=OPTIONS | {"learning_rate": 0.1}, metrics={"pr_auc": 0.25})
    assert write_logdir([_record(), worse], tmp_path / "log") == 2
    groups = _sessions(tmp_path / "log")
    assert set(groups) == {"run-1", "run-2"}
    first = groups["run-1"]
    assert first.hparams["learning_rate"].number_value == 0.01
    assert first.hparams["batch_size"].number_value == 32
    assert first.hparams["hidden_units"].string_value == "[16]"
    assert groups["run-2"].hparams["learning_rate"].number_value == 0.1
    values = {value.name.tag: value.value for value in first.metric_values}
    assert values == {"pr_auc": 0.75, "recall": 0.5}
    [session] = first.sessions
    # 2026-11-23 10:15:00 UTC is 1,795,428,900 s after the epoch.
    assert (session.start_time_secs, session.end_time_secs) == (1795428900, 1795428912.5)
    assert session.status == api_pb2.STATUS_SUCCESS


@pytest.mark.tensorflow
def test_a_failed_run_is_told_as_failed_and_one_without_a_model_is_left_out(tmp_path):
    failed = _record(state=RunState.FAILED, stopped_at="Evaluator", metrics={})
    assert write_logdir([failed, _record("run-2", options={})], tmp_path / "log") == 1
    [(name, group)] = _sessions(tmp_path / "log").items()
    assert name == "run-1"
    assert group.sessions[0].status == api_pb2.STATUS_FAILURE


@pytest.mark.tensorflow
def test_the_training_curves_are_beside_the_options(tmp_path):
    logs = tmp_path / "model_run" / "train"
    write_logdir([_record("curves")], logs.parent)  # any event files will do
    write_logdir([_record(log_dir=str(logs.parent))], tmp_path / "log")
    _, multiplexer = _plugin(tmp_path / "log")
    assert {"run-1", "run-1/training/curves"} <= set(multiplexer.Runs())


def test_the_same_runs_give_the_same_bytes_and_older_runs_are_gone(tmp_path):
    write_logdir([_record(), _record("run-2")], tmp_path / "log")
    write_logdir([_record()], tmp_path / "log")
    write_logdir([_record()], tmp_path / "again")
    files = {p.relative_to(tmp_path / "log") for p in (tmp_path / "log").rglob("*")}
    assert files == {p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*")}
    for file in files:
        if (tmp_path / "log" / file).is_file():
            assert (tmp_path / "log" / file).read_bytes() == (
                tmp_path / "again" / file
            ).read_bytes()


def test_removing_the_old_folder_leaves_the_trainers_logs(tmp_path):
    (tmp_path / "model_run").mkdir()
    (tmp_path / "model_run" / "curve").touch()
    for _ in range(2):
        write_logdir([_record(log_dir=str(tmp_path / "model_run"))], tmp_path / "log")
    assert (tmp_path / "model_run" / "curve").exists()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="did not write"):
        write_logdir([_record()], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_option_has_one_type_in_all_runs():
    assert same_types([{"a": 1, "b": 1}, {"a": 0.5, "b": "none"}]) == [
        {"a": 1.0, "b": "1"},
        {"a": 0.5, "b": "none"},
    ]
    assert same_types([{"a": True}, {"a": True}]) == [{"a": True}, {"a": True}]
