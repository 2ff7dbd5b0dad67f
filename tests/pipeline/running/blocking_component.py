"""A pipeline that hangs half way on its first run, and a program that runs it, for kill -9."""

import sys
import time
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration.pipeline import Pipeline
from tfx.types.standard_artifacts import String

from common.metadata import sqlite_connection
from pipeline.running.runner import compile_pipeline, run_steps
from tests.pipeline.tiny_components import Write


@component
def HangOnce(  # noqa: N802 - a component is named like a class
    text: InputArtifact[String], copy: OutputArtifact[String], marker: Parameter[str]
) -> None:
    """Writes half of its output and hangs, unless `marker` says that it did before."""
    target = Path(copy.uri)
    target.parent.mkdir(parents=True, exist_ok=True)
    whole = Path(text.uri).read_text()
    if not Path(marker).exists():
        target.write_text(whole[:2])
        Path(marker).touch()
        time.sleep(600)
    target.write_text(whole)


def run(folder: Path, run_id: str) -> list[tuple[str, str]]:
    """Runs the pipeline; returns each step's name and state."""
    write = Write(value="whole")
    hang = HangOnce(text=write.outputs["text"], marker=str(folder / "marker"))
    connection = sqlite_connection(folder / "metadata.db")
    pipeline = Pipeline(
        pipeline_name="wells",
        pipeline_root=str(folder / "artifacts"),
        metadata_connection_config=connection,
        components=[write, hang],
        enable_cache=True,
    )
    steps = run_steps(compile_pipeline(pipeline, run_id), connection, on_start=lambda _: None)
    return [(step.name, step.state.value) for step in steps]


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2])
