"""Content of a model card, from ML Metadata and its artifacts alone.

The configuration file and the raw data may have changed since the run; what is recorded has not.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.components.names import APPROVED_BY
from pipeline.components.pages.layout import finite_or_none
from pipeline.components.trainer.facts import trained_text
from pipeline.lineage.facts import data_facts, ingested_examples, time_text
from pipeline.lineage.graph import Artifact, Graph, Run
from pipeline.lineage.runs import examples_of, run_output, run_row
from pipeline.publishing.model_card.limits import limits_of, reason_verdict
from serving.inference.model_facts import MODEL_INFO

if TYPE_CHECKING:  # it imports TensorFlow
    from pipeline.components.evaluation.results import Evaluation

SCHEMA_VERSION = 1

Json = dict[str, Any]
_NEEDED = ("Model", "ModelEvaluation", "ModelBlessing", "PushedModel")
_SPLITS = ("train", "eval", "test")
# Properties of a push that say where it is and not what it is.
_PLACES = {"pushed", "pushed_destination", "pushed_version"}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the Evaluator measured.

    Attributes:
        test: On the test split.
        crossed: On test and, out of fold, on train and eval; None without cross-fitting.
    """

    test: "Evaluation"
    crossed: "Evaluation | None" = None


def card_content(graph: Graph, run: Run, measured: Measured) -> Json:
    """Returns the card of a pushed model as a JSON object; docs/model_card.md describes it.

    Args:
        graph: Everything that ML Metadata holds.
        run: The run that pushed the version.
        measured: What the Evaluator measured of the model.

    Raises:
        LookupError: The record of the run lacks a part, such as the gate's verdict.
    """
    made = {name: needed_output(graph, run, name) for name in _NEEDED}
    info = _model_info(made["Model"])
    gate = _gate(made["ModelBlessing"])
    return {
        "schema_version": SCHEMA_VERSION,
        "model": _model(run, made["PushedModel"], info, run_row(graph, run, False).verdict),
        "use": _use(run.config.get("card") or {}),
        "data": _data(graph, run),
        "evaluation": _evaluation(measured, gate["confidence"]),
        "decision": _decision(run.config, info),
        "gate": gate,
        "limits": limits_of(graph, run, measured.test),
        "lineage": _lineage(run, list(made.values())),
    }


def needed_output(graph: Graph, run: Run, type_name: str) -> Artifact:
    """Returns the artifact of a type that a run made or took from the cache.

    Raises:
        LookupError: There is none.
    """
    artifact = run_output(graph, run, type_name)
    if artifact is None:
        raise LookupError(f"the record of run {run.id} has no {type_name}")
    return artifact


def _model_info(model: Artifact) -> Json:
    path = Path(model.uri) / "Format-Serving" / MODEL_INFO
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _model(run: Run, pushed: Artifact, info: Json, verdict: str) -> Json:
    signing = {key: value for key, value in pushed.properties.items() if key not in _PLACES}
    return {
        "name": run.use_case,
        "version": str(pushed.properties["pushed_version"]),
        "pushed_at": time_text(pushed.created),
        "verdict": verdict,
        "kind": trained_text(info.get("model", {})),
        "inputs": list(info.get("inputs", [])),
        "facts": {key: value for key, value in signing.items() if value not in ("", None)},
    }


def _use(card: Mapping[str, Any]) -> Json:
    """What the person wrote in the section `card` of the configuration."""
    return {
        name: card.get(name) or ""
        for name in ("purpose", "out_of_scope", "data_licence", "contact")
    }


def _data(graph: Graph, run: Run) -> Json:
    examples = examples_of(graph, run)
    if examples is None:
        raise LookupError(f"the record of run {run.id} has no Examples")
    values, config = examples.properties, run.config
    return {
        "label": config.get("label", {}),
        "features": config.get("features", {}),
        "splits": {
            split: {
                "examples": int(values.get(f"num_rows_{split}", 0)),
                "positives": int(values.get(f"num_positives_{split}", 0)),
            }
            for split in _SPLITS
        },
        "split": {key: value for key, value in config.get("split", {}).items() if value},
        "left_out": {
            name: int(values.get(f"num_{name}", 0))
            for name in ("bad_rows", "duplicates", "unlabelled")
        },
        "digest": str(values.get("data_digest", "")),
        "sources": [_source(graph, part) for part in ingested_examples(graph, examples)],
        "versions": [version.text() for version in run.data_versions],
    }


def _source(graph: Graph, examples: Artifact) -> Json:
    step = graph.producer(examples.id)
    facts = data_facts(examples, step) if step else {}
    return {key: value for key, value in facts.items() if key != "input_fingerprint"}


def _evaluation(measured: Measured, confidence: float) -> Json:
    test, crossed = measured.test, measured.crossed
    slices = [
        {"slice": dict(key), **_figures(test, key, test.slices[key])}
        for key in sorted(test.slices, key=str)
    ]
    return {
        "confidence": confidence,
        "test": _figures(test, (), test.overall),
        "out_of_fold": None if crossed is None else _figures(crossed, (), crossed.overall),
        "slices": slices,
    }


def _figures(measured: "Evaluation", key: Any, values: Mapping[str, float]) -> Json:
    """Examples, faults, and each metric with its interval."""
    intervals = measured.intervals.get(key, {})
    counts = ("num_examples", "true_positives", "false_negatives")
    size, found, missed = (int(values.get(name, 0)) for name in counts)
    return {
        "examples": size,
        "positives": found + missed,
        "metrics": {
            name: {
                "value": finite_or_none(value),
                "interval": [finite_or_none(end) for end in intervals[name]]
                if name in intervals
                else None,
            }
            for name, value in sorted(values.items())
            if name not in counts
        },
    }


def _decision(config: Mapping[str, Any], info: Json) -> Json:
    rule = config.get("threshold", {})
    return {
        "threshold": info.get("threshold"),
        "rule": {key: value for key, value in rule.items() if value is not None},
        "cost": config.get("cost"),
        "calibration": {"method": config.get("calibration", ""), **info.get("calibration", {})},
        "correction": info.get("correction", {}),
    }


def _gate(blessing: Artifact) -> Json:
    values = blessing.properties
    return {
        "verdict": str(values.get("verdict", "")),
        "approved_by": str(values.get(APPROVED_BY, "")),
        "confidence": float(values.get("confidence", 0.95)),
        "reasons": [
            {"verdict": reason_verdict(one), "text": one["text"], "slice": one.get("slice", "")}
            for one in values.get("reasons", [])
        ],
    }


def _lineage(run: Run, artifacts: Sequence[Artifact]) -> Json:
    stamp = {} if run.provenance is None else run.provenance.to_json()
    return {
        "run": run.id,
        "started": time_text(run.created),
        "provenance": stamp,
        "artifacts": {artifact.type: artifact.id for artifact in artifacts},
        "retraining": dict(run.retraining),
    }
