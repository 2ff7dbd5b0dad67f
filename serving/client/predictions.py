"""The result of a prediction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client.errors import ServingClientError
from serving.client.wires.calls import PredictAnswer


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Outputs for all rows, in their order.

    Attributes:
        outputs: Arrays `[rows, …]` by output name; strings as `object` arrays of bytes.
        versions: The versions that answered, in order of appearance: one, unless a new version
            took over between two batches. Empty over REST, which does not report the version,
            unless the call named one.
        request_ids: Ids of the requests, one a batch, under which the server may have recorded
            them; empty if the server gave none.
    """

    outputs: Mapping[str, NDArray[Any]]
    versions: tuple[int, ...]
    request_ids: tuple[str, ...] = ()

    def __getitem__(self, output: str) -> NDArray[Any]:
        """Returns one output."""
        return self.outputs[output]

    @property
    def version(self) -> int | None:
        """The version that answered, the last one of several; None if it is unknown."""
        return self.versions[-1] if self.versions else None

    @property
    def request_id(self) -> str | None:
        """The id of the request; None without one, or if the rows took several requests."""
        return self.request_ids[0] if len(self.request_ids) == 1 else None


def join_answers(answers: list[PredictAnswer], num_rows: list[int]) -> Predictions:
    """Joins the answers to the batches of a call.

    Args:
        answers: Answers in the order of the batches, at least one.
        num_rows: Number of rows of each batch.

    Raises:
        ServingClientError: An output does not have one entry per row, so it cannot be joined.
    """
    versions = dict.fromkeys(a.version for a in answers if a.version is not None)
    ids = tuple(answer.request_id for answer in answers if answer.request_id is not None)
    if len(answers) == 1:
        return Predictions(outputs=answers[0].outputs, versions=tuple(versions), request_ids=ids)
    for answer, expected in zip(answers, num_rows, strict=True):
        for name, array in answer.outputs.items():
            if array.ndim == 0 or len(array) != expected:
                raise ServingClientError(
                    "FAILED_PRECONDITION",
                    f"The output `{name}` has the shape {list(array.shape)} for {expected} rows, "
                    "so its batches cannot be joined. Use batch_size >= the number of rows.",
                )
    outputs = {
        name: np.concatenate([answer.outputs[name] for answer in answers])
        for name in answers[0].outputs
    }
    return Predictions(outputs=outputs, versions=tuple(versions), request_ids=ids)
