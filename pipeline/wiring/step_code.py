"""The code that decides each step's result, for the cache: an edit runs the step again.

A step's code is the import closure of its entry modules, so that a helper which a step begins to
use counts at once. `HARMLESS` names the modules that are left out, each with the reason.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.wiring.import_closure import import_closure

PROJECT_DIR = Path(__file__).resolve().parents[2]
_DIGEST_CHARS = 12
_COMPONENTS = "pipeline.components"

# The executor of a step, and what TFX imports by name when the step runs.
ENTRY_MODULES: Mapping[str, tuple[str, ...]] = {
    "ArrowExampleGen": (f"{_COMPONENTS}.arrow_example_gen.executor",),
    "CuratedSchema": (f"{_COMPONENTS}.curated_schema",),
    "StatisticsGen": (f"{_COMPONENTS}.statistics_gen.executor",),
    "ExampleValidator": (f"{_COMPONENTS}.example_validator.executor",),
    "AnomalyGate": (f"{_COMPONENTS}.anomaly_gate.component",),
    "DataReport": (f"{_COMPONENTS}.data_report.component",),
    "SpanWindow": (f"{_COMPONENTS}.span_window.component",),
    "Transform": (f"{_COMPONENTS}.transform.executor", "models.inputs.preprocessing"),
    "CaseControl": (f"{_COMPONENTS}.case_control.executor",),
    "Tuner": (f"{_COMPONENTS}.tuner.executor", "models.tuning.tuning"),
    "Trainer": (f"{_COMPONENTS}.trainer.executor", "models.training.trainer"),
    "Evaluator": (f"{_COMPONENTS}.evaluation.executor",),
    "ModelGate": (f"{_COMPONENTS}.model_gate.component",),
    # The server runs in a process of its own.
    "InfraValidator": (f"{_COMPONENTS}.infra_validator.component", "serving.server"),
    "Pusher": (f"{_COMPONENTS}.pusher.component",),
    "ErrorAnalyzer": (f"{_COMPONENTS}.error_analyzer.component",),
    "ModelReport": (f"{_COMPONENTS}.model_report.component",),
}

HARMLESS: Mapping[str, str] = {
    "common.errors": "Exception classes; they hold no result.",
    "pipeline.config": "What a step needs of the configuration is an execution parameter.",
    f"{_COMPONENTS}.beam_progress": "Counts rows for the progress line.",
}


def step_code(step: str, project_dir: Path = PROJECT_DIR) -> str:
    """Returns the digest of each file that decides a step's result, as canonical JSON.

    Args:
        step: Name of the component.
        project_dir: The project's root.
    """
    files = import_closure(ENTRY_MODULES[step], project_dir, stop_at=HARMLESS)
    digests = {
        file.relative_to(project_dir).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }
    return json.dumps({name: digests[name][:_DIGEST_CHARS] for name in sorted(digests)})
