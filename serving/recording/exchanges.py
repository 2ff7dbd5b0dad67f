"""Requests in progress as the recording keeps them: references only."""

import os
import re
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from serving.headers import (
    ARM_HEADER,
    COPY_HEADER,
    REQUEST_ID_HEADER,
    REQUEST_ID_PATTERN,
    VERSION_HEADER,
)
from serving.servable import Servable, Submit

_SENDABLE = re.compile(REQUEST_ID_PATTERN, re.ASCII)
_MAX_KEY = 256

Arrays = Mapping[str, NDArray[Any]]
_NONE: Mapping[str, Any] = MappingProxyType({})


class Tags(NamedTuple):
    """The headers of a request that concern the recording.

    Attributes:
        request_id: Id that the client or the gateway gave the request; None without a usable one.
        key: Sticky key; None without one.
        has_gateway: Whether a gateway sent the request.
        is_copy: Whether the request is a copy, whose answer no client gets.
    """

    request_id: str | None = None
    key: str | None = None
    has_gateway: bool = False
    is_copy: bool = False

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What is sent back to the client."""
        return () if self.request_id is None else ((REQUEST_ID_HEADER, self.request_id),)


def tags_of_metadata(metadata: Sequence[tuple[str, str | bytes]], key_header: str) -> Tags:
    """Returns the tags in the metadata of a gRPC call."""
    return _tags(dict(metadata), key_header)


def tags_of_headers(headers: Mapping[bytes, bytes], key_header: str) -> Tags:
    """Returns the tags in the headers of an HTTP request, whose names are in lower case."""
    names = (REQUEST_ID_HEADER, key_header, ARM_HEADER, COPY_HEADER)
    return _tags({n: headers[n.encode()] for n in names if n.encode() in headers}, key_header)


def _tags(headers: Mapping[str, str | bytes], key_header: str) -> Tags:
    request_id, key = _text(headers.get(REQUEST_ID_HEADER)), _text(headers.get(key_header))
    if request_id is not None and _SENDABLE.fullmatch(request_id) is None:
        request_id = None
    return Tags(
        request_id=request_id,
        key=None if key is None else key[:_MAX_KEY],
        has_gateway=ARM_HEADER in headers,
        is_copy=COPY_HEADER in headers,
    )


def _text(value: str | bytes | None) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class Exchange:
    """A request and its answer.

    Attributes:
        request_id: Its id.
        tags: The headers that it came with.
        time_ns: When it came, in nanoseconds since 1970.
        num_bytes: Size of the request as it was sent.
        model: Name of the model that it asked for.
        version: The version that it reached; None before.
        signatures: That version's signatures by name.
        signature_name: The signature that it asked for; empty for the default one.
        feeds: Arrays by tensor name, as they went into the model; None without a run.
        outputs: Arrays by tensor name, as they came out.
        is_predict: Whether it is a Predict call.
        status: `OK` or the name of the error code.
        latency_ms: Milliseconds from its arrival to its answer.
    """

    model: str = ""
    version: int | None = None
    signatures: Mapping[str, SignatureDef] = _NONE
    signature_name: str = ""
    feeds: Arrays | None = None
    outputs: Arrays = _NONE
    is_predict: bool = False
    status: str = "OK"
    latency_ms: float = 0.0

    def __init__(self, tags: Tags, num_bytes: int) -> None:
        self.request_id = tags.request_id or os.urandom(16).hex()
        self.tags = tags
        self.time_ns = time.time_ns()
        self.num_bytes = num_bytes

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What is sent back: the id, and behind a gateway the version that answers."""
        if not self.tags.has_gateway or self.version is None:
            return ((REQUEST_ID_HEADER, self.request_id),)
        return ((REQUEST_ID_HEADER, self.request_id), (VERSION_HEADER, str(self.version)))

    def reach(self, servable: Servable, signature_name: str) -> None:
        """Notes the version that answers."""
        self.model, self.version = servable.name, servable.version
        self.signatures, self.signature_name = servable.signatures, signature_name

    def ran(self, feeds: Arrays, fetches: Sequence[str], outputs: Sequence[NDArray[Any]]) -> None:
        """Notes what went into the model and what came out."""
        self.feeds = feeds
        self.outputs = dict(zip(fetches, outputs, strict=True))

    def watch(self, servable: Servable, signature_name: str) -> Servable:
        """Notes the version that answers; returns a servable that notes its run."""
        self.reach(servable, signature_name)
        return _WatchedServable(servable, self)


class _WatchedServable:
    """A servable for one request; see `Servable`."""

    def __init__(self, servable: Servable, exchange: Exchange) -> None:
        self.name = servable.name
        self.version = servable.version
        self.signatures = servable.signatures
        self.checks_method_names = servable.checks_method_names
        self.submit: Submit | None = None
        self._servable = servable
        self._exchange = exchange

    def run(self, feeds: Arrays, fetches: Sequence[str]) -> list[NDArray[Any]]:
        """Runs the graph; see `Servable.run`."""
        outputs = self._servable.run(feeds, fetches)
        self._exchange.ran(feeds, fetches, outputs)
        return outputs
