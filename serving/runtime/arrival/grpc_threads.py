"""Threads for gRPC calls whose request has arrived.

gRPC's Python server gives a call a thread as soon as its headers are there, and the thread waits
for the request. A client that sends headers and nothing else, a thousand times over one connection,
would hold all threads for ever. Here, a call gets its thread once its request is complete.
"""

import functools
import inspect
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from grpc import _server as internals
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # in no stub

_WORK_ARGUMENTS = (
    *("rpc_event", "state", "behavior", "argument_thunk", "request_deserializer"),
    "response_serializer",
)
_READ = "_unary_request.<locals>.unary_request"
_FUNCTIONS = {
    "_unary_response_in_pool": _WORK_ARGUMENTS,
    "_stream_response_in_pool": _WORK_ARGUMENTS,
    "_receive_message": ("state", "call", "request_deserializer"),
}


class RequestThreads(ThreadPoolExecutor):
    """A pool that gRPC uses for unary requests; a call waits for its request outside of it.

    gRPC has no public way to do so. With a version of gRPC whose internal functions differ, for
    which `fits_grpc` is False, calls wait in their threads.
    """

    def submit(self, run: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs a call once its request is there, and anything else as soon as a thread is free."""
        if fits_grpc() and len(args) == 1 + len(_WORK_ARGUMENTS):
            work, event, state, behavior, read, *codecs = args
            if getattr(read, "__qualname__", "") == _READ:
                return self._submit_on_arrival(
                    lambda request: super(RequestThreads, self).submit(
                        run, work, event, state, behavior, lambda: request, *codecs
                    ),
                    event,
                    state,
                    codecs[0],
                )
        return super().submit(run, *args, **kwargs)

    def _submit_on_arrival(
        self, submit: Callable[[Any], Future[Any]], event: Any, state: Any, deserializer: Any
    ) -> Future[Any]:
        """Asks for the request, and submits the call when it comes."""
        ended: Future[Any] = Future()
        receive = internals._receive_message(state, event.call, deserializer)

        def arrive(arrival: Any) -> Any:
            finished = receive(arrival)
            with state.condition:
                request, state.request = state.request, None
                if request is None and state.client is internals._CLOSED and not state.statused:
                    internals._abort(
                        state,
                        event.call,
                        cygrpc.StatusCode.unimplemented,
                        b'"%b" requires exactly one request message.' % event.call_details.method,
                    )
            if request is None or finished[0] is not None:
                ended.set_result(None)
            else:
                submit(request).add_done_callback(lambda _: ended.set_result(None))
            return finished

        with state.condition:
            operation = cygrpc.ReceiveMessageOperation(internals._EMPTY_FLAGS)
            event.call.start_server_batch((operation,), arrive)
            state.due.add(internals._RECEIVE_MESSAGE_TOKEN)
        return ended


@functools.cache
def fits_grpc() -> bool:
    """Returns whether the installed gRPC has the internal functions that are used here."""
    names = ("_abort", "_CLOSED", "_EMPTY_FLAGS", "_RECEIVE_MESSAGE_TOKEN")
    if not all(hasattr(internals, name) for name in (*_FUNCTIONS, *names)):
        return False
    return all(
        tuple(inspect.signature(getattr(internals, name)).parameters) == parameters
        for name, parameters in _FUNCTIONS.items()
    )
