"""The steps of a use case, told before its data are there."""

import pytest

from common.metadata import sqlite_connection
from common.output_folder import OutputFolder
from pipeline.config_loading import load_config
from pipeline.reading.data_source import find_source
from pipeline.running.stepping.graph import StepGraph
from pipeline.running.stepping.preview import preview_graph
from tests.e2e.harness import CONFIG, wells_csv, write_wells

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("window", [None, "", "\n  window: 2"])
def test_the_steps_are_those_of_a_run_on_the_data(tmp_path, window):
    from pipeline.create import create_pipeline
    from pipeline.running.runner import compile_pipeline

    path = "wells.csv" if window is None else f"span-{{SPAN}}.csv{window}"
    text = CONFIG.replace("path: wells.csv", f"path: {path}")
    config = load_config(write_wells(tmp_path / "here", wells_csv(40), text))
    # The key to sign with is not on the machine that previews.
    signing = "signing: {private_key: none.pem}\n"
    preview = preview_graph(load_config(write_wells(tmp_path / "elsewhere", "", text + signing)))

    for span in (1, 2):
        (tmp_path / "here" / f"span-{span}.csv").write_text(wells_csv(40, seed=span))
    folder = OutputFolder(tmp_path / "output")
    connection = sqlite_connection(tmp_path / "metadata.db")
    pipeline = create_pipeline(config, find_source(config, folder), folder, connection)
    assert preview == StepGraph.of(compile_pipeline(pipeline, "run"))
    assert ("SpanWindow" in preview.upstream) == (window == "\n  window: 2")
