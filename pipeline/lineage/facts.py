"""Displayed facts about artifacts, data sets and runs."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.components.names import WITHDRAWN_AT
from pipeline.components.pusher.version_folder import withdrawn_folder
from pipeline.counting import count
from pipeline.lineage.graph import Artifact, Graph, Run, Step
from serving.inference.model_facts import MODEL_INFO

# Property of the `Examples` of a window: its spans.
_SPANS = "spans"
# Properties of `Examples` whose rows were read from a database.
DATABASE_KEYS = (
    *("database", "query", "order_by"),
    *("snapshot_at", "num_rows_of_query", "rows_digest"),
)
# Properties of `Examples` that describe the input files, not the examples.
_DATA_KEYS = (
    "source_files",
    "num_files",
    "num_bytes",
    "data_digest",
    "raw_path",
    "raw_digest",
    "num_raw_files",
    "raw_files",
    *DATABASE_KEYS,
    "input_fingerprint",
    "span",
    "version",
)


def artifact_facts(artifact: Artifact, step: Step | None) -> dict[str, Any]:
    """Returns the facts about an artifact: its properties, its producer and its location."""
    # The files of a window are those of its spans; its digest covers them all.
    is_read = artifact.type == "Examples" and _SPANS not in artifact.properties
    hidden = _DATA_KEYS if is_read else ("span",) if artifact.type == "Examples" else ()
    facts = {key: value for key, value in artifact.properties.items() if key not in hidden}
    if artifact.type == "PushedModel" and "pushed_destination" in facts:
        place = Path(str(facts["pushed_destination"]))
        facts["in_place"] = (place / "saved_model.pb").is_file()
        if WITHDRAWN_AT in facts:
            facts["kept_in"] = str(withdrawn_folder(place.parent, int(place.name)))
    if step is not None:
        if artifact.type == "Model" and (trained := trained_facts(artifact)):
            facts["trained"] = trained
        facts |= {"made_by": step.node, "run": step.run_id}
    return facts | {"made_at": time_text(artifact.created), "uri": artifact.uri}


def trained_facts(model: Artifact) -> dict[str, Any]:
    """Returns what the Trainer noted of a model: kind, options, trees, epochs and the choice.

    Args:
        model: An artifact of the type `Model`; without its files there are no facts.
    """
    path = Path(model.uri) / "Format-Serving" / MODEL_INFO
    if not path.is_file():
        return {}
    noted = json.loads(path.read_text(encoding="utf-8")).get("model", {})
    return {key: value for key, value in noted.items() if key != "corrections"}


def data_facts(examples: Artifact, step: Step) -> dict[str, Any]:
    """Returns the files and the span that the examples were read from."""
    facts = {key: examples.properties[key] for key in _DATA_KEYS if key in examples.properties}
    base = step.parameters.get("input_base")
    config = step.parameters.get("input_config")
    splits = config.get("splits", []) if isinstance(config, Mapping) else []
    patterns = [split["pattern"] for split in splits if split.get("pattern")]
    return ({"folder": base} if base else {}) | ({"files": patterns} if patterns else {}) | facts


def ingested_examples(graph: Graph, examples: Artifact) -> list[Artifact]:
    """Returns the examples that were read from files: those of each span if they are a window."""
    step = graph.producer(examples.id)
    sources = graph.find(step.inputs, "Examples") if step else []
    parts = [part for source in sources for part in ingested_examples(graph, source)]
    return parts or [examples]


def span_dates(examples: Artifact, run: Run) -> dict[str, Any]:
    """Returns `dates`, the days of the spans, if the `data.path` of the run has dates; else empty.

    Args:
        examples: The examples of a span or of a window.
        run: The run that read or combined them.
    """
    data = run.config.get("data", {})
    path = str(data.get("path") or (data.get("sql") or {}).get("query", ""))
    spans = examples.properties.get(_SPANS) or [examples.properties.get("span")]
    if not any(spec in path for spec in ("{DATE}", "{YYYY}")) or None in spans:
        return {}
    from pipeline.reading.files.locations import day_of

    return {"dates": [str(day_of(int(span))) for span in spans]}


def span_text(data: Mapping[str, Any]) -> str:
    """Returns the spans in words, such as `3 spans, 7 to 9`; empty without spans.

    Args:
        data: The facts about examples, perhaps with the `dates` of `span_dates`.
    """
    spans = data.get(_SPANS) or ([data["span"]] if data.get("span") else [])
    names = data.get("dates") or spans
    if len(spans) < 2:
        return f"span {names[0]}" if spans else ""
    return f"{count(len(spans), 'span')}, {names[0]} to {names[-1]}"


def run_facts(run: Run) -> dict[str, Any]:
    """Returns a run's use case and time."""
    return {
        "use_case": run.use_case,
        "started": time_text(run.created),
        "ended": time_text(max((step.ended for step in run.steps), default=run.created)),
    }


def time_text(moment: datetime) -> str:
    """Returns a time such as `2026-11-23T10:15:00Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
