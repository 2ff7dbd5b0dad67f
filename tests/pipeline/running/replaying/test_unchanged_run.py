"""Unchanged runs of a tiny pipeline: recorded as TFX records them, or not taken at all."""

import shutil
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from ml_metadata.metadata_store import MetadataStore
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.orchestration.pipeline import Pipeline
from tfx.types.channel import Channel
from tfx.types.standard_artifacts import Model

from common.guards.stopping import Stopped
from common.metadata import sqlite_connection
from common.output_folder import OutputFolder
from pipeline.lineage.provenance import stamp_run
from pipeline.running.launching.artifact_checks import give_up
from pipeline.running.replaying.rehearsal import make_plan
from pipeline.running.replaying.replay import find_unchanged_run
from pipeline.running.runner import compile_pipeline, run_steps
from pipeline.running.steps import StepResult, StepState
from tests.pipeline.records import provenance
from tests.pipeline.running.launching.test_step_launcher import Check, Deal, Learn

_NAME = "wells"


def _open(folder: Path) -> MetadataStore:
    return MetadataStore(sqlite_connection(folder / "metadata.db"))


def _run(
    folder: Path, run_id: str, *, rows: str = "a,b", early: bool = False, cache: bool = True
) -> list[StepResult]:
    """Runs every step, with a resolver before or after the training, and plans the next run."""
    deal = Deal(rows=rows)
    learn = Learn(examples=deal.outputs["examples"])
    resolver = Resolver(strategy_class=LatestArtifactStrategy, model=Channel(type=Model))
    check = Check(model=resolver.outputs["model"])
    learn.add_downstream_node(check)
    if not early:
        resolver.add_upstream_node(learn)
    connection = sqlite_connection(folder / "metadata.db")
    pipeline = Pipeline(
        pipeline_name=_NAME,
        pipeline_root=str(folder / "artifacts"),
        metadata_connection_config=connection,
        components=[deal, learn, resolver, check],
        enable_cache=cache,
    )
    stamp_run(_open(folder), run_id, provenance())
    compiled = compile_pipeline(pipeline, run_id)
    results = list(run_steps(compiled, connection, on_start=lambda _: None))
    plan = make_plan(compiled, connection, results, key="key", run_id=run_id)
    path = OutputFolder(folder).plan(_NAME)
    path.unlink(missing_ok=True)
    if plan is not None:
        plan.write(path)
    return results


def _find(folder: Path, *, key: str | None = "key"):
    return find_unchanged_run(_open(folder), OutputFolder(folder), use_case=_NAME, key=key)


def _repeat(folder: Path, run_id: str, on_start: Callable[[str], None] = lambda _: None):
    unchanged = _find(folder)
    assert unchanged is not None
    stamp_run(unchanged.store, run_id, provenance())
    return unchanged.steps(run_id, on_start=on_start)


def _described(results) -> list[tuple[object, ...]]:
    return [
        (one.name, one.state, one.reason, {k: [a.id for a in v] for k, v in one.outputs.items()})
        for one in results
    ]


def _recorded(folder: Path, run_id: str) -> list[tuple[object, ...]]:
    """Everything that ML Metadata holds of a run's executions, without ids, names and times."""
    store = _open(folder)
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    records = []
    for execution in sorted(store.get_executions_by_context(context.id), key=lambda one: one.id):
        contexts = store.get_contexts_by_execution(execution.id)
        events = store.get_events_by_execution_ids([execution.id])
        records.append(
            (
                execution.type,
                execution.last_known_state,
                sorted((key, str(value)) for key, value in execution.properties.items()),
                sorted((key, str(value)) for key, value in execution.custom_properties.items()),
                sorted((one.type, one.name.replace(run_id, "RUN")) for one in contexts),
                sorted((event.type, str(event.path), event.artifact_id) for event in events),
                bool(execution.name),
            )
        )
    return records


def _artifacts(folder: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    """The artifacts, with their contexts other than runs."""
    store = _open(folder)
    return [
        (
            artifact.SerializeToString(deterministic=True),
            sorted(
                (one.type, one.name)
                for one in store.get_contexts_by_artifact(artifact.id)
                if one.type != "pipeline_run"
            ),
        )
        for artifact in store.get_artifacts()
    ]


def test_an_unchanged_run_is_recorded_as_its_steps_would_record_it(tmp_path):
    _run(tmp_path, "one")
    by_steps = _run(tmp_path, "two")
    before = _artifacts(tmp_path)
    repeated = list(_repeat(tmp_path, "three"))
    assert Counter(one.state for one in repeated) == {StepState.CACHED: 3, StepState.RAN: 1}
    assert _described(repeated) == _described(by_steps)
    assert _recorded(tmp_path, "three") == _recorded(tmp_path, "two")
    assert _artifacts(tmp_path) == before


def test_the_second_run_is_recorded_like_a_cached_one_too(tmp_path):
    _run(tmp_path, "one")
    repeated = list(_repeat(tmp_path, "two"))
    by_steps = _run(tmp_path, "three")
    assert _described(repeated) == _described(by_steps)
    assert _recorded(tmp_path, "two") == _recorded(tmp_path, "three")


def test_unchanged_runs_follow_each_other(tmp_path):
    _run(tmp_path, "one")
    for run_id in ("two", "three"):
        list(_repeat(tmp_path, run_id))
    assert _recorded(tmp_path, "three") == _recorded(tmp_path, "two")


def test_the_plan_is_for_its_owner_only(tmp_path):
    _run(tmp_path, "one")
    assert OutputFolder(tmp_path).plan(_NAME).stat().st_mode & 0o777 == 0o600


def test_a_step_that_is_not_cached_leaves_no_plan(tmp_path):
    _run(tmp_path, "one", cache=False)
    assert not OutputFolder(tmp_path).plan(_NAME).exists()


def test_a_resolver_that_would_choose_another_artifact_leaves_no_plan(tmp_path):
    _run(tmp_path, "one")
    # It chooses the model of the first run, and then that of this run.
    _run(tmp_path, "two", rows="c", early=True)
    assert not OutputFolder(tmp_path).plan(_NAME).exists()
    _run(tmp_path, "three", rows="c", early=True)
    assert OutputFolder(tmp_path).plan(_NAME).exists()


def _model_file(folder: Path) -> Path:
    [file] = (folder / "artifacts" / "Learn" / "model").glob("*/weights")
    return file


def _edit_a_file(folder: Path) -> None:
    _model_file(folder).write_text("ba")  # as long as before


def _remove_an_artifact(folder: Path) -> None:
    shutil.rmtree(_model_file(folder).parent)


def _add_a_file(folder: Path) -> None:
    (_model_file(folder).parent / "more").touch()


def _note_on_an_artifact(folder: Path) -> None:
    store = _open(folder)
    [model] = store.get_artifacts_by_type("Model")
    model.custom_properties["approved_by"].string_value = "Ada"
    store.put_artifacts([model])


def _give_up_an_artifact(folder: Path) -> None:
    store = _open(folder)
    [model] = store.get_artifacts_by_type("Model")
    give_up(store, {model.id: "by a test"})


def _begin_another_run(folder: Path) -> None:
    stamp_run(_open(folder), "stopped at once", provenance())


def _begin_a_span(folder: Path) -> None:
    stamp_run(_open(folder), "stopped.span-7", provenance())


def _cut_the_plan(folder: Path) -> None:
    path = OutputFolder(folder).plan(_NAME)
    path.write_text(path.read_text()[:-20])


def _remove_the_metadata(folder: Path) -> None:
    (folder / "metadata.db").unlink()


@pytest.mark.parametrize(
    "change",
    [
        _edit_a_file,
        _remove_an_artifact,
        _add_a_file,
        _note_on_an_artifact,
        _give_up_an_artifact,
        _begin_another_run,
        _begin_a_span,
        _cut_the_plan,
        _remove_the_metadata,
    ],
)
def test_after_a_change_every_step_is_asked(tmp_path, change):
    _run(tmp_path, "one")
    assert _find(tmp_path) is not None
    change(tmp_path)
    assert _find(tmp_path) is None


def test_another_key_or_none_asks_every_step(tmp_path):
    _run(tmp_path, "one")
    assert _find(tmp_path, key="other") is None
    assert _find(tmp_path, key=None) is None


@pytest.mark.usefixtures("heeded_signals")
def test_ctrl_c_interrupts_the_step_and_the_next_run_asks_every_step(tmp_path):
    _run(tmp_path, "one")
    results = []

    def press_ctrl_c(name: str) -> None:
        if name == "Learn":
            with suppress(Stopped):  # as a library that loses it
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(Stopped):
        results.extend(_repeat(tmp_path, "two", press_ctrl_c))
    assert [(one.name, one.state) for one in results] == [
        ("Deal", StepState.CACHED),
        ("Learn", StepState.INTERRUPTED),
    ]
    assert _find(tmp_path) is None
