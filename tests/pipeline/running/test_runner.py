from pathlib import Path

import pytest
from ml_metadata.metadata_store import MetadataStore
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline

from common.errors import InputError, StepFailedError
from pipeline.running.runner import compile_pipeline, first_reason, run_steps
from pipeline.running.steps import StepResult, StepState
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
from tests.pipeline.tiny_components import Copy, Fail, Flaky, Write


def _run(
    folder: Path,
    run_id: str,
    *,
    value: str = "a",
    fail: str = "",
    results: list[StepResult] | None = None,
) -> list[StepResult]:
    """Runs the tiny pipeline; `results` also has the steps of a run that fails."""
    write = Write(value=value)
    copy = Copy(text=write.outputs["text"])
    components = [write, copy]
    if fail:
        components.append(Fail(text=copy.outputs["copy"], how=fail))
    connection = metadata.sqlite_metadata_connection_config(str(folder / "metadata.db"))
    pipeline = Pipeline(
        pipeline_name="tiny",
        pipeline_root=str(folder / "artifacts"),
        metadata_connection_config=connection,
        components=components,
        enable_cache=True,
    )
    compiled = compile_pipeline(pipeline, run_id)
    results = [] if results is None else results
    for step in run_steps(compiled, connection, on_start=lambda _: None):
        results.append(step)
    return results


def test_first_run_runs_every_step_and_says_so(tmp_path):
    steps = _run(tmp_path, "one")
    assert [(s.name, s.state, s.reason) for s in steps] == [
        ("Write", StepState.RAN, "first time"),
        ("Copy", StepState.RAN, "first time"),
    ]
    assert Path(steps[1].outputs["copy"][0].uri).read_text() == "a"


def test_unchanged_second_run_comes_from_the_cache(tmp_path):
    _run(tmp_path, "one")
    steps = _run(tmp_path, "two")
    assert {s.state for s in steps} == {StepState.CACHED}
    assert {s.reason for s in steps} == {"same inputs, parameters and code"}


def test_a_changed_parameter_is_named_and_its_output_reruns_what_depends_on_it(tmp_path):
    _run(tmp_path, "one")
    steps = _run(tmp_path, "two", value="b")
    assert [(s.state, s.reason) for s in steps] == [
        (StepState.RAN, "value changed"),
        (StepState.RAN, "changed input: text"),
    ]


def test_the_run_id_is_the_one_given(tmp_path):
    _run(tmp_path, "one")
    store = MetadataStore(metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.db")))
    assert [c.name for c in store.get_contexts_by_type("pipeline_run")] == ["one"]


def test_a_users_mistake_in_a_step_comes_out_as_it_is(tmp_path):
    with pytest.raises(InputError, match="column `x` is missing"):
        _run(tmp_path, "one", fail="user")


def test_any_other_error_names_the_step_and_keeps_the_cause(tmp_path):
    steps: list[StepResult] = []
    with pytest.raises(StepFailedError, match="Fail failed: RuntimeError: disk on fire") as caught:
        _run(tmp_path, "one", fail="other", results=steps)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert [(step.name, step.state) for step in steps] == [
        ("Write", StepState.RAN),
        ("Copy", StepState.RAN),
        ("Fail", StepState.FAILED),
    ]


def test_ctrl_c_ends_the_run_with_the_step_marked_interrupted(tmp_path):
    steps: list[StepResult] = []
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path, "one", fail="ctrl_c", results=steps)
    assert [(step.name, step.state, step.reason) for step in steps] == [
        ("Write", StepState.RAN, "first time"),
        ("Copy", StepState.RAN, "first time"),
        ("Fail", StepState.INTERRUPTED, "stopped by Ctrl-C"),
    ]


def test_what_ran_before_a_failure_is_cached_in_the_next_run(tmp_path):
    with pytest.raises(StepFailedError, match="Fail failed"):
        _run(tmp_path, "one", fail="other")
    steps = _run(tmp_path, "two")
    assert [s.state for s in steps] == [StepState.CACHED, StepState.CACHED]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("disk full", "disk full"),
        ("", "no reason given"),
        (
            "Pipeline job-1 failed in state FAILED: java.net.ConnectException: refused\n"
            "\tat org.apache.flink.Task.run(Task.java:1)",
            "Pipeline job-1 failed in state FAILED: java.net.ConnectException: refused",
        ),
        (
            "Traceback (most recent call last):\n"
            '  File "sdk_worker.py", line 1, in run\n'
            "    response = task()\n"
            "ValueError: no such column [while running 'Read']\n\n"
            "During handling of the above exception, another exception occurred:\n\n"
            "Traceback (most recent call last):\n"
            '  File "common.py", line 2, in process\n'
            "tfx.errors.SomeError: no such column\n"
            "[while running 'Read-ptransform-12']",
            "tfx.errors.SomeError: no such column",
        ),
    ],
)
def test_a_failure_is_told_in_one_line_whatever_traceback_comes_with_it(text, reason):
    assert first_reason(text) == reason


def test_a_long_reason_is_cut():
    assert len(first_reason("x" * 10_000)) == 500


_ENGINE = ("--runner=PortableRunner", "--job_endpoint=embed", "--sdk_container_image=none")
_GONE = ("--runner=PortableRunner", "--job_endpoint=localhost:1", "--sdk_container_image=none")


def _run_flaky(folder: Path, beam_args, *, failures: int, how: str = "engine") -> StepResult:
    (folder / "marks").mkdir()
    flaky = Flaky(marks=str(folder / "marks"), failures=failures, how=how)
    connection = metadata.sqlite_metadata_connection_config(str(folder / "metadata.db"))
    pipeline = Pipeline(
        pipeline_name="tiny",
        pipeline_root=str(folder / "artifacts"),
        metadata_connection_config=connection,
        components=[flaky, Copy(text=flaky.outputs["text"])],
        beam_pipeline_args=list(beam_args),
    )
    compiled = compile_pipeline(pipeline, "one")
    steps = list(run_steps(compiled, connection, on_start=lambda _: None))
    return steps[0]


def test_a_step_that_an_engine_lost_is_tried_once_more(tmp_path):
    step = _run_flaky(tmp_path, _ENGINE, failures=1)

    assert step.state is StepState.RAN
    assert Path(step.outputs["text"][0].uri).read_text() == "whole"
    store = MetadataStore(metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.db")))
    published = [a for a in store.get_artifacts_by_type("String") if a.state == a.LIVE]
    assert len(published) == 2  # the step's and the copy: none of the failed try


@pytest.mark.parametrize(
    ("beam_args", "failures", "how", "error", "tries"),
    [
        (_ENGINE, 2, "engine", StepFailedError, 2),
        (LOCAL_BEAM_ARGS, 1, "engine", StepFailedError, 1),
        (_ENGINE, 1, "user", InputError, 1),
        (_ENGINE, 1, "ctrl_c", KeyboardInterrupt, 1),
        (_GONE, 1, "engine", StepFailedError, 1),
    ],
)
def test_what_another_try_would_not_help_is_tried_once(
    tmp_path, beam_args, failures, how, error, tries
):
    with pytest.raises(error):
        _run_flaky(tmp_path, beam_args, failures=failures, how=how)

    assert len(list((tmp_path / "marks").iterdir())) == tries
