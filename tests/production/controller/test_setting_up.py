from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from common.output_folder import OutputFolder
from pipeline.config_loading import config_from_json, config_to_json, load_config
from production.controller import make_setup

PROJECT = Path(__file__).resolve().parents[3]


def test_a_recorded_config_needs_no_schema(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(PROJECT / "configs" / "signals.yaml")
    recorded = config_from_json(config_to_json(replace(config, schema="../schema/signals.pbtxt")))
    setup = make_setup(OutputFolder(tmp_path), recorded, open_store=lambda: None, say=print)
    assert setup.options == config.rollout
    assert setup.are_positive(pa.array(["1", "0", "1.0"])).tolist() == [True, False, True]
