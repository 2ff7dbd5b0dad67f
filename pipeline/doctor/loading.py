"""Loads what a run needs in a process of its own, so that a crash is an answer too."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

# What a run loads that is compiled, and TensorBoard, which TensorFlow no longer brings along.
MODULES = {
    "TensorFlow": "tensorflow",
    "ML Metadata": "ml_metadata.metadata_store.pywrap.metadata_store_extension",
    "TFX BSL": "tfx_bsl.cc.tfx_bsl_extension",
    "Data Validation": "tensorflow_data_validation.pywrap.tensorflow_data_validation_extension",
    "Arrow": "pyarrow.parquet",
    "TensorBoard": "tensorboard.summary",
    "Pipeline": "pipeline.create",
}
# Prints a line for each module as soon as it is loaded.
_LOAD = """
import importlib, json, sys
for name in sys.argv[1:]:
    error = ""
    try:
        importlib.import_module(name)
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
    print("loaded", json.dumps([name, error]), flush=True)
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
options = PipelineOptions(list(LOCAL_BEAM_ARGS))
runner = options.view_as(StandardOptions).runner.rpartition(".")[2]
mode = options.view_as(DirectOptions).direct_running_mode
print("loaded", json.dumps(["beam", f"{runner}, {mode}"]), flush=True)
"""


def load_modules(names: Iterable[str]) -> dict[str, str]:
    """Imports modules in a process of its own.

    Returns:
        For each module, in order, why it does not load, empty where it does; `beam` holds the
        runner that local runs use. What comes after a crash of the process is missing.
    """
    with tempfile.TemporaryDirectory() as keras_home:
        process = subprocess.run(
            [sys.executable, "-c", _LOAD, *names],
            cwd=Path(__file__).resolve().parents[2],
            # Else Keras writes its settings into the home folder when it is first imported.
            env={**os.environ, "KERAS_HOME": keras_home},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
    lines = (line for line in process.stdout.splitlines() if line.startswith("loaded "))
    return dict(json.loads(line.removeprefix("loaded ")) for line in lines)
