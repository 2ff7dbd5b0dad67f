"""A model's signatures as the client needs them: names, NumPy types and shapes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

# TensorFlow's number of a type -> its name and NumPy's type; text is `object` arrays of bytes.
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
    """Returns the NumPy type of a TensorFlow type, such as 1 or `DT_FLOAT`; None for an exotic."""
    number = _BY_NAME.get(number_or_name) if isinstance(number_or_name, str) else number_or_name
    return np.dtype(_DTYPES[number][1]) if number in _DTYPES else None


def dtype_number(dtype: np.dtype[Any]) -> int:
    """Returns TensorFlow's number of a NumPy type; `object` is text."""
    return _NUMBERS[dtype]


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """An input or output.

    Attributes:
        name: Its name in the signature.
        dtype: NumPy type, `object` for text; None for one that this client does not speak.
        shape: Sizes with the batch first, -1 where any size will do; None where not even the
            number of dimensions is fixed.
    """

    name: str
    dtype: np.dtype[Any] | None
    shape: tuple[int, ...] | None

    @property
    def is_text(self) -> bool:
        """Whether it holds text or bytes."""
        return self.dtype == np.dtype(object)

    def element(self) -> "TensorSpec":
        """Returns the spec of a column of single values of the same type."""
        return replace(self, shape=(-1,))


@dataclass(frozen=True, kw_only=True)
class ModelSignature:
    """One way to ask a model.

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
    """What a server tells of a loaded model.

    Attributes:
        name: The model.
        version: The version that these are the signatures of.
        signatures: Its signatures by name.
    """

    name: str
    version: int
    signatures: Mapping[str, ModelSignature]


@dataclass(frozen=True, kw_only=True)
class VersionStatus:
    """The state of one version.

    Attributes:
        version: The version.
        state: `START`, `LOADING`, `AVAILABLE`, `UNLOADING` or `END`.
        error_code: `OK`, or the canonical code of what went wrong.
        error_message: What went wrong, else empty.
    """

    version: int
    state: str
    error_code: str
    error_message: str
