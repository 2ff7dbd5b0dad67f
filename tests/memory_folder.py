"""A folder in memory for what the unit tests write.

On a disk, SQLite waits at each transaction until its file is written; in memory there is nothing to
wait for.
"""

import os
import shutil
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
MIN_FREE_BYTES = 1 << 30  # files of passed tests are removed at once


def find_memory_folder(folder: Path = SHARED_MEMORY) -> Path | None:
    """Returns a folder in memory; None if there is none, it is short of room, or runs no program.

    Containers often have 64 MB of it, and some forbid programs in it: tests start their own.
    """
    if not os.access(folder, os.W_OK | os.X_OK):
        return None
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return None
    return folder if shutil.disk_usage(folder).free >= MIN_FREE_BYTES else None
