"""A run that is repeated under its own id, as after a kill."""

from ml_metadata.metadata_store import MetadataStore
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.types.channel import Channel
from tfx.types.standard_artifacts import String

from pipeline.running.runner import compile_pipeline, run_steps
from tests.pipeline.tiny_components import Copy, Write


def test_a_resolver_chooses_once_in_a_run(tmp_path):
    connection = metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.db"))

    def run(run_id):
        write = Write(value="a")
        latest = Resolver(strategy_class=LatestArtifactStrategy, text=Channel(type=String))
        latest = latest.with_id("Latest")
        latest.add_upstream_node(write)
        pipeline = Pipeline(
            pipeline_name="tiny",
            pipeline_root=str(tmp_path / "artifacts"),
            metadata_connection_config=connection,
            components=[write, latest, Copy(text=latest.outputs["text"])],
            enable_cache=True,
        )
        compiled = compile_pipeline(pipeline, run_id)
        return [step.execution_id for step in run_steps(compiled, connection, on_start=print)]

    first = run("one")
    # Two choices in one run would be two inputs of Copy, which takes one.
    assert run("one") == first
    assert len(MetadataStore(connection).get_executions()) == 3
    assert set(run("two")).isdisjoint(first)
