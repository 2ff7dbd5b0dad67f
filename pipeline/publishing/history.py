"""History and lineage, the last parts of a model's page."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipeline.components.model_gate.figures import figure
from pipeline.components.names import APPROVED_BY, APPROVED_WHY
from pipeline.components.pages.layout import render
from pipeline.counting import count
from pipeline.lineage.facts import data_facts, ingested_examples, span_dates, span_text
from pipeline.lineage.graph import Artifact, Graph, Run
from pipeline.lineage.runs import examples_of, run_output
from pipeline.publishing.stamp import PACKAGE, make_stamp

# Metrics shown over time, with their labels.
_METRICS = {
    "pr_auc": "PR-AUC",
    "recall": "recall",
    "precision": "precision",
    "brier": "Brier score",
    "expected_cost": "cost per 1,000",
}
_MAX_MODELS = 50


@dataclass(frozen=True, kw_only=True)
class PastModel:
    """A model in the history of a use case.

    Attributes:
        run_id: The run that made it.
        started: When that run began.
        version: Its version; empty where it was not pushed.
        verdict: The verdict on it.
        commit: The commit of its code.
        data_digest: SHA-256 of its data's files.
        metrics: Metric to value, lower and upper limit; None where one is unknown.
    """

    run_id: str
    started: str
    version: str
    verdict: str
    commit: str
    data_digest: str
    metrics: Mapping[str, tuple[float | None, float | None, float | None]]


def past_models(graph: Graph, run: Run) -> list[PastModel]:
    """Returns the models of a run's use case up to that run, the oldest first, each once.

    A model that later runs took from the cache is listed under the run that made it, with the
    latest verdict and version: a person may have approved it since.
    """
    models: dict[int, PastModel] = {}
    for other in graph.runs.values():
        blessing = run_output(graph, other, "ModelBlessing")
        if other.use_case == run.use_case and blessing is not None:
            model = _past_model(graph, other, blessing)
            first = models.get(blessing.id, model)
            models[blessing.id] = replace(
                model, run_id=first.run_id, started=first.started, commit=first.commit
            )
        if other.id == run.id:
            break
    return list(models.values())[-_MAX_MODELS:]


def _past_model(graph: Graph, run: Run, blessing: Artifact) -> PastModel:
    stamp = make_stamp(graph, run)
    metrics, intervals = (_numbers(blessing, key) for key in ("metrics", "intervals"))
    return PastModel(
        run_id=stamp.run_id,
        started=stamp.started,
        version=stamp.version,
        verdict=stamp.verdict,
        commit=stamp.commit,
        data_digest=stamp.data_digest,
        metrics={
            name: (metrics[name], *intervals.get(name, (None, None)))
            for name in _METRICS
            if metrics.get(name) is not None
        },
    )


def _numbers(blessing: Artifact, key: str) -> dict[str, Any]:
    values = blessing.properties.get(key, {})
    return dict(values) if isinstance(values, Mapping) else {}


def lineage_rows(graph: Graph, run: Run) -> list[tuple[str, str]]:
    """Returns the lineage of a run's model as pairs of label and value."""
    rows = _model_rows(graph, run) + _data_rows(graph, run)
    stamp = run.provenance
    if stamp is None:
        return [*rows, ("code", "unknown: the run has no stamp")]
    packages = ", ".join(f"{name} {version}" for name, version in stamp.packages.items())
    return [
        *rows,
        ("configuration", f"{stamp.config_file}, digest {stamp.config_digest}"),
        ("schema", stamp.schema_digest),
        ("seed", str(stamp.seed)),
        ("commit", stamp.git_label),
        ("sources", stamp.code_digest),
        ("lock file", stamp.lock_digest),
        ("environment", f"Python {stamp.python}, {stamp.platform}"),
        ("packages", packages),
    ]


def _model_rows(graph: Graph, run: Run) -> list[tuple[str, str]]:
    model, blessing = (run_output(graph, run, name) for name in ("Model", "ModelBlessing"))
    rows = []
    if model is not None:
        made = graph.producer(model.id)
        rows.append(("model", f"artifact {model.id}, made by run {made.run_id if made else '-'}"))
    if blessing is not None and blessing.properties.get(APPROVED_BY):
        by, why = blessing.properties[APPROVED_BY], blessing.properties.get(APPROVED_WHY, "")
        rows.append(("approved by", f"{by}: {why}"))
    return rows


def _data_rows(graph: Graph, run: Run) -> list[tuple[str, str]]:
    examples = examples_of(graph, run)
    step = None if examples is None else graph.producer(examples.id)
    if examples is None or step is None:
        return []
    facts = _of_raw_files(data_facts(examples, step))
    shown = [count(facts["num_files"], "file")] if "num_files" in facts else []
    shown += [count(facts["num_bytes"], "byte")] if "num_bytes" in facts else []
    shown += [count(int(n), "row")] if (n := examples.properties.get("num_rows")) else []
    spans = span_text({**examples.properties, **span_dates(examples, run)})
    parts = ingested_examples(graph, examples)
    listed = ", ".join(filter(None, map(_files, parts)))
    rows = [("data", ", ".join(shown)), ("data digest", str(facts.get("data_digest", "unknown")))]
    rows += [(key, str(facts[key])) for key in ("database", "query", "snapshot_at") if key in facts]
    return rows + [(key, text) for key, text in (("spans", spans), ("files", listed)) if text]


def _of_raw_files(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the facts about the files that recordings were assembled from, if there are any."""
    if "raw_digest" not in facts:
        return facts
    return {"num_files": facts["num_raw_files"], "data_digest": facts["raw_digest"]}


def _files(examples: Artifact) -> str:
    properties = examples.properties
    names = properties.get("raw_files") or properties.get("source_files", [])
    return ", ".join(map(str, names)) if isinstance(names, list) else str(names)


def render_history(graph: Graph, run: Run) -> str:
    """Returns the history and the lineage as HTML, for a model's page."""
    models = past_models(graph, run)
    present = [name for name in _METRICS if any(name in model.metrics for model in models)]
    return render(
        PACKAGE,
        "history.html.j2",
        models=models,
        metrics={name: _METRICS[name] for name in present},
        values=json.loads(json.dumps([asdict(model) for model in models])),
        figure=figure,
        lineage=lineage_rows(graph, run),
        run_id=run.id,
    )
