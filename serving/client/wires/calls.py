"""Calls of the client and their answers, independent of gRPC and REST."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from serving.client.signatures import ModelSignature
from serving.headers import (
    KEY_HEADER,
    LABEL_HEADER,
    REQUEST_ID_HEADER,
    REQUEST_ID_PATTERN,
)

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A model, and optionally a version or a label; the latest version by default.

    Attributes:
        model: Name of the model.
        version: Number of a version.
        label: Label of a version on the server.
    """

    model: str
    version: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.label is not None:
            raise ValueError(
                f"Got version={self.version} and label={self.label!r}; give one of the two."
            )


# Labels by which a gateway chooses one of its servers.
_ARMS = ("stable", "candidate")
Headers = tuple[tuple[str, str], ...]

_SENDABLE = re.compile(REQUEST_ID_PATTERN, re.ASCII)
_PRINTABLE = re.compile(r"[\x20-\x7e]{1,256}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class RequestTags:
    """What a predict call says of itself besides its rows.

    Attributes:
        request_id: Id of the request, 1 to 128 printable ASCII characters without blanks; None
            leaves it to the server.
        key: Sticky key, 1 to 256 printable ASCII characters; None sends none.
        key_header: Header of the key.
    """

    request_id: str | None = None
    key: str | None = None
    key_header: str = KEY_HEADER

    def __post_init__(self) -> None:
        if self.request_id is not None and _SENDABLE.fullmatch(self.request_id) is None:
            raise ValueError(
                "request_id must be 1 to 128 printable ASCII characters without blanks, "
                f"got {self.request_id!r}"
            )
        if self.key is not None and _PRINTABLE.fullmatch(self.key) is None:
            raise ValueError(f"key must be 1 to 256 printable ASCII characters, got {self.key!r}")

    def headers(self, batch: int) -> Headers:
        """Returns the headers of a batch; batches after the first have ids of their own.

        Args:
            batch: Number of the batch, from 0.
        """
        headers = []
        if self.request_id is not None:
            own = self.request_id if not batch else f"{self.request_id}-{batch + 1}"
            headers.append((REQUEST_ID_HEADER, own))
        if self.key is not None:
            headers.append((self.key_header, self.key))
        return tuple(headers)


@dataclass(frozen=True, kw_only=True)
class MetadataCall:
    """A request for the signatures; the answer is a `ModelMetadata`."""

    target: Target
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class StatusCall:
    """A request for the states of versions; the answer is a tuple of `VersionStatus`."""

    target: Target
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class PredictCall:
    """A request for a prediction; the answer is a `PredictAnswer`.

    Attributes:
        target: Model and version.
        signature_name: Name of the signature.
        signature: Inputs and outputs of that signature.
        inputs: Arrays by input name.
        timeout_s: Timeout in seconds, retries included.
        headers: HTTP headers or gRPC metadata to send.
    """

    target: Target
    signature_name: str
    signature: ModelSignature
    inputs: Mapping[str, NDArray[Any]]
    timeout_s: float
    headers: Headers = ()


@dataclass(frozen=True, kw_only=True)
class PredictAnswer:
    """The answer of a model.

    Attributes:
        outputs: Arrays by output name.
        version: Version that answered; over REST, which does not report it, the requested one.
        request_id: Id under which the server may have recorded the request; None if it has none.
    """

    outputs: Arrays
    version: int | None
    request_id: str | None = None


Call = MetadataCall | StatusCall | PredictCall


def headers_of(call: Call) -> Headers:
    """Returns the headers to send with a call."""
    headers = call.headers if isinstance(call, PredictCall) else ()
    label = call.target.label
    # A gateway cannot read the label in a gRPC message.
    return (*headers, (LABEL_HEADER, label)) if label in _ARMS else headers


def with_request_id(answer: Any, request_id: str | bytes | None) -> Any:
    """Returns an answer with the id in its headers; only predictions keep one."""
    if not isinstance(answer, PredictAnswer) or request_id is None:
        return answer
    text = request_id.decode("ascii", "replace") if isinstance(request_id, bytes) else request_id
    return replace(answer, request_id=text)
