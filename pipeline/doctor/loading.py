"""Loads the modules of a run in a separate process, so that a crash is a result too."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

# Compiled modules of a run, and TensorBoard, which is no longer a dependency of TensorFlow.
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
    """Imports modules in a separate process.

    Returns:
        The error of each module, in order, empty if it loads; `beam` holds the runner of local
        runs. Modules after a crash of the process are missing.
    """
    with tempfile.TemporaryDirectory() as keras_home:
        process = subprocess.run(
            [sys.executable, "-c", _LOAD, *names],
            cwd=Path(__file__).resolve().parents[2],
            # Otherwise Keras writes its settings to the home folder when it is first imported.
            env={**os.environ, "KERAS_HOME": keras_home},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
    lines = (line for line in process.stdout.splitlines() if line.startswith("loaded "))
    return dict(json.loads(line.removeprefix("loaded ")) for line in lines)
