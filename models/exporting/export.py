"""Export as a SavedModel for TensorFlow Serving, and inference in a TF1 Session as in Serving."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from models.exporting.explained_logit import ExplainedLogit
from models.exporting.recordings.signature import SERVING_RECORDING, RecordingSignature
from models.exporting.scorers import Scorer
from models.features import media_names
from models.framing import Framing
from models.inputs.transform_graph import TransformGraph, raw_from_serving
from models.probabilities.probability import ProbabilityMap
from models.probabilities.sampling import SamplingRecord, check_shift

SERVING_DEFAULT, SERVE_EXAMPLES = "serving_default", "serve_examples"
MODEL_INFO_FILE = "assets.extra/model_info.json"
# In the model run: the Trainer's own answers on the eval split, to compare a server with.
EVAL_PREDICTIONS_FILE = "eval_predictions.parquet"
# In the model run, with cross-fitting: predictions of train and eval out of fold.
OUT_OF_FOLD_FILE = "out_of_fold.parquet"


class ServedModel(tf.Module):  # type: ignore[misc]
    """Transform graph, model, correction, calibration and threshold in one graph."""

    def __init__(
        self,
        scorer: Scorer,
        graph: TransformGraph,
        probability: ProbabilityMap,
        threshold: float,
    ) -> None:
        super().__init__()
        self._variables = scorer.variables
        self._graph = graph
        self._logit = scorer.in_graph
        self._probability = probability
        self._threshold = threshold
        # Trees alone have no gradient.
        has_gradient = bool(media_names(graph.features)) and bool(scorer.variables)
        self.explained = ExplainedLogit(scorer, graph) if has_gradient else None

    def answer(self, raw: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """Returns `probability` float32 and `decision` int64, both `[batch, 1]`."""
        probability = self._probability.in_graph(self._logit(self._graph(raw)), raw)
        return {
            "probability": tf.cast(probability, tf.float32),
            "decision": tf.cast(probability >= self._threshold, tf.int64),
        }

    def serve_examples(self) -> tf.types.experimental.ConcreteFunction:
        """Returns the signature for serialised tf.Examples without a label."""

        @tf.function(
            input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False
        )
        def serve_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            return self.answer(tf.io.parse_example(examples, dict(self._graph.raw_spec)))

        return serve_examples.get_concrete_function()

    def serving_default(self) -> tf.types.experimental.ConcreteFunction:
        """Returns the signature for raw columns, named by position; see `_restore_names`."""
        # A scalar column is `[batch]`: a REST row is `{"column": 1.5}`. A signal is `[batch, n]`.
        specs = [
            tf.TensorSpec([None, *self._graph.row_shapes[name]], spec.dtype, _argument(position))
            for position, (name, spec) in enumerate(self._graph.raw_spec.items())
        ]

        @tf.function(input_signature=specs, autograph=False)
        def serving_default(*columns: tf.Tensor) -> dict[str, tf.Tensor]:
            named = dict(zip(self._graph.raw_spec, columns, strict=True))
            return self.answer(raw_from_serving(named, self._graph.raw_spec))

        return serving_default.get_concrete_function()

    def serving_recording(
        self, signature: RecordingSignature
    ) -> tf.types.experimental.ConcreteFunction:
        """Returns the signature for whole recordings, its inputs named by position."""
        specs = [
            tf.TensorSpec(spec.shape, spec.dtype, _argument(position))
            for position, spec in enumerate(signature.inputs.values())
        ]

        @tf.function(input_signature=specs, autograph=False)
        def serving_recording(*columns: tf.Tensor) -> dict[str, tf.Tensor]:
            return signature(dict(zip(signature.inputs, columns, strict=True)))

        return serving_recording.get_concrete_function()

    def recording_signature(self, framing: Framing) -> RecordingSignature:
        """Returns what cuts whole recordings into windows for this model."""
        return RecordingSignature(self.answer, self._graph.raw_spec, framing)


def export_model(  # noqa: PLR0913 - parts of one model, by keyword
    scorer: Scorer,
    graph: TransformGraph,
    folder: Path,
    *,
    probability: ProbabilityMap,
    threshold: float,
    recorded: SamplingRecord | None = None,
    framing: Framing | None = None,
) -> None:
    """Writes the SavedModel with its signatures, and `assets.extra/model_info.json`.

    Args:
        scorer: The trained model.
        graph: The transform graph that it was trained behind.
        folder: Where to write.
        probability: Correction and calibration of the model's logit.
        threshold: The decision threshold, a calibrated probability.
        recorded: The sampling of the train split in ML Metadata; None means none.
        framing: How whole recordings are cut into windows, for a signature that takes them; None if
            examples are no windows.

    Raises:
        ValueError: The correction is not the one that `recorded` asks for; nothing is written.
    """
    check_shift(probability.correction.sampling, recorded)
    served = ServedModel(scorer, graph, probability, threshold)
    signatures = {
        SERVING_DEFAULT: served.serving_default(),
        SERVE_EXAMPLES: served.serve_examples(),
    }
    names = {SERVING_DEFAULT: list(graph.raw_spec)}
    if framing is not None:
        recordings = served.recording_signature(framing)
        signatures[SERVING_RECORDING] = served.serving_recording(recordings)
        names[SERVING_RECORDING] = list(recordings.inputs)
    tf.saved_model.save(served, str(folder), signatures=signatures)
    _restore_names(folder, names)
    info = {"threshold": threshold, **probability.to_json(), "inputs": list(graph.raw_spec)}
    path = folder / MODEL_INFO_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")


def add_model_info(folder: Path, facts: Mapping[str, Any]) -> None:
    """Adds facts to a model's `assets.extra/model_info.json`.

    Args:
        folder: The SavedModel.
        facts: JSON values by name.
    """
    path = folder / MODEL_INFO_FILE
    info = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(info | dict(facts), indent=2) + "\n", encoding="utf-8")


def _argument(position: int) -> str:
    return f"column_{position}"


def _restore_names(folder: Path, names: Mapping[str, Sequence[str]]) -> None:
    """Gives the inputs of signatures the columns' own names, in the order of their arguments.

    Python arguments and graph nodes cannot be called `Air temperature [K]`; the keys of a
    signature can. TensorFlow Serving reads nothing but those keys.
    """
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for meta_graph in saved.meta_graphs:
        for key, columns in names.items():
            inputs = meta_graph.signature_def[key].inputs
            for position, name in enumerate(columns):
                inputs[name].CopyFrom(inputs[_argument(position)])
                del inputs[_argument(position)]
    path.write_bytes(saved.SerializeToString(deterministic=True))


def read_signatures(folder: Path) -> dict[str, SignatureDef]:
    """Returns the signatures of a SavedModel for serving, without loading it.

    Raises:
        ValueError: It has no graph with the tag `serve`.
    """
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    for meta_graph in saved.meta_graphs:
        if list(meta_graph.meta_info_def.tags) == ["serve"]:
            return dict(meta_graph.signature_def)
    raise ValueError(f"{folder} holds no graph with the tag `serve`.")


Signature = Callable[[Mapping[str, Any]], dict[str, NDArray[Any]]]


def load_in_session(folder: Path, signature: str) -> Signature:
    """Loads a model into a TF1 Session, as TensorFlow Serving does.

    Args:
        folder: The SavedModel.
        signature: Name of a signature.

    Returns:
        A function from input arrays by name to output arrays by name.

    Raises:
        ValueError: The model has no such signature.
    """
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        meta_graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(folder))
    if signature not in meta_graph.signature_def:
        raise ValueError(
            f"{folder} has no signature `{signature}`; it has {sorted(meta_graph.signature_def)}."
        )
    definition = meta_graph.signature_def[signature]
    outputs = {name: info.name for name, info in definition.outputs.items()}

    def ask(inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        feed = {
            definition.inputs[name].name: _array(value, definition.inputs[name].dtype)
            for name, value in inputs.items()
        }
        return dict(session.run(outputs, feed))

    return ask


def _array(value: Any, dtype: int) -> NDArray[Any]:
    """The value in the tensor's type; text as objects, for NumPy's own cuts trailing zero bytes."""
    kind = tf.dtypes.as_dtype(dtype)
    return np.asarray(value, object if kind == tf.string else kind.as_numpy_dtype)
