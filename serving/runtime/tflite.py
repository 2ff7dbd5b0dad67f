"""A TFLite model, run by LiteRT: `model.tflite` in the folder of a version.

LiteRT is optional (`pip install 'ai-edge-litert>=2.3'`). It cannot end a run at a deadline.
"""

import os
import queue
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tensorflow.core.framework.types_pb2 import DataType
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from serving.errors import ServingError, invalid_argument, not_found
from serving.runtime.deadlines import remaining_s
from serving.runtime.run_watch import RunWatch
from serving.runtime.tensor_protos import TYPE_ENUMS
from serving.runtime.tf_records import read_file

FILE = "model.tflite"
_METHOD = "tensorflow/serving/predict"
_DEFAULT_SIGNATURE = "serving_default"

Details = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class TfliteOptions:
    """Settings for TFLite models.

    Attributes:
        num_pools: Pools of interpreters per model; 0 is one per CPU.
        num_interpreters_per_pool: Interpreters in a pool, > 0. Each runs one request at a time.
        num_threads: Threads within a run; 0 is automatic.
    """

    num_pools: int = 0
    num_interpreters_per_pool: int = 1
    num_threads: int = 0


class TfliteRunner:
    """A TFLite model in several interpreters, which are created on demand.

    Attributes:
        signatures: The model's signatures by name; a tensor is named `SIGNATURE/ALIAS:0`.
        watch: Whether the model still answers.
    """

    def __init__(self, folder: str, options: TfliteOptions) -> None:
        """Loads the model.

        Raises:
            ServingError: The file cannot be read, or is no model that LiteRT can run.
        """
        self._content = read_file(f"{folder}/{FILE}")
        self._num_threads = options.num_threads or None
        num_pools = options.num_pools or os.cpu_count() or 1
        # None stands for an interpreter that is not created yet.
        self._interpreters: queue.LifoQueue[_Interpreter | None] = queue.LifoQueue()
        for _ in range(num_pools * options.num_interpreters_per_pool - 1):
            self._interpreters.put(None)
        try:
            first = _Interpreter(self._content, self._num_threads)
        except (ValueError, RuntimeError) as error:
            raise invalid_argument(f"{folder}/{FILE}: {error}") from error
        self._interpreters.put(first)
        self.watch = RunWatch()
        self._inputs = {
            _tensor_name(signature, alias): (signature, alias)
            for signature, tensors in first.inputs.items()
            for alias in tensors
        }
        self._outputs = {
            _tensor_name(signature, alias): (signature, alias)
            for signature, tensors in first.outputs.items()
            for alias in tensors
        }
        self.signatures: Mapping[str, SignatureDef] = {
            name: _signature_def(name, first.inputs[name], first.outputs[name])
            for name in first.inputs
        }

    def run(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> list[NDArray[Any]]:
        """Runs each signature that has one of the fetched tensors; see `Servable.run`.

        Raises:
            ServingError: NOT_FOUND for an unknown tensor, INVALID_ARGUMENT for an array of another
                type or shape, INTERNAL if LiteRT fails.
        """
        remaining_s()
        by_signature: dict[str, dict[str, NDArray[Any]]] = {}
        for name, array in feeds.items():
            signature, alias = _found(self._inputs, name, "FeedInputs: unable to find feed output")
            by_signature.setdefault(signature, {})[alias] = array
        wanted = [_found(self._outputs, name, "FetchOutputs node:") for name in fetches]
        interpreter = self._interpreters.get()
        try:
            if interpreter is None:
                interpreter = _Interpreter(self._content, self._num_threads)
            outputs = {
                signature: interpreter.run(signature, by_signature.get(signature, {}))
                for signature in dict.fromkeys(signature for signature, _ in wanted)
            }
        finally:
            self._interpreters.put(interpreter)
            self.watch.answered()
        return [outputs[signature][alias] for signature, alias in wanted]

    def close(self) -> None:
        """Frees the interpreters; call it while no run is in progress."""
        while not self._interpreters.empty():
            self._interpreters.get_nowait()


class _Interpreter:
    """One of LiteRT's interpreters, which runs one request at a time.

    Attributes:
        inputs: LiteRT's details of each input by signature and alias.
        outputs: Those of each output.
    """

    def __init__(self, content: bytes, num_threads: int | None) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=content, num_threads=num_threads)
        names = self._interpreter.get_signature_list()
        if names:
            self._runners = {name: self._interpreter.get_signature_runner(name) for name in names}
            self.inputs = {name: run.get_input_details() for name, run in self._runners.items()}
            self.outputs = {name: run.get_output_details() for name, run in self._runners.items()}
        else:
            # As in TensorFlow Serving: one signature, whose aliases are the tensors' names.
            self._runners = {}
            self.inputs = {_DEFAULT_SIGNATURE: _by_name(self._interpreter.get_input_details())}
            self.outputs = {_DEFAULT_SIGNATURE: _by_name(self._interpreter.get_output_details())}

    def run(self, signature: str, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Returns the outputs of a signature by alias."""
        details = self.inputs[signature]
        if missing := details.keys() - inputs.keys():
            raise invalid_argument(f"missing inputs: {', '.join(sorted(missing))}")
        for alias, array in inputs.items():
            _check_input(alias, array, details[alias])
        try:
            runner = self._runners.get(signature)
            outputs = runner(**inputs) if runner else self._run_unnamed(inputs)
        except (ValueError, RuntimeError) as error:
            raise ServingError(grpc.StatusCode.INTERNAL, f"LiteRT: {error}") from error
        return {alias: _as_text(array) for alias, array in outputs.items()}

    def _run_unnamed(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        interpreter = self._interpreter
        details = self.inputs[_DEFAULT_SIGNATURE]
        for alias, array in inputs.items():
            interpreter.resize_tensor_input(details[alias]["index"], array.shape)
        interpreter.allocate_tensors()
        for alias, array in inputs.items():
            interpreter.set_tensor(details[alias]["index"], array)
        interpreter.invoke()
        outputs = self.outputs[_DEFAULT_SIGNATURE]
        return {alias: interpreter.get_tensor(one["index"]) for alias, one in outputs.items()}


def _by_name(details: Sequence[Details]) -> dict[str, Details]:
    return {one["name"]: one for one in details}


def _tensor_name(signature: str, alias: str) -> str:
    return f"{signature}/{alias}:0"


def _found(tensors: Mapping[str, tuple[str, str]], name: str, problem: str) -> tuple[str, str]:
    if name not in tensors:
        raise not_found(f"{problem} {name}")
    return tensors[name]


def _signature_def(
    name: str, inputs: Mapping[str, Details], outputs: Mapping[str, Details]
) -> SignatureDef:
    signature = SignatureDef(method_name=_METHOD)
    for tensors, infos in ((inputs, signature.inputs), (outputs, signature.outputs)):
        for alias, details in tensors.items():
            infos[alias].CopyFrom(_tensor_info(_tensor_name(name, alias), details))
    return signature


def _tensor_info(name: str, details: Details) -> TensorInfo:
    info = TensorInfo(name=name, dtype=_type_enum(details))
    for size in details["shape_signature"]:
        info.tensor_shape.dim.add(size=int(size))
    return info


def _type_enum(details: Details) -> int:
    dtype = np.dtype(details["dtype"])
    return int(DataType.DT_STRING if dtype.kind in "OSU" else TYPE_ENUMS[dtype])


def _check_input(alias: str, array: NDArray[Any], details: Details) -> None:
    expected = _type_enum(details)
    actual = DataType.DT_STRING if array.dtype.kind in "OSU" else TYPE_ENUMS[array.dtype]
    if actual != expected:
        raise invalid_argument(
            f"input {alias} must be {DataType.Name(expected)}, got {DataType.Name(actual)}"
        )
    sizes = [int(size) for size in details["shape_signature"]]
    fits = array.ndim == len(sizes) and all(
        size in (-1, given) for size, given in zip(sizes, array.shape, strict=True)
    )
    if not fits:
        raise invalid_argument(
            f"input {alias} must have the shape {sizes} (-1: any size), got {list(array.shape)}"
        )


def _as_text(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(object) if array.dtype.kind in "SU" else array
