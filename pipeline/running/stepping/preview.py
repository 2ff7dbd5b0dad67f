"""The steps that a run of a config will have, where neither its data nor its metadata are."""

import re
import tempfile
from dataclasses import replace
from pathlib import Path

from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.reading.files.locations import Source
from pipeline.running.stepping.graph import StepGraph

_SPAN = re.compile(r"\{(SPAN|DATE|YYYY)")


def has_spans(config: Config) -> bool:
    """Whether the data of a use case come in spans, numbered or dated."""
    sql = config.data.sql
    return bool(_SPAN.search(config.data.path or (sql.query if sql is not None else None) or ""))


def preview_graph(config: Config) -> StepGraph:
    """Returns the steps of a use case and what each depends on."""
    from ml_metadata.proto import metadata_store_pb2

    from pipeline.create import create_pipeline
    from pipeline.running.runner import compile_pipeline

    # The key to sign with is where the run begins and where it pushes, perhaps not here.
    config = replace(config, signing=None)
    with tempfile.TemporaryDirectory(prefix="faultline-preview-") as name:
        folder = OutputFolder(Path(name))
        source = _stand_in(config, folder.root)
        connection = metadata_store_pb2.ConnectionConfig()
        pipeline = create_pipeline(config, source, folder, connection)
        return StepGraph.of(compile_pipeline(pipeline, "preview"))


def _stand_in(config: Config, folder: Path) -> Source:
    """Returns a source with spans and a window if the data have them; its files are empty."""
    if not has_spans(config):
        return Source(base=str(folder), patterns={"data": "*.csv"})
    for span in (1, 2):
        (folder / f"span-{span}.csv").touch()
    window = (1, 2) if config.data.has_window else ()
    return Source(base=str(folder), patterns={"data": "span-{SPAN}.csv"}, span=2, window=window)
