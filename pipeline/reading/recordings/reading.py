"""Reader of raw recordings."""

from collections.abc import Iterator, Sequence

from pipeline.config import Data
from pipeline.reading.recordings.recording import BadRecording, Recording


def read_recordings(
    paths: Sequence[str], data: Data, *, base: str, label: str | None
) -> Iterator[Recording | BadRecording]:
    """Reads raw files, in the order of their names.

    Args:
        paths: The files.
        data: The config's `data` block.
        base: Folder that the files' names are relative to.
        label: The label column if the files have it.
    """
    raise NotImplementedError
