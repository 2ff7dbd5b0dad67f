"""Training curves from a Trainer's TensorBoard logs, read without TensorFlow."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# A record of an event file: its length, a checksum, the data, a checksum.
_HEADER, _CHECKSUM = struct.Struct("<QI"), 4
_STRING = 7  # DT_STRING: texts and serialised settings
Curves = dict[str, list[tuple[int, float]]]


def read_curves(log_dir: str) -> Curves:
    """Returns the scalars of all event files below a folder, as (step, value) by name.

    Names begin with the file's folder, such as `train/epoch_loss`. What is no finite scalar is
    left out, and so is the end of a file that was not written completely.

    Args:
        log_dir: The folder; empty or gone means no curves.
    """
    root = Path(log_dir)
    if not log_dir or not root.is_dir():
        return {}
    curves: Curves = {}
    for path in sorted(root.rglob("events.out.tfevents.*")):
        prefix = path.parent.relative_to(root).as_posix()
        for step, tag, value in _scalars(path.read_bytes()):
            name = tag if prefix == "." else f"{prefix}/{tag}"
            curves.setdefault(name, []).append((step, value))
    return curves


def by_step(curves: Curves) -> list[tuple[int, dict[str, float]]]:
    """Returns the values of all curves at each step, in the order of the steps."""
    values: dict[int, dict[str, float]] = {}
    for name, curve in curves.items():
        for step, value in curve:
            values.setdefault(step, {})[name] = value
    return sorted(values.items())


def _scalars(content: bytes) -> Iterator[tuple[int, str, float]]:
    from tensorboard.compat.proto import event_pb2
    from tensorboard.util import tensor_util

    for data in _records(content):
        event = event_pb2.Event.FromString(data)
        for value in event.summary.value:
            kind = value.WhichOneof("value")
            if kind not in {"simple_value", "tensor"} or value.tensor.dtype == _STRING:
                continue
            array = (
                np.asarray(value.simple_value)
                if kind == "simple_value"
                else tensor_util.make_ndarray(value.tensor)
            )
            if array.size == 1 and np.isfinite(array).all():
                yield int(event.step), str(value.tag), float(array.reshape(()))


def _records(content: bytes) -> Iterator[bytes]:
    position = 0
    while position + _HEADER.size <= len(content):
        length, _ = _HEADER.unpack_from(content, position)
        position += _HEADER.size
        if position + length + _CHECKSUM > len(content):
            return
        yield content[position : position + length]
        position += length + _CHECKSUM
