"""Division of a large CSV file into independently readable byte ranges, if its quoting allows it.

A file can be divided at its line breaks if each line is one record (or blank). This holds if every
line, parsed from the start of a record, leaves no quoted field open: the first line starts a
record, so it ends one, so the second line starts one, and so on. The condition concerns single
lines, so ranges can be checked independently and in any order.

A line is checked by the parity of its quotes. Parity alone is not sufficient: a quote in the middle
of an unquoted field (`5" pipe`) is a plain character, and the two quotes of `5" pipe,"x` make an
even number although the second opens a field. Therefore every quote at an even position in its
line, counted from 0, must either start a field (after a delimiter, or first in the line) or
directly follow another quote (the second half of an escaped quote). Under this rule, a quote at an
even position opens or continues a field, and a quote at an odd position closes it or begins an
escape: the parity is the parser's state. A file with a line that violates the rule is read whole;
the result is the same either way.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.reading.files.csv_header import read_header
from pipeline.reading.files.csv_streams import BYTE_ORDER_MARK, open_file
from pipeline.reading.files.encodings import is_utf8
from pipeline.reading.files.pieces import Piece, resolve_path

# Small enough for one large file to keep many workers busy; large enough that Beam's overhead per
# piece (tens of milliseconds) is negligible beside the second that reading it takes.
TARGET_BYTES = 128 << 20
_BLOCK_BYTES = 8 << 20
_MAX_LINE_BYTES = 64 << 20
_LF, _CR, _QUOTE = b'\n\r"'


@dataclass(frozen=True, kw_only=True)
class RangeScan:
    """Line counts of a byte range of a CSV file.

    Attributes:
        piece: Index of the scanned piece.
        begin: Offset of the first line that starts in the range.
        num_records: Lines that start in the range and are not blank, including the header.
        num_lines: All lines that start in the range.
        regular: Every line is one record or blank.
    """

    piece: int
    begin: int
    num_records: int = 0
    num_lines: int = 0
    regular: bool = True


def propose_pieces(pieces: Sequence[Piece], target_bytes: int = TARGET_BYTES) -> list[Piece]:
    """Divides each large CSV file into equal byte ranges, not yet aligned to lines.

    Args:
        pieces: Whole files.
        target_bytes: Size of a range; a file below twice this size, a gzipped one and one that is
            not UTF-8 stay whole.
    """
    proposed: list[Piece] = []
    for piece in pieces:
        filesystem, inner = resolve_path(piece.path)
        size = filesystem.get_file_info(inner).size or 0
        parts = max(1, size // target_bytes) if _is_divisible(piece) else 1
        bounds = [size * part // parts for part in range(parts + 1)]
        for begin, end in itertools.pairwise(bounds):
            cut = replace(piece, index=len(proposed), byte_range=(begin, end))
            proposed.append(cut if parts > 1 else replace(piece, index=len(proposed)))
    return proposed


def _is_divisible(piece: Piece) -> bool:
    gzipped = piece.path.lower().endswith(".gz")
    return piece.format == "csv" and not gzipped and is_utf8(piece.layout.encoding)


def settle_pieces(proposed: Sequence[Piece], scans: Sequence[RangeScan]) -> list[Piece]:
    """Returns the pieces to read: line-aligned ranges, or the whole file if it is not regular.

    Args:
        proposed: The output of `propose_pieces`.
        scans: The output of `scan_range` for each piece with a range.
    """
    by_piece = {scan.piece: scan for scan in scans}
    settled: list[Piece] = []
    for place in dict.fromkeys(piece.file for piece in proposed):
        file_pieces = [piece for piece in proposed if piece.file == place]
        file_scans = [
            by_piece[piece.index] for piece in file_pieces if piece.byte_range is not None
        ]
        settled += (
            _cut_at_lines(file_pieces, file_scans)
            if file_scans and all(scan.regular for scan in file_scans)
            else [replace(file_pieces[0], byte_range=None)]
        )
    return [replace(piece, index=index) for index, piece in enumerate(settled)]


def _cut_at_lines(pieces: Sequence[Piece], scans: Sequence[RangeScan]) -> Iterator[Piece]:
    _, size = cast(tuple[int, int], pieces[-1].byte_range)
    ends = [*(scan.begin for scan in scans[1:]), size]
    num_records = num_lines = 0
    num_headers = int(pieces[0].has_header)
    for piece, scan, end in zip(pieces, scans, ends, strict=True):
        if scan.begin < end:
            yield replace(
                piece,
                byte_range=(scan.begin, end),
                first_row=max(0, num_records - num_headers),
                lines_before=num_lines,
            )
        num_records += scan.num_records
        num_lines += scan.num_lines


def scan_range(piece: Piece) -> RangeScan:
    """Counts the lines that start in a piece's byte range and checks that each is one record.

    Raises:
        InputError: The file's header cannot be read.
    """
    header = read_header(piece.path, piece.layout)
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
    """Returns where the first line at or after `position` starts, else the file's end."""
    size = int(file.size())
    if position == 0 or position >= size:
        return min(position, size)
    # The byte before may be a line break.
    offset = position - 1
    while offset < size:
        chunk = file.read_at(min(1 << 16, size - offset), offset)
        line_break = chunk.find(b"\n")
        if line_break >= 0:
            return offset + int(line_break) + 1
        offset += len(chunk)
    return size


def _blocks(stream: pa.NativeFile, *, at_start: bool) -> Iterator[bytes]:
    """Yields whole lines without the byte order mark; adds a missing final line break."""
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
    """Returns the number of lines of a block that are not blank, and of all lines."""
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
    """Tells whether every line of a block satisfies the quoting rule in the module docstring."""
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
