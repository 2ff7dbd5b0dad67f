"""Steps in folders of their own, and damage between and during runs, with tiny pipelines."""

import shutil
import signal
import sqlite3
from pathlib import Path

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto.metadata_store_pb2 import Execution
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.orchestration.pipeline import Pipeline
from tfx.types.channel import Channel
from tfx.types.standard_artifacts import Examples, Model

from common.errors import StepFailedError
from common.guards.stopping import Stopped
from common.metadata import sqlite_connection
from pipeline.running.runner import compile_pipeline, run_steps
from pipeline.running.steps import StepState


@component
def Deal(  # noqa: N802 - a component is a noun
    examples: OutputArtifact[Examples], rows: Parameter[str]
) -> None:
    for number, row in enumerate(rows.split(",")):
        (Path(examples.uri) / f"shard-{number}").write_text(row)


@component
def Learn(  # noqa: N802 - a component is a noun
    examples: InputArtifact[Examples], model: OutputArtifact[Model]
) -> None:
    shards = sorted(Path(examples.uri).iterdir())
    (Path(model.uri) / "weights").write_text("".join(shard.read_text() for shard in shards))


@component
def Check(  # noqa: N802 - a component is a noun
    model: InputArtifact[Model], note: OutputArtifact[Examples]
) -> None:
    (Path(note.uri) / "seen").write_text((Path(model.uri) / "weights").read_text())


def run(folder, run_id, *, rows="a,b", latest=False):
    """Runs the pipeline; returns state and reason of each step by name, and the last output."""
    deal = Deal(rows=rows)
    learn = Learn(examples=deal.outputs["examples"])
    nodes = [deal, learn]
    model = learn.outputs["model"]
    if latest:  # a model of any run, not only of this one
        resolver = Resolver(strategy_class=LatestArtifactStrategy, model=Channel(type=Model))
        nodes = [resolver]
        model = resolver.outputs["model"]
    nodes.append(Check(model=model))
    connection = sqlite_connection(folder / "metadata.db")
    pipeline = Pipeline(
        pipeline_name="tiny",
        pipeline_root=str(folder / "artifacts"),
        metadata_connection_config=connection,
        components=nodes,
        enable_cache=True,
    )
    compiled = compile_pipeline(pipeline, run_id)
    steps = list(
        run_steps(
            compiled, connection, on_start=lambda _: None, kept_digests=folder / "digests.json"
        )
    )
    [note] = steps[-1].outputs["note"]
    seen = (Path(note.uri) / "seen").read_text()
    return {step.name: (step.state, step.reason) for step in steps}, seen


def shards(folder):
    return sorted((folder / "artifacts" / "Deal" / "examples").glob("*/shard-*"))


def test_without_the_metadata_file_no_step_reads_the_files_of_an_earlier_history(tmp_path):
    assert run(tmp_path, "one", rows="a,b,c")[1] == "abc"
    (tmp_path / "metadata.db").unlink()
    # Execution ids start again: the folder of Deal has three shards, and two are written now.
    steps, seen = run(tmp_path, "two", rows="x,y")
    assert seen == "xy"
    assert {state for state, _ in steps.values()} == {StepState.RAN}
    assert [path.parent.name for path in shards(tmp_path)] == ["1", "1", "1", "1-2", "1-2"]


def test_an_older_copy_of_the_metadata_file_leads_to_no_mixture_either(tmp_path):
    run(tmp_path, "one")
    shutil.copy(tmp_path / "metadata.db", tmp_path / "copy.db")
    run(tmp_path, "two", rows="a,b,c")
    shutil.move(tmp_path / "copy.db", tmp_path / "metadata.db")
    assert run(tmp_path, "three", rows="x,y")[1] == "xy"
    # What the copy knows is whole and comes from the cache.
    steps, seen = run(tmp_path, "four")
    assert {state for state, _ in steps.values()} == {StepState.CACHED}
    assert seen == "ab"


def _truncate(path):
    path.write_text("")


def _edit(path):
    path.write_text("z")


def _add(path):
    path.with_name("shard-9").write_text("z")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_truncate, "shard-0 has 0 bytes instead of 1"),
        (_edit, "the content of shard-0 changed"),
        (Path.unlink, "shard-0 is missing"),
        (_add, "shard-9 was added"),
    ],
)
def test_a_damaged_result_is_not_used_and_its_step_and_the_later_ones_run_again(
    tmp_path, damage, words
):
    run(tmp_path, "one")
    damage(shards(tmp_path)[0])
    steps, seen = run(tmp_path, "two")
    assert seen == "ab"
    assert steps["Deal"] == (StepState.RAN, f"its earlier result is damaged: {words}")
    assert steps["Learn"] == (StepState.RAN, "changed input: examples")
    assert steps["Check"] == (StepState.RAN, "changed input: model")
    assert {state for state, _ in run(tmp_path, "three")[0].values()} == {StepState.CACHED}


def test_damage_during_a_run_stops_it_and_the_next_run_repeats_the_step(tmp_path):
    victim = tmp_path / "artifacts" / "Learn" / "model" / "2" / "weights"
    with pytest.raises(StepFailedError, match=r"weights has 0 bytes instead of 2.*Run again"):
        run_damaging(tmp_path, victim)
    steps, seen = run(tmp_path, "two")
    assert seen == "ab"
    assert steps["Learn"][0] is StepState.RAN


def run_damaging(folder, victim):
    """Runs the pipeline; the model is damaged between its step and the next."""
    import pipeline.running.launching.step_launcher as launching

    check = launching.StepLauncher._check_inputs

    def damage_first(self, inputs):
        if "model" in inputs:
            victim.write_text("")
        check(self, inputs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launching.StepLauncher, "_check_inputs", damage_first)
        run(folder, "one")


def test_a_resolver_passes_over_a_damaged_artifact(tmp_path):
    run(tmp_path, "one")
    run(tmp_path, "two", rows="c,d")
    assert run(tmp_path, "three", latest=True)[1] == "cd"
    weights = sorted((tmp_path / "artifacts" / "Learn" / "model").glob("*/weights"))
    weights[-1].write_text("zz")
    assert run(tmp_path, "four", latest=True)[1] == "ab"
    store = MetadataStore(sqlite_connection(tmp_path / "metadata.db"))
    damaged = [a for a in store.get_artifacts_by_type("Model") if a.state == a.ABANDONED]
    assert [a.custom_properties["damage"].string_value for a in damaged] == [
        "the content of weights changed"
    ]


def test_a_result_of_a_version_that_wrote_no_digests_is_made_again(tmp_path):
    run(tmp_path, "one")
    with sqlite3.connect(tmp_path / "metadata.db") as database:
        database.execute("DELETE FROM ArtifactProperty WHERE name = '__manifest'")
    steps, _ = run(tmp_path, "two")
    assert steps["Deal"][0] is StepState.RAN
    assert "written without a digest" in steps["Deal"][1]


@component
def Swallow(examples: OutputArtifact[Examples]) -> None:  # noqa: N802 - a component is a noun
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        raise RuntimeError("a worker has ended") from None


@pytest.mark.usefixtures("heeded_signals")
def test_a_step_whose_library_made_an_error_of_a_stop_is_interrupted_and_not_failed(tmp_path):
    connection = sqlite_connection(tmp_path / "metadata.db")
    pipeline = Pipeline(
        pipeline_name="tiny",
        pipeline_root=str(tmp_path / "artifacts"),
        metadata_connection_config=connection,
        components=[Swallow()],
    )
    steps = run_steps(
        compile_pipeline(pipeline, "run-1"),
        connection,
        on_start=lambda _: None,
        kept_digests=tmp_path / "digests.json",
    )
    with pytest.raises(Stopped):
        list(steps)
    [execution] = MetadataStore(connection).get_executions()
    assert execution.last_known_state == Execution.RUNNING  # and none that TFX would call failed
