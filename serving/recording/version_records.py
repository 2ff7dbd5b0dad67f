"""The records of one version of a model: from exchanges to a record batch."""

import logging
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tensorflow.core.framework.types_pb2 import DT_STRING
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from serving.inference.model_facts import ModelFacts
from serving.inference.predict import DEFAULT_SIGNATURE
from serving.recording.columns import RECORD_SCHEMA, FeatureColumn, feature_columns
from serving.recording.examples import decode_examples
from serving.recording.exchanges import Exchange
from serving.recording.redaction import hash_column, hash_text
from serving.runtime.tensor_protos import NUMPY_TYPES

logger = logging.getLogger(__name__)

KEY = "key"
_OUTPUTS = ("probability", "decision")
# A signature without names of raw columns beside it takes tf.Examples if it has this one input.
_EXAMPLES_INPUTS = ({"examples"}, {"inputs"})

Signatures = Mapping[str, SignatureDef]


class Content(Enum):
    """The form in which a request holds the features."""

    RAW = auto()
    EXAMPLES = auto()
    NOTHING = auto()  # it failed


class VersionRecords:
    """Makes record batches of exchanges with one version, or of failed ones without a version.

    Attributes:
        signatures: The signatures of the version.
        schema: The columns of the records.
    """

    def __init__(
        self,
        signatures: Signatures,
        facts: ModelFacts,
        *,
        arm: str,
        redact: Mapping[str, str],
        salt: bytes,
    ) -> None:
        """Decides the columns.

        Args:
            signatures: The signatures of the version by name; empty without a version.
            facts: What its `model_info.json` says.
            arm: The arm of this server.
            redact: `drop` or `hash` by column.
            salt: Salt of the hashes.
        """
        self.signatures = signatures
        self._threshold = facts.threshold
        self._arm, self._redact, self._salt = arm, redact, salt
        raw = _raw_inputs(signatures, facts)
        self._features = feature_columns(
            {name: (dtype, rank) for name, (_, dtype, rank) in raw.items()},
            times=facts.times,
            media=facts.media,
            redact=redact,
        )
        self._tensors = {name: tensor for name, (tensor, _, _) in raw.items()}
        self._outputs = {
            key: {s.outputs[key].name for s in signatures.values() if key in s.outputs}
            for key in _OUTPUTS
        }
        fields = [pa.field(f.column, f.arrow_type) for f in self._features]
        self.schema = pa.schema([*RECORD_SCHEMA, *fields])

    def is_positive(self, exchange: Exchange) -> bool:
        """Returns whether a row of an exchange has a positive decision."""
        decision = self._output(exchange, "decision")
        return decision is not None and bool((decision == 1).any())

    def content(self, exchange: Exchange) -> Content:
        """Returns in which form an exchange holds the features."""
        if exchange.feeds is None:
            return Content.NOTHING
        is_raw = any(tensor in exchange.feeds for tensor in self._tensors.values())
        has_examples = not is_raw and _examples(exchange.feeds) is not None
        return Content.EXAMPLES if has_examples else Content.RAW

    def to_batch(self, exchanges: Sequence[Exchange]) -> pa.RecordBatch:
        """Returns the records of exchanges: one a row of a request, one for a failed request.

        Args:
            exchanges: At least one, all of one model and of one `content`.

        Raises:
            ValueError: The arrays of a request do not fit together.
        """
        counts = [self._num_rows(exchange) for exchange in exchanges]
        columns = self._own_columns(exchanges, counts)
        columns += self._feature_columns(exchanges, counts)
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _own_columns(self, exchanges: Sequence[Exchange], counts: list[int]) -> list[pa.Array]:
        size = sum(counts)
        own: dict[str, list[Any]] = {
            "request_id": [e.request_id for e in exchanges],
            "time": [e.time_ns // 1_000 for e in exchanges],
            "answered": [not e.tags.is_copy for e in exchanges],
            "key": [self._key(e.tags.key) for e in exchanges],
            "latency_ms": [e.latency_ms for e in exchanges],
            "status": [e.status for e in exchanges],
        }
        arrays = {name: pa.array(own[name], RECORD_SCHEMA.field(name).type) for name in own}
        if size == len(exchanges):
            arrays["row"] = pa.array(np.zeros(size, np.int32))
        else:
            place = pa.array(np.repeat(np.arange(len(exchanges)), counts))
            arrays = {name: array.take(place) for name, array in arrays.items()}
            rows = [np.arange(count, dtype=np.int32) for count in counts]
            arrays["row"] = pa.array(np.concatenate(rows))
        same = {
            "model": exchanges[0].model,
            "version": exchanges[0].version,
            "arm": self._arm,
            "threshold": self._threshold,
        }
        for name, value in same.items():
            arrays[name] = pa.repeat(pa.scalar(value, RECORD_SCHEMA.field(name).type), size)
        for key in _OUTPUTS:
            arrays[key] = self._output_column(exchanges, counts, key)
        return [arrays[name] for name in RECORD_SCHEMA.names]

    def _key(self, key: str | None) -> str | None:
        action = self._redact.get(KEY)
        if key is None or action == "drop":
            return None
        return hash_text(key.encode(), self._salt) if action == "hash" else key

    def _output(self, exchange: Exchange, key: str) -> NDArray[Any] | None:
        for tensor in self._outputs[key]:
            if tensor in exchange.outputs:
                return exchange.outputs[tensor]
        return None

    def _output_column(
        self, exchanges: Sequence[Exchange], counts: list[int], key: str
    ) -> pa.Array:
        kind = RECORD_SCHEMA.field(key).type
        if exchanges[0].feeds is None:
            return pa.nulls(sum(counts), kind)
        outputs = [self._output(exchange, key) for exchange in exchanges]
        values = np.concatenate(
            [
                np.full(n, np.nan) if output is None else _rows(output, n)
                for output, n in zip(outputs, counts, strict=True)
            ]
        )
        # A decision is a small whole number, which float64 holds exactly.
        return pa.array(values, mask=np.isnan(values)).cast(kind)

    def _num_rows(self, exchange: Exchange) -> int:
        outputs = [self._output(exchange, key) for key in _OUTPUTS]
        arrays = [output for output in outputs if output is not None]
        for some in (arrays, (exchange.feeds or {}).values()):
            sizes = [len(array) for array in some if array.ndim]
            if sizes:
                return max(sizes)
        return 1

    def _feature_columns(self, exchanges: Sequence[Exchange], counts: list[int]) -> list[pa.Array]:
        content = self.content(exchanges[0])
        if content is Content.NOTHING:
            return [pa.nulls(sum(counts), feature.arrow_type) for feature in self._features]
        if content is Content.EXAMPLES:
            serialised = [one for e in exchanges for one in _examples(e.feeds or {}) or ()]
            pieces = decode_examples(serialised, self._features)
        else:
            pieces = {f.name: self._raw_pieces(f, exchanges, counts) for f in self._features}
        columns = []
        for feature in self._features:
            column = feature.to_arrow(pieces[feature.name])
            columns.append(hash_column(column, self._salt) if feature.action else column)
        return columns

    def _raw_pieces(
        self, feature: FeatureColumn, exchanges: Sequence[Exchange], counts: list[int]
    ) -> list[NDArray[Any]]:
        tensor = self._tensors[feature.name]
        pieces = []
        for exchange, num_rows in zip(exchanges, counts, strict=True):
            array = (exchange.feeds or {}).get(tensor)
            if array is None:
                array = feature.missing()
            if not array.ndim or len(array) != num_rows:
                array = np.broadcast_to(array, (num_rows, *array.shape[1:]))
            pieces.append(array[:, np.newaxis] if feature.is_list and array.ndim == 1 else array)
        return pieces


def _rows(output: NDArray[Any], num_rows: int) -> NDArray[np.float64]:
    values = np.asarray(output, np.float64).reshape(-1)
    if len(values) != num_rows:
        raise ValueError(f"an output has {len(values)} values for {num_rows} rows")
    return values


def _examples(feeds: Mapping[str, NDArray[Any]]) -> list[bytes] | None:
    for array in feeds.values():
        if array.dtype.hasobject and array.ndim == 1:
            return list(array)
    return None


def _raw_inputs(
    signatures: Signatures, facts: ModelFacts
) -> dict[str, tuple[str, np.dtype[Any] | None, int]]:
    """Returns tensor, type and rank of each raw column of a model."""
    signature = raw_signature(signatures, facts)
    if signature is None:
        return {}
    return {
        name: (info.name, NUMPY_TYPES.get(info.dtype), len(info.tensor_shape.dim))
        for name, info in signature.inputs.items()
    }


def raw_signature(signatures: Signatures, facts: ModelFacts) -> SignatureDef | None:
    """Returns the signature that takes a model's raw columns by name; None if it has none."""
    if facts.inputs is not None:
        names = set(facts.inputs)
        return next((s for s in signatures.values() if set(s.inputs) == names), None)
    signature = signatures.get(DEFAULT_SIGNATURE)
    if signature is None:
        return None
    is_text = all(info.dtype == DT_STRING for info in signature.inputs.values())
    return None if is_text and set(signature.inputs) in _EXAMPLES_INPUTS else signature
