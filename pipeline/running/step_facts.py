"""Key figures of each step, read from its output."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.names import APPROVED_BY, SHADOW, WITHDRAWN_VERSION
from pipeline.config import SPLITS
from pipeline.running.steps import StepResult


@dataclass(frozen=True)
class Fact:
    """The key figures of a step.

    Attributes:
        text: As text.
        values: As values.
    """

    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def describe_step(step: StepResult) -> Fact:
    """Returns the key figures of a step, or an empty fact if it has none."""
    describe = _DESCRIPTIONS.get(step.name)
    artifacts = [artifact for values in step.outputs.values() for artifact in values]
    return describe(artifacts) if describe and artifacts else Fact()


def properties(artifact: Artifact) -> dict[str, Any]:
    """Returns an artifact's custom properties as plain Python values."""
    return {
        key: getattr(value, value.WhichOneof("value"))
        for key, value in artifact.custom_properties.items()
        if value.WhichOneof("value")
    }


def first_of_type(artifacts: list[Artifact], type_name: str) -> Artifact | None:
    """Returns the first artifact of a type, or None."""
    return next((artifact for artifact in artifacts if artifact.type == type_name), None)


def _examples(artifacts: list[Artifact]) -> Fact:
    values = properties(artifacts[0])
    positives = sum(values[f"num_positives_{split}"] for split in SPLITS)
    parts = [f"{values['num_rows']:,} rows, {positives:,} positive"]
    parts += [text for text in (_put_aside(values), _dropped(values, positives)) if text]
    return Fact("; ".join(parts), values | {"num_positives": positives})


def _put_aside(values: Mapping[str, Any]) -> str:
    bad, unlabelled = values.get("num_bad_rows", 0), values.get("num_unlabelled", 0)
    if not bad + unlabelled:
        return ""
    text = f"{bad + unlabelled:,} in quarantine"
    if unlabelled:
        share = unlabelled / (values["num_rows"] + bad + unlabelled)
        text += f", {unlabelled:,} of them ({share:.1%} of all rows) without a label"
    return text


def _dropped(values: Mapping[str, Any], positives: int) -> str:
    """Describes how many duplicates were dropped and how this changes the prevalence."""
    duplicates = values.get("num_duplicates", 0)
    if not duplicates:
        return ""
    text = f"{duplicates:,} duplicates dropped"
    before = values.get("num_positives_read", 0) / (values["num_rows"] + duplicates)
    after = positives / values["num_rows"]
    return text + f" (prevalence {before:.4f} before, {after:.4f} after)" if before else text


def _window(artifacts: list[Artifact]) -> Fact:
    values = properties(artifacts[0])
    values["spans"] = json.loads(values["spans"])
    count, first, last = len(values["spans"]), values["spans"][0], values["spans"][-1]
    return Fact(f"{count} spans, {first} to {last}, {values['num_rows']:,} rows", values)


def _transformed(artifacts: list[Artifact]) -> Fact:
    graph = first_of_type(artifacts, "TransformGraph")
    values = properties(graph) if graph else {}
    if "spans_analysed" not in values:
        return Fact()
    values["spans_analysed"] = json.loads(values["spans_analysed"])
    count = len(values["spans_analysed"])
    spans = f"span {values['spans_analysed'][0]}" if count == 1 else f"{count} spans"
    return Fact(f"analysed {spans}, {values['num_rows_analysed']:,} rows of train", values)


def _sampled(artifacts: list[Artifact]) -> Fact:
    values = properties(artifacts[0])
    record = json.loads(values["sampling"])
    parts = [record["rest"], *record["strata"].values()]
    kept, total = (sum(part[key] for part in parts) for key in ("kept", "total"))
    positives = values["num_positives_train"]
    text = f"train: {kept:,} of {total:,} negatives, all {positives:,} positives"
    return Fact(text, values | {"sampling": record})


def _schema(artifacts: list[Artifact]) -> Fact:
    text = (Path(artifacts[0].uri) / "schema.pbtxt").read_text(encoding="utf-8")
    count = sum(line.startswith("feature {") for line in text.splitlines())
    return Fact(f"{count} columns", {"num_columns": count})


def _anomalies(artifacts: list[Artifact]) -> Fact:
    values = properties(artifacts[0])
    count = values.get("num_anomalies", 0)
    text = "no anomalies" if not count else f"{count} anomalies"
    return Fact("; ".join(filter(None, [text, values.get("drift", "")])), values)


def _trainer(artifacts: list[Artifact]) -> Fact:
    run = first_of_type(artifacts, "ModelRun")
    if run is None:
        return Fact()
    values = json.loads((Path(run.uri) / "eval_metrics.json").read_text(encoding="utf-8"))
    return Fact(
        f"eval PR-AUC {values['eval_pr_auc']:.3f}, best epoch {values['best_epoch']} of "
        f"{values['epochs']}, threshold {values['threshold']:.3f}",
        values,
    )


def _errors(artifacts: list[Artifact]) -> Fact:
    values = properties(artifacts[0])
    clusters = json.loads(values["clusters"])
    factors = f"{len(clusters)} common factor{'s' if len(clusters) > 1 else ''}"
    factors = f"{factors} (strongest: {clusters[0]})" if clusters else "no common factors"
    suspected = values["num_suspected"]
    # Wrong decisions, and the worst 5 % by loss.
    text = f"{values['num_errors']} errors analysed, {suspected} suspected labels, {factors}"
    return Fact(text, values | {"clusters": clusters})


def _tuner(artifacts: list[Artifact]) -> Fact:
    results = first_of_type(artifacts, "TunerResults")
    if results is None:
        return Fact()
    text = (Path(results.uri) / "tuner_results.json").read_text(encoding="utf-8")
    trials = json.loads(text)
    best = {
        key: round(value, 6) if isinstance(value, float) else value
        for key, value in trials[0].items()
        if key not in {"trial_id", "score"} and not key.startswith("tuner/")
    }
    options = ", ".join(f"{key} {value}" for key, value in best.items())
    return Fact(
        f"best of {len(trials)} trials {trials[0]['score']:.3f}: {options}",
        {"num_trials": len(trials), "best_score": trials[0]["score"], "best": best},
    )


def _verdict(artifacts: list[Artifact]) -> Fact:
    values = properties(artifacts[0])
    reasons = json.loads(values.get("reasons", "[]"))
    failed = [reason["text"] for reason in reasons if not reason["passed"]]
    approved = f", approved by {values[APPROVED_BY]}" if values.get(APPROVED_BY) else ""
    more = [f"and {len(failed) - 1} more, see below"] if len(failed) > 1 else []
    failures = "; ".join([*failed[:1], *more])
    text = values.get("verdict", "") + approved + (f": {failures}" if failures else "")
    return Fact(text, values | {"reasons": reasons})


def _infra(artifacts: list[Artifact]) -> Fact:
    values = properties(artifacts[0])
    problems = json.loads(values.pop("problems"))
    text = (
        "; ".join(problems)
        or f"{values['num_examples']} examples by gRPC and REST, largest difference "
        f"{values['max_difference']}"
    )
    return Fact(text, values | {"problems": problems})


def _pushed(artifacts: list[Artifact]) -> Fact:
    values = properties(artifacts[0])
    if values.get(WITHDRAWN_VERSION):
        text = f"not pushed: {values[WITHDRAWN_VERSION]}, the same model, was withdrawn"
        return Fact(text, values)
    if not values.get("pushed"):
        return Fact("not pushed; the served model is unchanged", values)
    beside = ", beside the served model" if values.get(SHADOW) else ""
    return Fact(f"version {values['pushed_version']}{beside}", values)


_DESCRIPTIONS: dict[str, Callable[[list[Artifact]], Fact]] = {
    "ArrowExampleGen": _examples,
    "SpanWindow": _window,
    "Transform": _transformed,
    "CaseControl": _sampled,
    "SchemaGen": _schema,
    "CuratedSchema": _schema,
    "AnomalyGate": _anomalies,
    "Tuner": _tuner,
    "ErrorAnalyzer": _errors,
    "Trainer": _trainer,
    "ModelGate": _verdict,
    "InfraValidator": _infra,
    "Pusher": _pushed,
}
