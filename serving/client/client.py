"""The synchronous and the asynchronous client, over gRPC or REST."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar, Unpack
from urllib.parse import urlsplit

from serving.client.errors import ServingClientError
from serving.client.plans import Plan, PredictOrder, plan_metadata, plan_predict
from serving.client.predictions import Predictions
from serving.client.rows import encode_examples, encode_rows
from serving.client.signatures import ModelMetadata, TensorSpec, VersionStatus
from serving.client.wires.access import Access
from serving.client.wires.calls import (
    Arrays,
    Call,
    RequestTags,
    StatusCall,
    Target,
)
from serving.client.wires.retries import async_retrying, retrying
from serving.headers import KEY_HEADER

if TYPE_CHECKING:
    from serving.client.rows import Rows

SERVING_DEFAULT, SERVE_EXAMPLES = "serving_default", "serve_examples"
DEFAULT_TIMEOUT_S = 30.0
DEFAULT_BATCH_SIZE = 1024
DEFAULT_ATTEMPTS = 4

Result = TypeVar("Result")


class Wire(Protocol):
    """A connection that sends calls to a server and returns the answers."""

    def send(self, call: Call, timeout_s: float) -> Any:
        """Returns the answer, or raises ServingClientError."""
        ...

    def close(self) -> None:
        """Closes the connection."""
        ...


class AsyncWire(Protocol):
    """A `Wire` for an event loop."""

    async def send(self, call: Call, timeout_s: float) -> Any:
        """Returns the answer, or raises ServingClientError."""
        ...

    async def close(self) -> None:
        """Closes the connection."""
        ...


def parse_address(server: str) -> tuple[str, str]:
    """Returns `grpc`, `grpcs` or `http`, and the address to connect to.

    >>> parse_address("grpc://127.0.0.1:8500")
    ('grpc', '127.0.0.1:8500')
    >>> parse_address("https://models.example.org/")
    ('http', 'https://models.example.org')

    Args:
        server: `grpc://HOST:PORT`, `http://HOST:PORT`, or with TLS `grpcs://HOST:PORT`,
            `https://HOST:PORT`.

    Raises:
        ValueError: It is not the address of a model server.
    """
    parts = urlsplit(server)
    if (
        parts.scheme not in {"grpc", "grpcs", "http", "https"}
        or not parts.hostname
        or parts.path.strip("/")
    ):
        raise ValueError(
            f"`{server}` is not the address of a model server. Expected grpc://HOST:PORT or "
            "http://HOST:PORT, such as grpc://127.0.0.1:8500 or http://127.0.0.1:8501."
        )
    if parts.scheme in {"grpc", "grpcs"}:
        if parts.port is None:
            raise ValueError(
                f"`{server}` names no port. Expected one, as in {parts.scheme}://{parts.hostname}:8500."
            )
        return parts.scheme, parts.netloc
    return "http", f"{parts.scheme}://{parts.netloc}"


class ClientOptions(TypedDict, total=False):
    """Options of both clients, by keyword.

    Attributes:
        batch_size: Maximum number of rows per request, > 0; requests beyond 64 MiB are split
            further.
        timeout_s: Default timeout of a request in seconds, retries included, > 0.
        attempts: How often a request is sent at most, > 0, while the server is UNAVAILABLE: it
            refuses or drops the connection, or answers so. The waits are random and grow up to
            2 s.
        key_header: Header in which `key` is sent; `rollout.key_header` of the server's config.
    """

    batch_size: int
    timeout_s: float
    attempts: int
    key_header: str


class _BaseClient:
    """The common part of both clients: options, signature cache, plans.

    Attributes:
        server: Address of the server.
        model: Name of the model.
    """

    def __init__(
        self,
        server: str,
        *,
        model: str,
        batch_size: int = DEFAULT_BATCH_SIZE,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        attempts: int = DEFAULT_ATTEMPTS,
        key_header: str = KEY_HEADER,
    ) -> None:
        if attempts <= 0:
            raise ValueError(f"attempts must be > 0, got {attempts}")
        self._scheme, self._place = parse_address(server)
        self.server = server
        self.model = model
        self._batch_size = batch_size
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._key_header = key_header
        self._cache: dict[Target, ModelMetadata] = {}

    def _target(self, version: int | None, label: str | None = None) -> Target:
        return Target(model=self.model, version=version, label=label)

    def _tags(self, request_id: str | None, key: str | None) -> RequestTags:
        return RequestTags(request_id=request_id, key=key, key_header=self._key_header)

    def _plan(
        self,
        encode: Callable[[Mapping[str, TensorSpec]], Arrays],
        signature: str,
        target: Target,
        timeout_s: float | None,
        tags: RequestTags,
    ) -> Plan[Predictions]:
        order = PredictOrder(
            target=target,
            signature_name=signature,
            encode=encode,
            batch_size=self._batch_size,
            timeout_s=self._seconds(timeout_s),
            tags=tags,
        )
        return plan_predict(order, self._cache)

    def _seconds(self, timeout_s: float | None) -> float:
        return self._timeout_s if timeout_s is None else timeout_s


def _resume(plan: Plan[Any], answer: Any) -> Call:
    """Hands a plan the answer to its call, or the error, and returns its next call.

    This is no exception handler, in which an error of the plan would chain to the one before.
    """
    return plan.throw(answer) if isinstance(answer, ServingClientError) else plan.send(answer)


def _remaining(deadline: float, timeout_s: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise ServingClientError("DEADLINE_EXCEEDED", f"No answer within {timeout_s:.3g} s.")
    return left


class Client(_BaseClient):
    """A synchronous, thread-safe client.

    >>> with Client("grpc://127.0.0.1:8500", model="signals") as client:  # doctest: +SKIP
    ...     probability = client.predict(rows)["probability"]

    Args:
        server: `grpc://HOST:PORT` or `http://HOST:PORT`; with TLS `grpcs://HOST:PORT` or
            `https://HOST:PORT`.
        model: Name of the model.
        token: Bearer token for a gateway with `clients`; only with TLS, or to a server on loopback.
        ca_file: PEM file of the authorities that may have signed the server's certificate; by
            default those of the system.
        **options: Sizes of requests, timeouts and retries, as `ClientOptions`.
    """

    def __init__(
        self,
        server: str,
        *,
        model: str,
        token: str | None = None,
        ca_file: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(server, model=model, **options)
        access = Access(token=token, ca_file=ca_file)
        access.check(server)
        self._wire = _open_wire(self._scheme, self._place, access)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._wire.close()

    def predict(  # noqa: PLR0913 - options of a request, by keyword
        self,
        rows: "Rows",
        *,
        signature: str = SERVING_DEFAULT,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
        key: str | None = None,
    ) -> Predictions:
        """Sends rows in batches, and returns the joined predictions.

        Args:
            rows: Dicts of column to value, a DataFrame, an Arrow table or record batch. Columns
                that the model does not take, such as an id or the label, are left out. A missing
                value (None, NaN, an empty list, a key that some rows lack) is encoded as in
                training: see `serving.client.values`.
            signature: A signature with one input per column.
            version: Version of the model; the latest by default.
            label: Version label, instead of a version.
            timeout_s: Timeout of each request in seconds, retries included.
            request_id: Id of the request, under which the server records it and labels are
                reported; by default the server makes one. Batches after the first add their
                number, as in `a1-2`.
            key: Sticky key, such as the number of a machine: during a rollout, one model answers
                all requests of a key.

        Raises:
            ValueError: A header cannot hold the id or the key.
            RowError: A value cannot be sent; names row and column. Nothing was sent.
            InputMismatchError: A column is missing, or the model has no such signature.
            ServingClientError: The server refused, failed, or did not answer in time.
        """
        encode = partial(encode_rows, rows)
        target = self._target(version, label)
        tags = self._tags(request_id, key)
        return self._run(self._plan(encode, signature, target, timeout_s, tags))

    def predict_examples(  # noqa: PLR0913 - as above
        self,
        examples: Sequence[bytes],
        *,
        signature: str = SERVE_EXAMPLES,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
        key: str | None = None,
    ) -> Predictions:
        """Like `predict`, for serialised tf.Examples."""
        encode = partial(encode_examples, examples)
        target = self._target(version, label)
        tags = self._tags(request_id, key)
        return self._run(self._plan(encode, signature, target, timeout_s, tags))

    def metadata(
        self,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float | None = None,
    ) -> ModelMetadata:
        """Returns the version that would answer, and its signatures, never from the cache."""
        target = self._target(version, label)
        metadata: ModelMetadata = self._run(
            plan_metadata(target, self._seconds(timeout_s), self._cache)
        )
        return metadata

    def status(
        self, *, version: int | None = None, timeout_s: float | None = None
    ) -> tuple[VersionStatus, ...]:
        """Returns the state of each version of the model, or of one version."""
        call = StatusCall(target=self._target(version), timeout_s=self._seconds(timeout_s))
        statuses: tuple[VersionStatus, ...] = self._send(call)
        return statuses

    def _run(self, plan: Plan[Result]) -> Result:
        try:
            call = next(plan)
            while True:
                call = _resume(plan, self._answer(call))
        except StopIteration as stop:
            result: Result = stop.value
            return result

    def _answer(self, call: Call) -> Any:
        """Returns the answer to a call, or its error."""
        try:
            return self._send(call)
        except ServingClientError as error:
            return error

    def _send(self, call: Call) -> Any:
        deadline = time.monotonic() + call.timeout_s

        def attempt() -> Any:
            return self._wire.send(call, _remaining(deadline, call.timeout_s))

        return retrying(self._attempts, call.timeout_s)(attempt)


class AsyncClient(_BaseClient):
    """An asynchronous client for one event loop; its calls may run concurrently.

        async with AsyncClient("http://127.0.0.1:8501", model="signals") as client:
            probability = (await client.predict(rows))["probability"]

    It and its methods take the arguments of `Client`.
    """

    def __init__(
        self,
        server: str,
        *,
        model: str,
        token: str | None = None,
        ca_file: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(server, model=model, **options)
        access = Access(token=token, ca_file=ca_file)
        access.check(server)
        self._wire = _open_async_wire(self._scheme, self._place, access)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection."""
        await self._wire.close()

    async def predict(  # noqa: PLR0913 - options of a request, by keyword
        self,
        rows: "Rows",
        *,
        signature: str = SERVING_DEFAULT,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
        key: str | None = None,
    ) -> Predictions:
        """Like `Client.predict`; the batches of a call are sent one after another."""
        encode = partial(encode_rows, rows)
        target = self._target(version, label)
        tags = self._tags(request_id, key)
        return await self._run(self._plan(encode, signature, target, timeout_s, tags))

    async def predict_examples(  # noqa: PLR0913 - as above
        self,
        examples: Sequence[bytes],
        *,
        signature: str = SERVE_EXAMPLES,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
        key: str | None = None,
    ) -> Predictions:
        """Like `Client.predict_examples`."""
        encode = partial(encode_examples, examples)
        target = self._target(version, label)
        tags = self._tags(request_id, key)
        return await self._run(self._plan(encode, signature, target, timeout_s, tags))

    async def metadata(
        self,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float | None = None,
    ) -> ModelMetadata:
        """Like `Client.metadata`."""
        target = self._target(version, label)
        metadata: ModelMetadata = await self._run(
            plan_metadata(target, self._seconds(timeout_s), self._cache)
        )
        return metadata

    async def status(
        self, *, version: int | None = None, timeout_s: float | None = None
    ) -> tuple[VersionStatus, ...]:
        """Like `Client.status`."""
        call = StatusCall(target=self._target(version), timeout_s=self._seconds(timeout_s))
        statuses: tuple[VersionStatus, ...] = await self._send(call)
        return statuses

    async def _run(self, plan: Plan[Result]) -> Result:
        try:
            call = next(plan)
            while True:
                call = _resume(plan, await self._answer(call))
        except StopIteration as stop:
            result: Result = stop.value
            return result

    async def _answer(self, call: Call) -> Any:
        """Returns the answer to a call, or its error."""
        try:
            return await self._send(call)
        except ServingClientError as error:
            return error

    async def _send(self, call: Call) -> Any:
        deadline = time.monotonic() + call.timeout_s

        async def attempt() -> Any:
            return await self._wire.send(call, _remaining(deadline, call.timeout_s))

        return await async_retrying(self._attempts, call.timeout_s)(attempt)


# Imported on demand: each wire needs a library that the other does not.
def _open_wire(scheme: str, place: str, access: Access) -> Wire:
    if scheme in {"grpc", "grpcs"}:
        from serving.client.wires.grpc_wires import GrpcWire

        return GrpcWire(place, access, is_secure=scheme == "grpcs")
    from serving.client.wires.rest_wires import RestWire

    return RestWire(place, access)


def _open_async_wire(scheme: str, place: str, access: Access) -> AsyncWire:
    if scheme in {"grpc", "grpcs"}:
        from serving.client.wires.grpc_wires import AsyncGrpcWire

        return AsyncGrpcWire(place, access, is_secure=scheme == "grpcs")
    from serving.client.wires.rest_wires import AsyncRestWire

    return AsyncRestWire(place, access)
