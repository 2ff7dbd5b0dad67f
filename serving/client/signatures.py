"""Signatures of a model: names, NumPy types and shapes of its inputs and outputs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

# TensorFlow's type number -> its name and NumPy type; strings are `object` arrays of bytes.
_DTYPES: dict[int, tuple[str, type[Any]]] = {
    1: ("DT_FLOAT", np.float32),
    2: ("DT_DOUBLE", np.float64),
    3: ("DT_INT32", np.int32),
    4: ("DT_UINT8", np.uint8),
    5: ("DT_INT16", np.int16),
    6: ("DT_INT8", np.int8),
    7: ("DT_STRING", np.object_),
    9: ("DT_INT64", np.int64),
    10: ("DT_BOOL", np.bool_),
    17: ("DT_UINT16", np.uint16),
    19: ("DT_HALF", np.float16),
    22: ("DT_UINT32", np.uint32),
    23: ("DT_UINT64", np.uint64),
}
_NUMBERS = {np.dtype(kind): number for number, (_, kind) in _DTYPES.items()}
_BY_NAME = {name: number for number, (name, _) in _DTYPES.items()}


def numpy_dtype(number_or_name: int | str) -> np.dtype[Any] | None:
    """Returns the NumPy type of a TensorFlow type, such as 1 or `DT_FLOAT`, if supported."""
    number = _BY_NAME.get(number_or_name) if isinstance(number_or_name, str) else number_or_name
    return np.dtype(_DTYPES[number][1]) if number in _DTYPES else None


def dtype_number(dtype: np.dtype[Any]) -> int:
    """Returns TensorFlow's number of a NumPy type; `object` means strings."""
    return _NUMBERS[dtype]


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """An input or output of a signature.

    Attributes:
        name: Its name in the signature.
        dtype: NumPy type, `object` for strings; None for a type that the client does not support.
        shape: Sizes with the batch first, -1 for any size; None if the rank is not fixed.
    """

    name: str
    dtype: np.dtype[Any] | None
    shape: tuple[int, ...] | None

    @property
    def is_text(self) -> bool:
        """Whether it holds strings or bytes."""
        return self.dtype == np.dtype(object)

    def element(self) -> "TensorSpec":
        """Returns the spec of single values of the same type, one per row."""
        return replace(self, shape=(-1,))


@dataclass(frozen=True, kw_only=True)
class ModelSignature:
    """A signature of a model.

    Attributes:
        inputs: Inputs by name.
        outputs: Outputs by name.
        method: `tensorflow/serving/predict`, `…/classify` or `…/regress`.
    """

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    method: str


@dataclass(frozen=True, kw_only=True)
class ModelMetadata:
    """The metadata of a loaded model.

    Attributes:
        name: Name of the model.
        version: Version that has these signatures.
        signatures: Signatures by name.
    """

    name: str
    version: int
    signatures: Mapping[str, ModelSignature]


@dataclass(frozen=True, kw_only=True)
class VersionStatus:
    """The state of one version.

    Attributes:
        version: Number of the version.
        state: `START`, `LOADING`, `AVAILABLE`, `UNLOADING` or `END`.
        error_code: Canonical code of the error; `OK` without one.
        error_message: Text of the error; empty without one.
    """

    version: int
    state: str
    error_code: str
    error_message: str
