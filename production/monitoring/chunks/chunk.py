"""A chunk of recorded requests."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What one version answered in a stretch of time.

    Attributes:
        number: Its number, from 0, over all versions.
        since: Time of its beginning.
        until: Time of its end; all rows are before it.
        version: Version of the model that answered.
        records: Rows that clients got an answer for, in order of time, each once: the columns of
            every record (`serving.recording.columns.RECORD_SCHEMA`), then those of the features,
            under `column_name(feature)`. There is no row if all requests failed.
        num_failed: Requests that clients got an error for.
        num_repeated: Rows that were recorded again under a request id and row that the chunk, or
            the one before, had already; they are not among `records`.
        num_late: Rows of earlier chunks that came after these were finished; they are in no chunk.
    """

    number: int
    since: datetime
    until: datetime
    version: int
    records: pa.Table
    num_failed: int = 0
    num_repeated: int = 0
    num_late: int = 0
