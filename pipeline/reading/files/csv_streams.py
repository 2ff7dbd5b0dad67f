"""Byte and text streams over a CSV file or a range of it."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import IO, cast

import pyarrow as pa

from pipeline.reading.files.pieces import Piece, open_stream, resolve_path

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Chain(io.RawIOBase):
    """Concatenates several streams into one."""

    def __init__(self, streams: Sequence[pa.NativeFile]) -> None:
        self._streams = streams

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what callers give
        for stream in self._streams:
            data = stream.read(len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)
        return 0


def open_file(path: str) -> pa.NativeFile:
    """Opens a local path or a URL for random access."""
    filesystem, inner = resolve_path(path)
    return filesystem.open_input_file(inner)


def open_piece(piece: Piece) -> IO[bytes]:
    """Opens a CSV piece as if it were a file of its own; a range is preceded by the header."""
    if piece.byte_range is None:
        return cast(IO[bytes], open_stream(piece.path))
    begin, end = piece.byte_range
    file = open_file(piece.path)
    header = _header_line(piece.path) if begin else b""
    streams = [pa.BufferReader(header), file.get_stream(begin, end - begin)]
    return io.BufferedReader(_Chain(streams))


def _header_line(path: str) -> bytes:
    with io.BufferedReader(cast(io.RawIOBase, open_stream(path))) as stream:
        # The header of a divided file is a single line; a carriage return may end it too.
        return stream.readline().rstrip(b"\n").split(b"\r", 1)[0] + b"\n"


def open_text(piece: Piece, *, errors: str) -> io.TextIOWrapper:
    """Opens a CSV piece as text for Python's own `csv` module, which counts physical lines."""
    stream = open_piece(piece)
    buffered = (
        stream
        if isinstance(stream, io.BufferedReader)
        else io.BufferedReader(cast(io.RawIOBase, stream))
    )
    return io.TextIOWrapper(buffered, encoding="utf-8-sig", errors=errors, newline="")


def csv_records(piece: Piece, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yields each non-blank record of a CSV piece with the line on which it starts."""
    with open_text(piece, errors="backslashreplace") as text:
        reader = csv.reader(text, delimiter=delimiter)
        while True:
            line = reader.line_num + 1
            record = next(reader, None)
            if record is None:
                return
            if record:
                yield line, record
