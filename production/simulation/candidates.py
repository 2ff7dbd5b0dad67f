"""Versions that a scenario pushes: as good as the served one, worse, slow, failing or broken."""

import shutil
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from common.metadata import open_store, sqlite_connection
from common.output_folder import OutputFolder
from pipeline.components.pusher.version_folder import served_versions
from pipeline.components.pusher.withdrawn import read_pushes

Tensors = dict[str, Any]
Names = Mapping[str, str]
Change = Callable[[Tensors], Tensors]

_SIGNAL = "current"
# A moving average this wide hides arcs and ripples of the current, and looks like other faults.
_SMOOTHED_SAMPLES = 9
# Chosen so that the loss rises by a little more than `automation.limits.loss_rise`: 75 instead of
# 94 % of the faults are found, and the mean loss rises by 0.0062, where 0.005 are allowed.
_TOO_HIGH = 0.95
_ROUNDS = 2_000


class Candidate(StrEnum):
    """A version to push."""

    EQUAL = "equal"
    WORSE = "worse"
    SUBTLE = "subtle"
    SLOW = "slow"
    FAILING = "failing"
    BROKEN = "broken"


def write_candidate(candidate: Candidate, served: Path, target: Path) -> None:
    """Writes a version.

    Args:
        candidate: Which one.
        served: The version in service, a SavedModel.
        target: Folder of the new version, which is not there yet.
    """
    if candidate in _OF_INPUTS or candidate in _OF_ANSWERS:
        of_inputs = _OF_INPUTS.get(candidate, _unchanged)
        _wrap(served, target, of_inputs, _OF_ANSWERS.get(candidate, _unchanged))
        return
    shutil.copytree(served, target)
    if candidate is Candidate.BROKEN:
        (target / "saved_model.pb").write_bytes(b"this is no protocol buffer")


def _wrap(served: Path, target: Path, of_inputs: Change, of_answers: Change) -> None:
    """Writes a model that asks the served one, with changed inputs or answers."""
    import tensorflow as tf

    model = tf.saved_model.load(str(served))
    wrapper = tf.Module()
    wrapper.model = model
    names = _names_of_arguments(served)
    signatures = {
        name: _signature(signature, names[name], of_inputs, of_answers)
        for name, signature in model.signatures.items()
    }
    tf.saved_model.save(wrapper, str(target), signatures=signatures)
    _restore_names(target, names)
    shutil.copytree(served / "assets.extra", target / "assets.extra")


def _signature(signature: Any, names: Names, of_inputs: Change, of_answers: Change) -> Any:
    import tensorflow as tf

    @tf.function(autograph=False)
    def call(**arguments: Any) -> Any:
        changed = of_inputs({names[key]: value for key, value in arguments.items()})
        return of_answers(signature(**{key: changed[names[key]] for key in arguments}))

    specs = signature.structured_input_signature[1]
    arguments = {key: tf.TensorSpec(spec.shape, spec.dtype, key) for key, spec in specs.items()}
    return call.get_concrete_function(**arguments)


def _names_of_arguments(folder: Path) -> dict[str, Names]:
    """Signature to its arguments and the names under which clients send them."""
    from models.exporting.export import read_signatures

    return {
        name: {
            info.name.removeprefix(f"{name}_").removesuffix(":0"): key
            for key, info in definition.inputs.items()
        }
        for name, definition in read_signatures(folder).items()
    }


def _restore_names(folder: Path, names: Mapping[str, Names]) -> None:
    """Gives the inputs of the signatures the names under which clients send them."""
    from tensorflow.core.protobuf import saved_model_pb2

    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for meta_graph in saved.meta_graphs:
        for signature, arguments in names.items():
            inputs = meta_graph.signature_def[signature].inputs
            for argument, name in arguments.items():
                if argument != name:
                    inputs[name].CopyFrom(inputs[argument])
                    del inputs[argument]
    path.write_bytes(saved.SerializeToString(deterministic=True))


def _smooth(inputs: Tensors) -> Tensors:
    import tensorflow as tf

    if _SIGNAL not in inputs:
        return inputs
    pooled = tf.nn.avg_pool1d(inputs[_SIGNAL][..., None], _SMOOTHED_SAMPLES, 1, "SAME")
    return inputs | {_SIGNAL: pooled[..., 0]}


def _unchanged(tensors: Tensors) -> Tensors:
    return tensors


def _raise_threshold(answers: Tensors) -> Tensors:
    import tensorflow as tf

    if "decision" not in answers:
        return answers
    decision = tf.cast(answers["probability"] >= _TOO_HIGH, answers["decision"].dtype)
    return answers | {"decision": decision}


def _delay(inputs: Tensors) -> Tensors:
    import tensorflow as tf

    rounds = tf.while_loop(lambda i: i < _ROUNDS, lambda i: [i + 1], [tf.constant(0)])
    with tf.control_dependencies(rounds):
        return {name: tf.identity(value) for name, value in inputs.items()}


def _fail(inputs: Tensors) -> Tensors:
    import tensorflow as tf

    wrong = tf.debugging.Assert(tf.constant(False), ["a lookup table is empty"])
    with tf.control_dependencies([wrong]):
        return {name: tf.identity(value) for name, value in inputs.items()}


_OF_INPUTS: Mapping[Candidate, Change] = {
    Candidate.WORSE: _smooth,
    Candidate.SLOW: _delay,
    Candidate.FAILING: _fail,
}
_OF_ANSWERS: Mapping[Candidate, Change] = {Candidate.SUBTLE: _raise_threshold}


def push(folder: OutputFolder, model: str, files: Path) -> int:
    """Puts a version in service, with the record that the run of the served one has.

    It has passed no gate: a scenario shows what the guards after the gate do with it.

    Args:
        folder: The output folder.
        model: Name of the model.
        files: The version's files.

    Returns:
        The number of the version.
    """
    base = folder.serving(model)
    version = served_versions(base)[-1] + 1
    incoming = base.with_name(f".{model}.incoming")
    shutil.copytree(files, incoming)
    incoming.rename(base / str(version))
    _record(open_store(sqlite_connection(folder.root / "metadata.db")), base, version)
    return version


def _record(store: MetadataStore, base: Path, version: int) -> None:
    """Records a push with the inputs of the latest one."""
    latest = read_pushes(store, base)[-1].artifact
    events = store.get_events_by_artifact_ids([latest.id])
    writer = min(event.execution_id for event in events if event.type == mlmd.Event.OUTPUT)
    inputs = [
        event
        for event in store.get_events_by_execution_ids([writer])
        if event.type in {mlmd.Event.INPUT, mlmd.Event.DECLARED_INPUT}
    ]
    artifact = mlmd.Artifact()
    artifact.CopyFrom(latest)
    artifact.ClearField("id")
    artifact.ClearField("name")
    artifact.custom_properties["pushed_version"].string_value = str(version)
    artifact.custom_properties["pushed_destination"].string_value = str(base / str(version))
    execution = mlmd.Execution()
    execution.CopyFrom(store.get_executions_by_id([writer])[0])
    execution.ClearField("id")
    execution.ClearField("name")
    pairs = [(store.get_artifacts_by_id([one.artifact_id])[0], _event(one)) for one in inputs]
    output = mlmd.Event(type=mlmd.Event.OUTPUT)
    output.path.steps.add().key = "pushed_model"
    contexts = store.get_contexts_by_execution(writer)
    store.put_execution(execution, [*pairs, (artifact, output)], contexts)


def _event(event: mlmd.Event) -> mlmd.Event:
    copy = mlmd.Event(type=event.type)
    copy.path.CopyFrom(event.path)
    return copy


if __name__ == "__main__":
    write_candidate(Candidate(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
