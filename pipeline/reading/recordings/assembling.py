"""Assembly of raw recordings to Parquet with one row for each recording or window."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common.digests import FilesDigest
from pipeline.config import Data, Label
from pipeline.reading.recordings.recording import BadRecording


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """A table that was assembled from raw recordings.

    Attributes:
        folder: Folder of the Parquet files.
        pattern: Glob of these files.
        num_recordings: Recordings in the table.
        num_rows: Its rows: as many, or one for each window.
        bad: Recordings that were left out, with their reasons.
        notes: What was decided and counted, in words.
        raw: Digest of the raw files.
    """

    folder: Path
    pattern: str
    num_recordings: int
    num_rows: int
    bad: tuple[BadRecording, ...]
    notes: tuple[str, ...]
    raw: FilesDigest


def assemble(
    path: str,
    data: Data,
    *,
    label: Label | None,
    folder: Path,
    target: Path,
    rates: Mapping[str, float] | None = None,
) -> Assembled:
    """Assembles raw recordings, unless the same files were assembled before.

    Args:
        path: The raw files: a file, a folder or a glob; relative to `folder`.
        data: The config's `data` block: `recordings`, `max_bad_rows`, and how tables are written.
        label: The label; None for predictions, whose rows have no label column.
        folder: The folder of the YAML, to which `path`, `labels` and `events` are relative.
        target: Folder for the result, `recordings-DIGEST` in it.
        rates: Nominal rate in Hz by channel, from the features: a recording of another rate is
            resampled to it. Without one the recording keeps its rate.

    Raises:
        InputError: There are no recordings, more than `max_bad_rows` of them are bad, or the
            options do not fit the files.
    """
    raise NotImplementedError
