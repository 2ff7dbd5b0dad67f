import ctypes
from pathlib import Path

import pytest

from common.guards.free_memory import return_free_memory

_BLOCKS, _BYTES = 65_536, 1_024


def _anonymous_bytes() -> int:
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if "RssAnon" in line
    )
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc"
)
def test_free_blocks_below_one_in_use_go_back_to_the_system():
    library = ctypes.CDLL(None)
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    blocks = [library.malloc(_BYTES) for _ in range(_BLOCKS)]
    for block in blocks:
        ctypes.memset(block, 1, _BYTES)
    last = library.malloc(_BYTES)
    for block in blocks:
        library.free(block)
    kept = _anonymous_bytes()
    return_free_memory()
    # 64 MiB are free, except for what the allocator had in use around them.
    assert kept - _anonymous_bytes() > 32 * 2**20
    library.free(last)
