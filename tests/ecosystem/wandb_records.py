"""Reader of the files that W&B's client writes offline.

The client has none of its own any more. The file is a log in LevelDB's format: blocks of 32 KiB
with fragments, each with a header of 7 bytes (checksum, length, kind), after 7 bytes that name the
format. A record may have several fragments.

References:
    https://github.com/google/leveldb/blob/main/doc/log_format.md
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK, _HEADER = 32_768, 7
_WHOLE, _LAST = 1, 4


def read_records(path: Path) -> dict[str, list[Any]]:
    """Returns the records of a run by kind, each kind in the order of writing."""
    from wandb.proto import wandb_internal_pb2

    records: dict[str, list[Any]] = {}
    for data in _payloads(path.read_bytes()):
        record = wandb_internal_pb2.Record.FromString(data)
        kind = str(record.WhichOneof("record_type"))
        records.setdefault(kind, []).append(getattr(record, kind))
    return records


def _payloads(content: bytes) -> Iterator[bytes]:
    position, parts = _HEADER, b""
    while position + _HEADER <= len(content):
        if _BLOCK - position % _BLOCK < _HEADER:  # the rest of a block that holds no header
            position += _BLOCK - position % _BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        position += _HEADER
        parts += content[position : position + length]
        position += length
        if kind in {_WHOLE, _LAST}:
            yield parts
            parts = b""
