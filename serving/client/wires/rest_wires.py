"""Connections over REST."""

import asyncio
import ssl
import time
from collections.abc import Iterator
from typing import Any

import httpx

from serving.client.errors import ServingClientError
from serving.client.wires.access import Access
from serving.client.wires.calls import Call, headers_of, with_request_id
from serving.client.wires.rest_codec import HttpRequest, decode_answer, encode_call
from serving.headers import REQUEST_ID_HEADER

_CHUNK_BYTES = 1 << 20
_HEADERS = {"Content-Type": "application/json"}


def _options(access: Access) -> dict[str, Any]:
    return {
        # Requests to a model server bypass the proxy that the environment names.
        "trust_env": False,
        "headers": _HEADERS | dict(access.headers),
        "verify": True
        if access.ca_file is None
        else ssl.create_default_context(cafile=access.ca_file),
    }


def _lost(error: httpx.TransportError, url: str) -> ServingClientError:
    """Returns UNAVAILABLE, gRPC's code for a refused or broken connection; a retry is harmless."""
    return ServingClientError("UNAVAILABLE", f"No answer from {url}: {error or repr(error)}")


def _late(timeout_s: float) -> ServingClientError:
    return ServingClientError("DEADLINE_EXCEEDED", f"No full answer within {timeout_s:.3g} s.")


class RestWire:
    """A thread-safe pool of HTTP connections.

    Attributes:
        url: Address of the server, such as `http://127.0.0.1:8501`.
    """

    def __init__(self, url: str, access: Access) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, **_options(access))

    def send(self, call: Call, timeout_s: float) -> Any:
        """Returns the answer to a call.

        httpx limits each read and write, not their sum. The deadline is checked between them, which
        also cuts off a server that trickles its answer.

        Raises:
            ServingClientError: The call failed, or got no answer in time.
        """
        request = encode_call(call)
        deadline = time.monotonic() + timeout_s
        try:
            with self._client.stream(
                request.method,
                request.path,
                content=_chunks(request, deadline) if request.body else None,
                headers=_headers(call, request),
                timeout=timeout_s,
            ) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    _check(deadline)
                    body += chunk
        except (httpx.TimeoutException, TimeoutError):
            raise _late(timeout_s) from None
        except httpx.TransportError as error:
            raise _lost(error, self.url) from None
        answer = decode_answer(call, response.status_code, bytes(body))
        return with_request_id(answer, response.headers.get(REQUEST_ID_HEADER))

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()


def _headers(call: Call, request: HttpRequest) -> dict[str, str]:
    length = {"Content-Length": str(len(request.body))} if request.body else {}
    return length | dict(headers_of(call))


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError


def _chunks(request: HttpRequest, deadline: float) -> Iterator[bytes]:
    for start in range(0, len(request.body), _CHUNK_BYTES):
        _check(deadline)
        yield request.body[start : start + _CHUNK_BYTES]


class AsyncRestWire:
    """A pool of HTTP connections for one event loop.

    Attributes:
        url: Address of the server, such as `http://127.0.0.1:8501`.
    """

    def __init__(self, url: str, access: Access) -> None:
        self.url = url
        self._client = httpx.AsyncClient(base_url=url, **_options(access))

    async def send(self, call: Call, timeout_s: float) -> Any:
        """Returns the answer to a call.

        Raises:
            ServingClientError: The call failed, or got no answer in time.
        """
        request = encode_call(call)
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._client.request(
                    request.method,
                    request.path,
                    content=request.body or None,
                    headers=dict(headers_of(call)),
                    timeout=timeout_s,
                )
        except (httpx.TimeoutException, TimeoutError):
            raise _late(timeout_s) from None
        except httpx.TransportError as error:
            raise _lost(error, self.url) from None
        answer = decode_answer(call, response.status_code, response.content)
        return with_request_id(answer, response.headers.get(REQUEST_ID_HEADER))

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()
