"""Steps side by side: order of results, dependencies, failures and Ctrl-C."""

import os
import signal
import time
from pathlib import Path

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto.metadata_store_pb2 import Execution
from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.base.base_node import BaseNode
from tfx.orchestration.pipeline import Pipeline
from tfx.types.standard_artifacts import String

from common.errors import StepFailedError
from common.guards.stopping import Stopped
from common.metadata import sqlite_connection
from pipeline.running.runner import compile_pipeline, run_steps
from pipeline.running.steps import StepResult, StepState
from tests.pipeline.tiny_components import Copy, Write

_RAN, _FAILED, _INTERRUPTED = StepState.RAN, StepState.FAILED, StepState.INTERRUPTED


@component
def Await(  # noqa: N802 - a component is a noun
    text: OutputArtifact[String], marker: Parameter[str], seconds: Parameter[float]
) -> None:
    """Waits for a file and writes whether it came."""
    deadline = time.monotonic() + seconds
    while not Path(marker).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    Path(text.uri).parent.mkdir(parents=True, exist_ok=True)
    Path(text.uri).write_text("came" if Path(marker).exists() else "did not come")


@component
def Mark(marker: Parameter[str], how: Parameter[str]) -> None:  # noqa: N802 - as above
    """Makes a file and ends as it is told to."""
    Path(marker).touch()
    if how == "fails":
        raise RuntimeError("disk on fire")
    if how == "stops":
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)


@component
def FailAfter(marker: Parameter[str], how: Parameter[str]) -> None:  # noqa: N802 - as above
    """Waits for a file, and fails or sends Ctrl-C."""
    while not Path(marker).exists():
        time.sleep(0.01)
    if how == "fails":
        raise RuntimeError("no server")
    time.sleep(0.3)  # the main thread now waits for this step
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.3)


def _run(
    folder: Path, *nodes: BaseNode, run_id: str = "one", results: list[StepResult] | None = None
) -> list[StepResult]:
    """Runs the nodes; `results` also has the steps of a run that stops."""
    connection = sqlite_connection(folder / "metadata.db")
    pipeline = Pipeline(
        pipeline_name="tiny",
        pipeline_root=str(folder / "artifacts"),
        metadata_connection_config=connection,
        components=list(nodes),
        enable_cache=True,
    )
    compiled = compile_pipeline(pipeline, run_id)
    results = [] if results is None else results
    results.extend(run_steps(compiled, connection, on_start=lambda _: None))
    return results


def _states(results: list[StepResult]) -> list[tuple[str, StepState]]:
    return [(one.name, one.state) for one in results]


def _text(result: StepResult) -> str:
    [artifact] = result.outputs["text"]
    return Path(artifact.uri).read_text()


def _after(node: BaseNode, *earlier: BaseNode) -> BaseNode:
    for one in earlier:
        node.add_upstream_node(one)
    return node


def _beside(marker: Path, *, seconds: float = 20.0) -> BaseNode:
    return Await(marker=str(marker), seconds=seconds).with_id("InfraValidator")


def test_a_step_runs_beside_the_next_and_its_result_comes_first(tmp_path):
    marker = tmp_path / "marker"
    write = Write(value="a")
    beside = _after(_beside(marker), write)
    mark = _after(Mark(marker=str(marker), how="ends"), write)
    results = _run(tmp_path, write, beside, mark)
    assert _states(results) == [("Write", _RAN), ("InfraValidator", _RAN), ("Mark", _RAN)]
    assert _text(results[1]) == "came"
    ids = [one.execution_id for one in results]
    assert ids == sorted(ids)


def test_both_steps_come_from_the_cache_in_the_next_run(tmp_path):
    by_run = {}
    for run_id in ("one", "two"):
        write = Write(value="a")
        beside = _after(_beside(tmp_path / "marker", seconds=0.1), write)
        copy = Copy(text=write.outputs["text"])
        by_run[run_id] = _run(tmp_path, write, beside, copy, run_id=run_id)
    assert [one.name for one in by_run["two"]] == [one.name for one in by_run["one"]]
    assert {one.state for one in by_run["two"]} == {StepState.CACHED}


def test_a_step_that_needs_the_result_waits_for_it(tmp_path):
    beside = _beside(tmp_path / "marker", seconds=0.5)
    copy = Copy(text=beside.outputs["text"])
    results = _run(tmp_path, beside, copy)
    assert Path(results[1].outputs["copy"][0].uri).read_text() == "did not come"


def test_a_training_waits_for_the_steps_beside_it(tmp_path):
    marker = tmp_path / "marker"
    write = Write(value="a")
    beside = _after(_beside(marker, seconds=0.5), write)
    trainer = _after(Mark(marker=str(marker), how="ends").with_id("Trainer"), write)
    results = _run(tmp_path, write, beside, trainer)
    by_name = {one.name: one for one in results}
    assert _text(by_name["InfraValidator"]) == "did not come"


def test_a_failure_of_the_step_beside_ends_the_run_after_the_step_that_was_running(tmp_path):
    marker = tmp_path / "marker"
    write = Write(value="a")
    beside = FailAfter(marker=str(marker), how="fails").with_id("InfraValidator")
    mark = _after(Mark(marker=str(marker), how="ends"), write)
    push = _after(Write(value="b").with_id("Push"), _after(beside, write), mark)
    results: list[StepResult] = []
    with pytest.raises(StepFailedError, match="InfraValidator failed: RuntimeError: no server"):
        _run(tmp_path, write, beside, mark, push, results=results)
    assert _states(results) == [("Write", _RAN), ("Mark", _RAN), ("InfraValidator", _FAILED)]


def test_both_results_are_there_if_the_step_in_front_fails(tmp_path):
    marker = tmp_path / "marker"
    write = Write(value="a")
    beside = _after(_beside(marker), write)
    mark = _after(Mark(marker=str(marker), how="fails"), write)
    results: list[StepResult] = []
    with pytest.raises(StepFailedError, match="Mark failed: RuntimeError: disk on fire"):
        _run(tmp_path, write, beside, mark, results=results)
    assert _states(results) == [("Write", _RAN), ("InfraValidator", _RAN), ("Mark", _FAILED)]


def _live_outputs(folder: Path) -> int:
    store = MetadataStore(sqlite_connection(folder / "metadata.db"))
    return len(store.get_artifacts())


@pytest.mark.usefixtures("heeded_signals")
def test_ctrl_c_in_front_interrupts_both_and_neither_publishes(tmp_path):
    marker = tmp_path / "marker"
    write = Write(value="a")
    beside = _after(_beside(marker), write)
    mark = _after(Mark(marker=str(marker), how="stops"), write)
    after = _after(Write(value="b").with_id("Push"), mark)
    results: list[StepResult] = []
    with pytest.raises(Stopped):
        _run(tmp_path, write, beside, mark, after, results=results)
    assert _states(results) == [
        ("Write", _RAN),
        ("InfraValidator", _INTERRUPTED),
        ("Mark", _INTERRUPTED),
    ]
    assert _live_outputs(tmp_path) == 1  # that of Write


@pytest.mark.usefixtures("heeded_signals")
def test_ctrl_c_while_the_run_waits_interrupts_the_step_beside(tmp_path):
    marker = tmp_path / "marker"
    write = Write(value="a")
    beside = _after(FailAfter(marker=str(marker), how="stops").with_id("InfraValidator"), write)
    mark = _after(Mark(marker=str(marker), how="ends"), write)
    push = _after(Write(value="b").with_id("Push"), beside, mark)
    results: list[StepResult] = []
    with pytest.raises(Stopped):
        _run(tmp_path, write, beside, mark, push, results=results)
    assert _states(results) == [("Write", _RAN), ("Mark", _RAN), ("InfraValidator", _INTERRUPTED)]
    store = MetadataStore(sqlite_connection(tmp_path / "metadata.db"))
    states = [one.last_known_state for one in store.get_executions()]
    assert states.count(Execution.COMPLETE) == 2
