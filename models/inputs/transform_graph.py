"""The transform graph that Transform wrote, applied the same way in training and in serving."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.tf_metadata import schema_utils

from common.internals.tft import TransformLoader
from models.features import Categorical, Signal, of_kind, raw_feature_names
from models.inputs.columns import stack
from models.inputs.encoding import (
    MISSING_INDEX,
    NUMBERS_NAME,
    OUT_OF_VOCABULARY,
    VOCABULARY_NAME,
    Encoding,
    IndexSpace,
    Role,
    encodings,
    number_names,
)
from models.inputs.stacks import check_columns, read_stacking
from models.model_spec import ModelSpec

RawSpec = Mapping[str, Any]


class TransformGraph(tf.Module):  # type: ignore[misc]
    """A loaded transform graph with the raw columns that the model reads.

    Attributes:
        raw_spec: Parsing spec of each raw column that a feature needs, without the label.
        label_spec: Parsing spec of the label.
        row_shapes: Shape of one row of each raw column for a client: `()`, or that of a signal.
        index_space: The indices of categories and buckets, with the transformed features.
        features: The features table.
        vocabulary: The shared vocabulary of pairs of feature and value, in its order.
    """

    def __init__(self, folder: str | Path, spec: ModelSpec) -> None:
        """Loads the graph in `folder` (the TransformGraph artifact).

        Raises:
            ValueError: A feature of the table has no column in the schema.
        """
        super().__init__()
        output = tft.TFTransformOutput(str(folder))
        stacking = read_stacking(folder)
        check_columns(stacking.schema, spec.features, spec.label)
        parsing = schema_utils.schema_as_feature_spec(stacking.schema).feature_spec
        self._stacks = stacking.stacks
        self._parsing: RawSpec = parsing
        self.features = spec.features
        self.raw_spec: RawSpec = {n: parsing[n] for n in raw_feature_names(spec.features)}
        self.row_shapes: dict[str, tuple[int, ...]] = {
            name: (feature.num_samples,) if isinstance(feature, Signal) else ()
            for name, feature in spec.features.items()
            if name in self.raw_spec
        }
        self.label_spec: RawSpec = {spec.label: parsing[spec.label]}
        has_categories = bool(of_kind(spec.features, Categorical))
        pairs = output.vocabulary_by_name(VOCABULARY_NAME) if has_categories else []
        self.vocabulary = tuple(pair.decode("utf-8", "replace") for pair in pairs)
        self.index_space = IndexSpace(len(pairs), tuple(encodings(spec.features)))
        self._number_names = tuple(number_names(spec.features))
        self._loader = TransformLoader(output.transform_savedmodel_dir)
        # Tables and vocabulary files belong to an export of this module.
        self._tracked = self._loader.trackable

    def column_spec(self, column: str) -> Any:
        """Returns the parsing spec of any column of the examples.

        Raises:
            KeyError: The schema has no such column.
        """
        return self._parsing[column]

    def __call__(self, raw: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """Returns the transformed features of parsed raw columns, by their encoded names."""
        transformed = self._loader.apply(stack(raw, self._stacks))
        if NUMBERS_NAME not in transformed:
            return transformed
        numbers = tf.unstack(transformed.pop(NUMBERS_NAME), len(self._number_names), axis=1)
        return transformed | dict(zip(self._number_names, numbers, strict=True))


def transform_examples(folder: str | Path, serialised: Sequence[bytes]) -> dict[str, tf.Tensor]:
    """Returns what a transform graph makes of tf.Examples with all columns of its schema.

    Args:
        folder: The TransformGraph artifact.
        serialised: tf.Examples with their labels.
    """
    stacking = read_stacking(folder)
    output = tft.TFTransformOutput(str(folder))
    parsing = schema_utils.schema_as_feature_spec(stacking.schema).feature_spec
    stacked = stack(tf.io.parse_example(tf.constant(serialised), parsing), stacking.stacks)
    inputs = {name: stacked[name] for name in output.raw_feature_spec()}
    return dict(output.transform_raw_features(inputs))


def network_inputs(transformed: Mapping[str, tf.Tensor], space: IndexSpace) -> dict[str, tf.Tensor]:
    """Packs transformed features into the few tensors that the network takes.

    Args:
        transformed: Transformed features by name.
        space: What they are.

    Returns:
        `dense` float32 `[batch, width]`, `index` int64 `[batch, num_index_features]`, `signal_N`
        float32 `[batch, N, channels]` for each length N, `audio_NAME` float32 `[batch, frames,
        mels]` and `image_NAME` float32 `[batch, height, width, channels]` for each sound and
        picture by its encoded name, as far as there are any.
    """
    packed: dict[str, tf.Tensor] = {}
    for key, group in input_groups(space.encoded).items():
        tensors = [transformed[e.name] for e in group]
        if key == "index":
            tensors = [
                _shared_index(tensor, e, space) for tensor, e in zip(tensors, group, strict=True)
            ]
        packed[key] = tf.concat(tensors, axis=2 if key.startswith("signal_") else 1)
    return packed


def input_groups(encoded: tuple[Encoding, ...]) -> dict[str, list[Encoding]]:
    """Returns which features are packed into which input of the network.

    Signals of one length are channels of one input: they were recorded together.
    """
    groups: dict[str, list[Encoding]] = {}
    for encoding in encoded:
        groups.setdefault(_input_name(encoding), []).append(encoding)
    return groups


def _input_name(encoding: Encoding) -> str:
    if encoding.role is Role.SIGNAL:
        return f"signal_{encoding.size}"
    if encoding.role in {Role.AUDIO, Role.IMAGE}:
        return f"{encoding.role}_{encoding.name}"
    return "dense" if encoding.role is Role.DENSE else "index"


def _shared_index(index: tf.Tensor, encoding: Encoding, space: IndexSpace) -> tf.Tensor:
    start = tf.constant(space.start(encoding.name), tf.int64)
    if encoding.role is Role.INDEX:
        return start + index
    own = {OUT_OF_VOCABULARY: start, MISSING_INDEX: start + 1}
    for marker, place in own.items():
        index = tf.where(tf.equal(index, marker), place, index)
    return index


def raw_from_serving(columns: Mapping[str, tf.Tensor], raw_spec: RawSpec) -> dict[str, Any]:
    """Turns plain columns, as a REST client sends them, into the inputs of a `TransformGraph`.

    Args:
        columns: `[batch]` or `[batch, 1]` numbers or texts, `[batch, n]` signals. NaN, the empty
            text and `MISSING_INT` mean a missing value.
        raw_spec: The parsing spec of the raw columns.

    Returns:
        Dense columns, `[batch, 1]` where they are no signals, with the same marks of missing
        values; signals that may be missing are sparse, as in parsed tf.Examples.
    """
    return {name: _raw(columns[name], spec) for name, spec in raw_spec.items()}


def _raw(column: tf.Tensor, spec: Any) -> Any:
    if column.shape.rank == 1:
        return tf.expand_dims(column, 1)
    if isinstance(spec, tf.io.VarLenFeature) and column.shape[1] != 1:
        present = tf.logical_not(tf.math.is_nan(column))
        values = tf.boolean_mask(column, present)
        return tf.SparseTensor(tf.where(present), values, tf.shape(column, tf.int64))
    return column
