"""The chunks of a WAV file.

References:
    Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0, 1991.
"""

import struct

_UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # of a file that was written to a pipe


def find_chunks(content: bytes) -> tuple[bytes, bytes]:
    """Returns the content of `fmt ` and of `data`.

    Raises:
        ValueError: The file is truncated; says how.
    """
    place, fmt = 12, b""
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        place += 8
        if name == b"data":
            available = len(content) - place
            if size in _UNKNOWN_SIZES:
                size = available
            if size > available:
                raise ValueError(
                    f"is truncated: its header states {size:,} bytes of samples, and "
                    f"{available:,} follow"
                )
            return fmt, content[place : place + size]
        if name == b"fmt ":
            fmt = content[place : place + size]
        place += size + size % 2
    raise ValueError("is truncated: it has no samples")
