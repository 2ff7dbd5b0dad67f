"""Runs of tiny components in separate steps."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ml_metadata.metadata_store import MetadataStore

from common.metadata import connection_config, open_store
from common.output_folder import OutputFolder
from pipeline.config_loading import config_digest, load_config
from pipeline.lineage.provenance import stamp_run
from pipeline.running.stages.place import sources_digest
from pipeline.running.stepping.executions import executions_of
from pipeline.running.stepping.files import BEGIN, DONE, Beginning, Ending, StepFiles
from pipeline.running.stepping.graph import StepGraph
from pipeline.running.stepping.overrides import Overrides
from pipeline.running.stepping.step import run_one_step
from tests.pipeline.records import Execution, provenance


@dataclass(frozen=True)
class TinyRun:
    """A run of two or three tiny components that has begun.

    Attributes:
        output: The output folder.
        run_id: The run.
        config_path: The config file.
    """

    output: Path
    run_id: str
    config_path: Path

    @property
    def files(self) -> StepFiles:
        return StepFiles(OutputFolder(self.output).run(self.run_id))

    @property
    def store(self) -> MetadataStore:
        options = load_config(self.config_path).metadata
        return open_store(connection_config(options, self.output, os.environ))

    def step(self, name: str) -> int:
        return run_one_step(name, self.run_id, self.output)

    def executions(self) -> dict[str, Execution]:
        return executions_of(self.store, self.run_id, "wells")


def begin_tiny(config_path: Path, output: Path, run_id: str, how: str = "") -> TinyRun:
    """Begins a run; `how` adds a component that fails."""
    run = TinyRun(output, run_id, config_path)
    run.files.write_beginning(
        Beginning(
            config=str(config_path),
            config_digest=config_digest(load_config(config_path)),
            overrides=asdict(Overrides()),
            code_digest=sources_digest(),
            began_at=0.0,
        )
    )
    stamp_run(run.store, run_id, provenance())
    compiled = _compiled(output, run_id, how)
    run.files.graph.write_text(StepGraph.of(compiled).to_json())
    run.files.pipeline.write_bytes(compiled.SerializeToString())
    run.files.write_ending(BEGIN, Ending(state=DONE, duration_s=1.0))
    return run


def _compiled(output: Path, run_id: str, how: str) -> Any:
    from ml_metadata.proto import metadata_store_pb2
    from tfx.orchestration.pipeline import Pipeline

    from pipeline.running.runner import compile_pipeline
    from tests.pipeline.tiny_components import Copy, Fail, Write

    write = Write(value="a")
    copy = Copy(text=write.outputs["text"])
    last = [Fail(text=copy.outputs["copy"], how=how)] if how else []
    tiny = Pipeline(
        pipeline_name="wells",
        pipeline_root=str(output / "artifacts"),
        metadata_connection_config=metadata_store_pb2.ConnectionConfig(),
        components=[write, copy, *last],
        enable_cache=True,
    )
    return compile_pipeline(tiny, run_id)
