"""Byte and text streams over a CSV file or a range of it, as UTF-8 whatever its encoding."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import IO, cast

import pyarrow as pa

from common.errors import InputError
from pipeline.reading.files.encodings import (
    encoding_of_mark,
    is_utf8,
    is_utf8_text,
    same_family,
)
from pipeline.reading.files.pieces import Piece, open_stream, resolve_path

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_HEAD_BYTES = 1 << 20


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


class _Transcoder(io.RawIOBase):
    """A CSV file in another encoding as a stream of UTF-8."""

    def __init__(self, path: str, encoding: str) -> None:
        self._path = path
        self._encoding = encoding
        self._stream = open_stream(path)
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._num_lines = 0
        self._rest = memoryview(b"")
        self._is_done = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what callers give
        while not self._rest and not self._is_done:
            data = self._stream.read(len(buffer))
            self._is_done = not data
            text = self._decode(data)
            self._num_lines += text.count("\n")
            self._rest = memoryview(text.encode("utf-8", "surrogatepass"))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def _decode(self, data: bytes) -> str:
        state = self._decoder.getstate()
        try:
            return self._decoder.decode(data, self._is_done)
        except UnicodeError as error:  # UTF-16 without its mark is no UnicodeDecodeError
            self._decoder.setstate(state)
            reason = getattr(error, "reason", error)
            raise InputError(
                f"{self._path}, line {self._num_lines + self._lines_read(data) + 1}: a character "
                f"is not valid {self._encoding} ({reason}). Set `data.encoding` to the "
                "file's encoding."
            ) from error

    def _lines_read(self, data: bytes) -> int:
        """Counts the line breaks before the byte that cannot be decoded."""
        num_lines = 0
        try:
            for place in range(len(data)):
                num_lines += self._decoder.decode(data[place : place + 1]).count("\n")
        except UnicodeError:
            pass  # the byte that the caller reports
        return num_lines


def open_file(path: str) -> pa.NativeFile:
    """Opens a local path or a URL for random access."""
    filesystem, inner = resolve_path(path)
    return filesystem.open_input_file(inner)


def open_piece(piece: Piece) -> IO[bytes]:
    """Opens a CSV piece as if it were a file of its own, in UTF-8.

    Raises:
        InputError: The file begins with the byte order mark of another encoding. Reading raises it
            where a character is not valid in the encoding, and names the line.
    """
    if piece.byte_range is not None:
        begin, end = piece.byte_range
        # Readers drop a mark at the beginning; inside the file the same bytes are a value's.
        mark = pa.BufferReader(BYTE_ORDER_MARK if begin else b"")
        stream = open_file(piece.path).get_stream(begin, end - begin)
        return io.BufferedReader(_Chain([mark, stream]))
    encoding = piece.layout.encoding
    with open_stream(piece.path) as stream:
        # A mark has up to four bytes; only text of a code page is compared with UTF-8.
        head = stream.read(4 if is_utf8(encoding) else _HEAD_BYTES)
    marked = encoding_of_mark(head)
    if marked is not None and not same_family(marked, encoding):
        raise InputError(
            f"{piece.path}, line 1: the file begins with the byte order mark of {marked}, and "
            f"`data.encoding` is {encoding}. Set `data.encoding: {marked}`."
        )
    if is_utf8(encoding):
        return cast(IO[bytes], open_stream(piece.path))
    if is_utf8_text(head, encoding):
        raise InputError(
            f"{piece.path} is UTF-8, and `data.encoding` is {encoding}. Save the file as "
            f"{encoding}; or, if all files are UTF-8, set `data.encoding: utf-8` and train again."
        )
    return io.BufferedReader(_Transcoder(piece.path, encoding), buffer_size=1 << 20)


def open_text(piece: Piece, *, errors: str) -> io.TextIOWrapper:
    """Opens a CSV piece as text for Python's own `csv` module, which counts physical lines."""
    stream = open_piece(piece)
    buffered = (
        stream
        if isinstance(stream, io.BufferedReader)
        else io.BufferedReader(cast(io.RawIOBase, stream))
    )
    return io.TextIOWrapper(buffered, encoding="utf-8-sig", errors=errors, newline="")


def csv_records(
    piece: Piece, delimiter: str, *, skip_lines: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """Yields each non-blank record of a CSV piece with the line on which it starts.

    Args:
        piece: The file or a range of it.
        delimiter: What divides its fields.
        skip_lines: Lines before its first record.
    """
    with open_text(piece, errors="backslashreplace") as text:
        reader = csv.reader(islice(text, skip_lines, None), delimiter=delimiter)
        while True:
            line = skip_lines + reader.line_num + 1
            record = next(reader, None)
            if record is None:
                return
            if record:
                yield line, record
