"""Messages of small fields, and the memory that they take once parsed.

Run as a module, it prints the growth of a fresh process by each of them, as JSON.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorflow.core.example.example_pb2 import Example
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.protos.example_requests import ClassificationRequest

_BYTES = 2**19


def field(number: int, content: bytes) -> bytes:
    """Returns a field with a length, a text or a message."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def repeated(unit: bytes, num_bytes: int = _BYTES) -> bytes:
    """Returns a field as often as it fits."""
    return unit * (num_bytes // len(unit))


def tensor(content: bytes) -> bytes:
    """Returns a PredictRequest with one input."""
    return field(2, field(1, b"x") + field(2, content))


def _numbered(value: bytes = b"") -> bytes:
    return b"".join(field(1, field(1, b"%d" % number) + value) for number in range(50_000))


def shapes() -> dict[str, tuple[type[Any], bytes]]:
    """Returns messages of small fields by name, with their types."""
    group = b"\x53\x54"
    nested = b""
    for _ in range(30):  # tensors in variants in tensors
        nested = field(15, field(3, nested))
    inputs = b"".join(field(2, field(1, b"%d" % number)) for number in range(50_000))
    feature = field(1, field(1, b"a") + field(2, field(2, b"\x0d\0\0\0\0")))
    return {
        "empty texts": (PredictRequest, tensor(repeated(field(8, b"")))),
        "short texts": (PredictRequest, tensor(repeated(field(8, b"ab")))),
        "mixed texts": (PredictRequest, tensor(repeated(field(8, b"a") + field(8, b"a" * 200)))),
        "unpacked floats": (PredictRequest, tensor(repeated(b"\x2d\0\0\0\0"))),
        "unpacked int64s": (PredictRequest, tensor(repeated(b"\x50\0"))),
        "packed int64s": (PredictRequest, tensor(field(10, bytes(_BYTES)))),
        "packed floats": (PredictRequest, tensor(field(5, bytes(_BYTES)))),
        "tensor content": (PredictRequest, tensor(field(4, bytes(_BYTES)))),
        "variants": (PredictRequest, tensor(repeated(field(15, b"")))),
        "tensors in a variant": (PredictRequest, tensor(field(15, repeated(field(3, b""))))),
        "handles": (PredictRequest, tensor(repeated(field(14, b"")))),
        "dimensions": (PredictRequest, tensor(field(2, repeated(field(2, b""))))),
        "nested messages": (PredictRequest, tensor(repeated(nested))),
        "empty map entries": (PredictRequest, repeated(field(2, b""))),
        "map entries": (PredictRequest, inputs),
        "output names": (PredictRequest, repeated(field(3, b""))),
        "unknown values": (PredictRequest, repeated(b"\xa0\x06\0")),
        "unknown groups": (PredictRequest, repeated(group)),
        "unknown in tensors": (PredictRequest, repeated(tensor(b"\xa0\x06\0"))),
        "known and unknown": (PredictRequest, repeated(field(3, b"") + b"\x50\0")),
        "examples": (ClassificationRequest, field(2, field(1, repeated(field(1, b""))))),
        "tasks": (MultiInferenceRequest, repeated(field(1, b""))),
        "specs of tasks": (MultiInferenceRequest, repeated(field(1, field(1, field(2, b""))))),
        "configs": (ReloadConfigRequest, field(1, field(1, repeated(field(1, b""))))),
        "features": (Example, field(1, _numbered())),
        "lists": (Example, field(1, _numbered(field(2, field(2, field(1, bytes(4))))))),
        "equal features": (Example, field(1, repeated(feature))),
    }


def _growth() -> Iterator[tuple[str, int]]:
    messages = []  # kept, so that no memory is used twice
    for name, (kind, content) in shapes().items():
        before = _resident_bytes()
        messages.append(kind.FromString(content))
        yield name, _resident_bytes() - before


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dict(_growth())))
