"""TFRecord files on any file system that TensorFlow supports."""

import struct
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import grpc
import numpy as np
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.types_pb2 import DT_STRING

from serving.errors import ServingError
from serving.runtime.tensorflow_c import Session

_HEADER = struct.Struct("<QI")  # length, and its checksum
_FOOTER = struct.Struct("<I")


def read_records(path: str) -> Iterator[bytes]:
    """Yields the records of an uncompressed file.

    Raises:
        ServingError: DATA_LOSS for a truncated record or a wrong checksum; otherwise the error of
            the file system.
    """
    content = read_file(path)
    at = 0
    while at < len(content):
        data_at = at + _HEADER.size
        if data_at > len(content):
            raise _data_loss(path, at, "truncated record")
        length, checksum = _HEADER.unpack_from(content, at)
        if checksum != _masked_crc(content[at : at + 8]):
            raise _data_loss(path, at, "corrupted record")
        end = data_at + length
        if end + _FOOTER.size > len(content):
            raise _data_loss(path, at, "truncated record")
        record = content[data_at:end]
        if _FOOTER.unpack_from(content, end)[0] != _masked_crc(record):
            raise _data_loss(path, at, "corrupted record")
        yield record
        at = end + _FOOTER.size


def whole_records(path: Path) -> int:
    """Returns the size in bytes of a local file up to its last complete record."""
    size, end = path.stat().st_size, 0
    with path.open("rb") as file:
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            after = end + _HEADER.size + _HEADER.unpack(header)[0] + _FOOTER.size
            if after > size:
                break
            end = after
            file.seek(end)
    return end


def frame(record: bytes) -> bytes:
    """Returns a record as it is in a file: with its length and checksums."""
    length = struct.pack("<Q", len(record))
    head = length + _FOOTER.pack(_masked_crc(length))
    return head + record + _FOOTER.pack(_masked_crc(record))


def read_file(path: str) -> bytes:
    """Returns the content of a file on any file system that TensorFlow supports.

    A graph of one operation reads it: the C library has no function for it.

    Raises:
        ServingError: The error of the file system.
    """
    graph = GraphDef()
    name = graph.node.add(name="name", op="Placeholder")
    name.attr["dtype"].type = DT_STRING
    graph.node.add(name="content", op="ReadFile", input=["name"])
    session = Session.from_graph(graph.SerializeToString())
    try:
        [content] = session.run({"name:0": np.array(path.encode(), object)}, ["content:0"])
    finally:
        session.close()
    return bytes(content.item())


def _masked_crc(content: bytes) -> int:
    """Returns the masked CRC-32C; see `tensorflow/core/lib/io/record_writer.h`."""
    crc = int(google_crc32c.value(content))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _data_loss(path: str, at: int, what: str) -> ServingError:
    return ServingError(grpc.StatusCode.DATA_LOSS, f"{what} at {at} in {path}")
