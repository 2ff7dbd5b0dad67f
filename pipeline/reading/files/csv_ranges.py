"""Cutting a large CSV file into byte ranges that are read apart, where its quoting allows it.

A file may be cut at its line breaks if each of its lines is a record (or blank). That is so if
every line, read by itself from the beginning of a record, leaves no quoted field open: the first
line begins a record, so it ends one, so the second begins one, and so on. The condition is on
single lines, so ranges are checked apart, in any order.

A line is checked by the parity of its quotes, which alone would not do: a quote in the middle of an
unquoted field (`5" pipe`) is a plain character, and the two of `5" pipe,"x` make an even number
while the second opens a field. Therefore each quote at an even place in its line, counted from 0,
must stand where a field begins (behind a delimiter, or first in the line) or directly behind a
quote (the second half of an escaped one). Then, quote by quote, one at an even place opens a field
or goes on with it, and one at an odd place ends it or begins an escape: the parity is the parser's
state. A file with a line that breaks the rule is read whole; whether it had to be does not matter
to the result.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.reading.files.csv_source import read_header
from pipeline.reading.files.csv_streams import BYTE_ORDER_MARK, open_file
from pipeline.reading.files.pieces import Piece, resolve_path

# Small enough that one large file feeds many workers, large enough that Beam's cost for a piece
# (tens of milliseconds) is lost in the second it takes to read it.
TARGET_BYTES = 128 << 20
_BLOCK_BYTES = 8 << 20
_MAX_LINE_BYTES = 64 << 20
_LF, _CR, _QUOTE = b'\n\r"'


@dataclass(frozen=True, kw_only=True)
class RangeScan:
    """What lies in a byte range of a CSV file.

    Attributes:
        piece: Index of the scanned piece.
        begin: First byte of the first line that begins in the range.
        num_records: Lines that begin in the range and are not blank; the header is one.
        num_lines: All lines that begin in the range.
        regular: Each of its lines is a record or blank.
    """

    piece: int
    begin: int
    num_records: int = 0
    num_lines: int = 0
    regular: bool = True


def propose_pieces(pieces: Sequence[Piece], target_bytes: int = TARGET_BYTES) -> list[Piece]:
    """Cuts each large CSV file at even distances, not yet at its lines.

    Args:
        pieces: Whole files.
        target_bytes: Size of a range; a file below twice that stays whole, as does a gzipped one.
    """
    proposed: list[Piece] = []
    for piece in pieces:
        filesystem, inner = resolve_path(piece.path)
        size = filesystem.get_file_info(inner).size or 0
        gzipped = piece.path.lower().endswith(".gz")
        parts = 1 if piece.format != "csv" or gzipped else max(1, size // target_bytes)
        bounds = [size * part // parts for part in range(parts + 1)]
        for begin, end in itertools.pairwise(bounds):
            cut = replace(piece, index=len(proposed), byte_range=(begin, end))
            proposed.append(cut if parts > 1 else replace(piece, index=len(proposed)))
    return proposed


def settle_pieces(proposed: Sequence[Piece], scans: Sequence[RangeScan]) -> list[Piece]:
    """Returns the pieces to read: ranges from line to line, or the whole file where they cannot be.

    Args:
        proposed: What `propose_pieces` has cut.
        scans: What `scan_range` has found in each piece that has a range.
    """
    by_piece = {scan.piece: scan for scan in scans}
    settled: list[Piece] = []
    for place in dict.fromkeys(piece.file for piece in proposed):
        mine = [piece for piece in proposed if piece.file == place]
        found = [by_piece[piece.index] for piece in mine if piece.byte_range is not None]
        settled += (
            _cut_at_lines(mine, found)
            if found and all(scan.regular for scan in found)
            else [replace(mine[0], byte_range=None)]
        )
    return [replace(piece, index=index) for index, piece in enumerate(settled)]


def _cut_at_lines(pieces: Sequence[Piece], scans: Sequence[RangeScan]) -> Iterator[Piece]:
    _, size = cast(tuple[int, int], pieces[-1].byte_range)
    ends = [*(scan.begin for scan in scans[1:]), size]
    num_records = num_lines = 0
    for piece, scan, end in zip(pieces, scans, ends, strict=True):
        if scan.begin < end:
            # The first range begins with the header; the others are read with it before them.
            yield replace(
                piece,
                byte_range=(scan.begin, end),
                first_row=max(0, num_records - 1),
                lines_before=max(0, num_lines - 1),
            )
        num_records += scan.num_records
        num_lines += scan.num_lines


def scan_range(piece: Piece) -> RangeScan:
    """Counts the lines that begin in a piece's byte range and tells whether each is a record.

    Raises:
        InputError: The file's header cannot be read.
    """
    header = read_header(piece.path)
    begin, end = cast(tuple[int, int], piece.byte_range)
    with open_file(piece.path) as file:
        first = _line_start(file, begin)
        if header.lines_before:
            return RangeScan(piece=piece.index, begin=first, regular=False)
        last = _line_start(file, end)
        num_records = num_lines = 0
        regular = True
        for block in _blocks(file.get_stream(first, last - first), at_start=first == 0):
            regular = len(block) <= _MAX_LINE_BYTES and _is_regular(block, header.delimiter)
            if not regular:
                break
            records, lines = _count(block)
            num_records += records
            num_lines += lines
    return RangeScan(
        piece=piece.index,
        begin=first,
        num_records=num_records,
        num_lines=num_lines,
        regular=regular,
    )


def _line_start(file: pa.NativeFile, position: int) -> int:
    """The first byte from `position` on that begins a line; the file's end where none does."""
    size = int(file.size())
    if position == 0 or position >= size:
        return min(position, size)
    # The byte before may be a line break.
    offset = position - 1
    while offset < size:
        chunk = file.read_at(min(1 << 16, size - offset), offset)
        found = chunk.find(b"\n")
        if found >= 0:
            return offset + int(found) + 1
        offset += len(chunk)
    return size


def _blocks(stream: pa.NativeFile, *, at_start: bool) -> Iterator[bytes]:
    """Yields whole lines, without the mark at the file's beginning; a last break is added."""
    rest = b""
    while chunk := stream.read(_BLOCK_BYTES):
        rest += chunk
        if at_start:
            rest, at_start = rest.removeprefix(BYTE_ORDER_MARK), False
        end = rest.rfind(b"\n") + 1
        if end:
            yield rest[:end]
            rest = rest[end:]
        elif len(rest) > _MAX_LINE_BYTES:
            break
    if rest:
        yield rest + b"\n"


def _count(block: bytes) -> tuple[int, int]:
    """Returns how many lines of a block are not blank, and how many there are."""
    num_lines = block.count(b"\n")
    if b"\r" not in block and b"\n\n" not in block and not block.startswith(b"\n"):
        return num_lines, num_lines
    breaks = _is_break(np.frombuffer(block, np.uint8))
    begins = np.count_nonzero(~breaks[1:] & breaks[:-1]) + int(not breaks[0])
    return int(begins), num_lines + block.count(b"\r") - block.count(b"\r\n")


def _is_break(characters: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    breaks: npt.NDArray[np.bool_] = (characters == _LF) | (characters == _CR)
    return breaks


def _is_regular(block: bytes, delimiter: str) -> bool:
    """Tells whether no line of a block leaves a quoted field open; see the module's rule."""
    if b'"' not in block:
        return True
    characters = np.frombuffer(block, np.uint8)
    quotes = np.flatnonzero(characters == _QUOTE)
    lines = np.searchsorted(np.flatnonzero(_is_break(characters)), quotes)
    is_first = np.concatenate([[True], lines[1:] != lines[:-1]])
    numbers = np.arange(len(quotes))
    even = (numbers - np.maximum.accumulate(np.where(is_first, numbers, 0))) % 2 == 0
    is_last = np.concatenate([is_first[1:], [True]])
    opening = quotes[even]
    before = np.where(opening == 0, _LF, characters[opening - 1])
    allowed = np.isin(before, [ord(delimiter), _LF, _CR, _QUOTE])
    return not even[is_last].any() and bool(allowed.all())
