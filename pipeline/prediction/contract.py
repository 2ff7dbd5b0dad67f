"""Reading contract of predictions: that which travels in the model, else the config's."""

import json
from dataclasses import replace
from pathlib import Path

from pipeline.config import Config
from pipeline.reading.ingest_spec import IngestSpec, make_ingest_spec, reading_contract
from serving.inference.model_facts import MODEL_INFO


def reading_spec(config: Config, model: Path | None) -> IngestSpec:
    """Returns how rows to predict are read.

    Args:
        config: The use case; says how many rows may be bad, and reads for a model that is not on
            this machine or was trained before models carried their contract.
        model: The model's folder, if it is on this machine.
    """
    spec = _contract_of(model) if model is not None else None
    if spec is None:
        spec = reading_contract(make_ingest_spec(config))
    return replace(spec, max_bad_rows=config.data.max_bad_rows)


def time_columns(model: Path) -> frozenset[str]:
    """Returns the columns that hold points in time, as seconds since 1970, by a model's contract.

    Args:
        model: The model's folder.
    """
    spec = _contract_of(model)
    if spec is None:
        return frozenset()
    declared = {name for name, form in spec.columns.items() if form.type == "time"}
    elapsed = {name for name, form in spec.columns.items() if form.elapsed}
    return frozenset({*spec.times, *declared} - elapsed)


def _contract_of(model: Path) -> IngestSpec | None:
    path = model / MODEL_INFO
    if not path.is_file():
        return None
    reading = json.loads(path.read_text(encoding="utf-8")).get("reading")
    return None if reading is None else IngestSpec.from_json(json.dumps(reading))
