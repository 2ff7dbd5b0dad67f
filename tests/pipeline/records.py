"""Writes runs into ML Metadata as TFX does, without running anything."""

import json
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.provenance import Provenance, stamp_run

Execution = metadata_store_pb2.Execution
Event = metadata_store_pb2.Event
Value = metadata_store_pb2.Value
Made = Mapping[str, int]


def provenance(*, commit: str = "c0ffee" + "0" * 34, dirty: bool = False) -> Provenance:
    return Provenance(
        use_case="wells",
        config_file="wells.yaml",
        config_digest="config-digest",
        schema_digest="schema-digest",
        git_commit=commit,
        git_dirty=dirty,
        git_note="",
        code_digest="code-digest",
        lock_digest="lock-digest",
        python="3.11.7",
        platform="Linux x86_64",
        packages={"numpy": "2.4.0"},
        seed=7,
    )


class Recorder:
    """One run of the pipeline `wells`, recorded step by step."""

    def __init__(
        self,
        store: MetadataStore,
        run_id: str,
        stamp: Provenance | None = None,
    ) -> None:
        self._store, self._name = store, "wells"
        if stamp:
            stamp_run(store, run_id, stamp)
        self._contexts = [
            self._context("pipeline", self._name),
            self._context("pipeline_run", run_id),
        ]

    def _context(self, type_name: str, name: str) -> metadata_store_pb2.Context:
        type_id = self._store.put_context_type(metadata_store_pb2.ContextType(name=type_name))
        found = self._store.get_context_by_type_and_name(type_name, name)
        return found or metadata_store_pb2.Context(type_id=type_id, name=name)

    def step(
        self,
        node: str,
        *,
        inputs: Mapping[str, int] | None = None,
        outputs: Mapping[str, tuple[str, Mapping[str, Any]]] | None = None,
        state: int = Execution.COMPLETE,
        parameters: Mapping[str, Any] | None = None,
    ) -> Made:
        """Records an execution; returns its output artifacts by key, and itself as `execution`."""
        pairs = [
            (self._store.get_artifacts_by_id([artifact_id])[0], _event(Event.INPUT, key))
            for key, artifact_id in (inputs or {}).items()
        ] + [
            (self._artifact(node, type_name, properties), _event(Event.OUTPUT, key))
            for key, (type_name, properties) in (outputs or {}).items()
        ]
        ids = self._put(node, state, pairs, parameters or {})
        return dict(zip(outputs or {}, ids[1 + len(inputs or {}) :], strict=True)) | {
            "execution": ids[0]
        }

    def cached(self, node: str, made: Made) -> Made:
        """Records a step that took the outputs of an earlier one from the cache."""
        outputs = {key: i for key, i in made.items() if key != "execution"}
        pairs = [
            (self._store.get_artifacts_by_id([artifact_id])[0], _event(Event.OUTPUT, key))
            for key, artifact_id in outputs.items()
        ]
        return outputs | {"execution": self._put(node, Execution.CACHED, pairs, {})[0]}

    def _put(
        self, node: str, state: int, pairs: Sequence[Any], parameters: Mapping[str, Any]
    ) -> list[int]:
        type_id = self._store.put_execution_type(metadata_store_pb2.ExecutionType(name=node))
        execution = Execution(type_id=type_id, last_known_state=state)
        _set(execution.custom_properties, parameters)
        contexts = [*self._contexts, self._context("node", f"{self._name}.{node}")]
        execution_id, artifact_ids, _ = self._store.put_execution(
            execution,
            pairs,
            contexts,
            reuse_context_if_already_exist=True,
            force_reuse_context=True,
        )
        return [int(execution_id), *map(int, artifact_ids)]

    def _artifact(
        self, node: str, type_name: str, properties: Mapping[str, Any]
    ) -> metadata_store_pb2.Artifact:
        type_id = self._store.put_artifact_type(metadata_store_pb2.ArtifactType(name=type_name))
        artifact = metadata_store_pb2.Artifact(
            type_id=type_id, uri=f"artifacts/{node}", state=metadata_store_pb2.Artifact.LIVE
        )
        _set(artifact.custom_properties, {"tfx_version": "1.21.0", **properties})
        return artifact


def _event(kind: int, key: str) -> metadata_store_pb2.Event:
    event = metadata_store_pb2.Event(type=kind)
    event.path.steps.add().key = key
    return event


def _set(target: MutableMapping[str, metadata_store_pb2.Value], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        kind = {str: "string_value", int: "int_value", float: "double_value"}[type(value)]
        setattr(target[key], kind, value)


EXAMPLES = {
    "num_rows": 200,
    "num_bad_rows": 1,
    "span": 3,
    "input_fingerprint": "split:all,num_files:1",
    "data_digest": "data-digest",
}
VERDICT = {
    "blessed": 1,
    "verdict": "BLESSED",
    "metrics": '{"pr_auc": 0.81, "roc_auc": 0.97, "recall": 0.75}',
    "reasons": '[{"text": "PR-AUC 0.810 is above the prevalence 0.200", "passed": true}]',
}
REFUSAL = {
    "blessed": 0,
    "verdict": "REJECTED",
    "metrics": '{"pr_auc": 0.21}',
    "reasons": '[{"text": "PR-AUC 0.210 is no better than the prevalence", "passed": false}]',
}


def record_data_steps(run: Recorder) -> dict[str, Made]:
    """ArrowExampleGen, CuratedSchema and Transform."""
    data = run.step(
        "ArrowExampleGen",
        outputs={"examples": ("Examples", EXAMPLES)},
        parameters={"input_base": "data", "input_config": '{"splits": [{"pattern": "w-*.csv"}]}'},
    )
    schema = run.step("CuratedSchema", outputs={"schema": ("Schema", {})})
    transform = run.step(
        "Transform",
        inputs={"examples": data["examples"], "schema": schema["schema"]},
        outputs={"transform_graph": ("TransformGraph", {})},
    )
    return {"data": data, "schema": schema, "transform": transform}


def record_window(store: MetadataStore, run_id: str, *, path: str = "") -> dict[str, Made]:
    """Three spans of 200 rows, 20744 to 20746, read and combined; `path` is the run's data.path."""
    run = Recorder(store, run_id, provenance())
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    context.custom_properties["config"].string_value = json.dumps({"data": {"path": path}})
    store.put_contexts([context])
    spans = {}
    for span in (20744, 20745, 20746):
        facts = EXAMPLES | {"span": span, "source_files": f'["r-{span}.csv"]'}
        made = run.step("ArrowExampleGen", outputs={"examples": ("Examples", facts)})
        spans[f"span {span}"] = made["examples"]
    schema = run.step("CuratedSchema", outputs={"schema": ("Schema", {})})
    window = {
        "num_rows": 600,
        "num_files": 3,
        "span": 20746,
        "spans": "[20744, 20745, 20746]",
        "data_digest": "window-digest",
    }
    data = run.step("SpanWindow", inputs=spans, outputs={"examples": ("Examples", window)})
    transform = run.step(
        "Transform",
        inputs={**spans, "schema": schema["schema"]},
        outputs={"transform_graph": ("TransformGraph", {})},
    )
    return {"data": data, "schema": schema, "transform": transform}


def record_model_steps(
    run: Recorder,
    steps: Mapping[str, Made],
    *,
    serving: Path | None,
    version: str = "",
    baseline: int | None = None,
) -> Made:
    """Trainer, Evaluator, ModelGate and Pusher; `serving` None refuses the model."""
    trainer = run.step(
        "Trainer",
        inputs={
            "examples": steps["data"]["examples"],
            "transform_graph": steps["transform"]["transform_graph"],
            "schema": steps["schema"]["schema"],
        },
        outputs={"model": ("Model", {}), "model_run": ("ModelRun", {})},
    )
    compared = {"baseline_model": baseline} if baseline else {}
    evaluator = run.step(
        "Evaluator",
        inputs={"examples": steps["data"]["examples"], "model": trainer["model"]} | compared,
        outputs={"evaluation": ("ModelEvaluation", {})},
    )
    verdict = (VERDICT if serving else REFUSAL) | {"current_model_id": trainer["model"]}
    gate = run.step(
        "ModelGate",
        inputs={"evaluation": evaluator["evaluation"], "model": trainer["model"]} | compared,
        outputs={"blessing": ("ModelBlessing", verdict)},
    )
    pushed = (
        {"pushed": 1, "pushed_version": version, "pushed_destination": str(serving / version)}
        if serving
        else {"pushed": 0}
    )
    pusher = run.step(
        "Pusher",
        inputs={"model": trainer["model"], "model_blessing": gate["blessing"]},
        outputs={"pushed_model": ("PushedModel", pushed)},
    )
    return {**trainer, **evaluator, **gate, **pusher}


def record_run(
    store: MetadataStore,
    run_id: str,
    *,
    serving: Path | None,
    version: str = "",
    baseline: int | None = None,
    stamp: Provenance | None = None,
) -> Made:
    """A whole run; returns the artifacts of its model steps by key."""
    run = Recorder(store, run_id, stamp or provenance())
    steps = record_data_steps(run)
    return record_model_steps(run, steps, serving=serving, version=version, baseline=baseline)
