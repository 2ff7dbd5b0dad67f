"""Finds what was recorded of a request."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from common.errors import InputError
from production.collection.records import OK, RecordFile, read_file, record_files


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One answer to a request, as a server recorded it.

    Attributes:
        request_id: Id of the request.
        version: Version that answered; None if none did.
        arm: Arm of the server.
        time: When the request came.
        status: `OK`, or the name of the error code.
        is_answered: Whether the client got this answer.
        records: Its rows, in the order of the request.
    """

    request_id: str
    version: int | None
    arm: str
    time: datetime
    status: str
    is_answered: bool
    records: pa.Table

    @property
    def is_ok(self) -> bool:
        """Whether the model answered."""
        return self.status == OK and self.version is not None

    def column(self, name: str) -> list[Any]:
        """Returns the values of a column, one a row."""
        values: list[Any] = self.records[name].to_pylist()
        return values


def find_request(collected: Path, request_id: str) -> list[Recorded]:
    """Returns all answers to a request, oldest first: behind a gateway, both servers may answer.

    Args:
        collected: The folder `collected/NAME`.
        request_id: Its id.

    Raises:
        InputError: It was not recorded.
    """
    answers = [answer for file in record_files(collected) for answer in _answers(file, request_id)]
    if not answers:
        raise InputError(
            f"No request {request_id} is recorded in {collected}. Ids are those of the answers' "
            "header x-request-id. Recorded are the requests that `collection.share` draws, and "
            "the oldest files are deleted beyond `collection.max_mb`."
        )
    return sorted(answers, key=lambda answer: answer.time)


def _answers(file: RecordFile, request_id: str) -> Iterator[Recorded]:
    # The ids first: features are most of a file.
    for ids in read_file(file, columns=["request_id"]):
        if pc.any(pc.equal(ids["request_id"], request_id)).as_py():
            break
    else:
        return
    parts = [
        chosen
        for batch in read_file(file)
        if (chosen := batch.filter(pc.equal(batch["request_id"], request_id))).num_rows
    ]
    if not parts:  # the file was removed in between
        return
    rows = pa.Table.from_batches(parts).sort_by([("time", "ascending"), ("row", "ascending")])
    # One file holds records of one server and version, and an id may have come twice.
    for time in pc.unique(rows["time"]):
        records = rows.filter(pc.equal(rows["time"], time))
        first = records.slice(0, 1).to_pylist()[0]
        yield Recorded(
            request_id=request_id,
            version=first["version"],
            arm=first["arm"],
            time=first["time"],
            status=first["status"],
            is_answered=first["answered"],
            records=records,
        )
