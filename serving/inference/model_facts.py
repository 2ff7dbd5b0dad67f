"""Facts that a model holds beside its graph, for its clients and for records."""

import json
from dataclasses import dataclass
from pathlib import Path

MODEL_INFO = "assets.extra/model_info.json"


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a model's `model_info.json` says that matters to its records.

    Attributes:
        inputs: Names of the raw columns; None if the model does not say.
        times: Raw columns with points in time.
        media: Raw columns with the bytes of files.
        threshold: Threshold of the decision; None if the model does not say.
    """

    inputs: tuple[str, ...] | None = None
    times: frozenset[str] = frozenset()
    media: frozenset[str] = frozenset()
    threshold: float | None = None


def read_local_facts(model: Path) -> ModelFacts:
    """Returns the facts of a model; none if it has no `model_info.json`.

    Args:
        model: The model's folder, on this machine.

    Raises:
        ValueError: The file is not a JSON object with these facts.
    """
    path = model / MODEL_INFO
    return parse_facts(path.read_bytes()) if path.is_file() else ModelFacts()


def parse_facts(content: bytes) -> ModelFacts:
    """Returns the facts in a `model_info.json`.

    Raises:
        ValueError: It is not a JSON object with these facts.
    """
    try:
        info = json.loads(content)
        reading = info.get("reading") or {}
        forms = reading.get("columns") or {}
        declared = {name for name, form in forms.items() if form.get("type") == "time"}
        elapsed = {name for name, form in forms.items() if form.get("elapsed")}
        inputs, threshold = info.get("inputs"), info.get("threshold")
        return ModelFacts(
            inputs=None if inputs is None else tuple(inputs),
            times=frozenset({*reading.get("times", ()), *declared} - elapsed),
            media=frozenset(reading.get("media", ())),
            threshold=None if threshold is None else float(threshold),
        )
    except (AttributeError, TypeError) as error:
        raise ValueError(f"{MODEL_INFO} has an unknown form: {error}") from error
