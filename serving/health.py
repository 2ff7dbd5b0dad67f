"""grpc.health.v1: the health of the server, as one answer or as a stream of changes."""

from typing import Any

import grpc
from grpc_health.v1.health import HealthServicer
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from serving.errors import not_found
from serving.grpc_services import in_pool, refuse, threads_beside, unpacking
from serving.runtime.arrival.unpacking import Arrival, unpacked

_SERVICES = ("", "ModelService", "PredictionService")


class Health:
    """The states of TensorFlow Serving's two services and of the whole server."""

    def __init__(self) -> None:
        # A `Watch` call holds no thread while it waits.
        self._servicer = HealthServicer(experimental_non_blocking=True)
        for service in _SERVICES:
            self._servicer.set(service, HealthCheckResponse.SERVING)

    def drain(self) -> None:
        """Answers NOT_SERVING from now on, and tells those who watch."""
        self._servicer.enter_graceful_shutdown()

    def check(self, arrival: Arrival, context: grpc.ServicerContext) -> Any:
        """Returns the state of a service; an unknown service is NOT_FOUND."""
        try:
            request = arrival.parse(HealthCheckRequest)
            if request.service not in _SERVICES:
                raise not_found(f"unknown service {request.service[:100]}")
            return self._servicer.Check(request, context)
        except Exception as error:  # noqa: BLE001 - a request ends in an answer or a status
            refuse(context, error)
        return HealthCheckResponse()

    def watch(self, serialised: bytes, context: grpc.ServicerContext, send: Any) -> None:
        """Sends the state of a service, at once and at each change; SERVICE_UNKNOWN if unknown."""
        try:
            with unpacked(serialised) as arrival:
                request = arrival.parse(HealthCheckRequest)
            self._servicer.Watch(request, context, send)
        except Exception as error:  # noqa: BLE001 - as above
            refuse(context, error)
            send(None)

    watch.experimental_non_blocking = True  # type: ignore[attr-defined]


def add_health(server: grpc.Server, health: Health) -> None:
    """Adds grpc.health.v1 to a server."""
    methods: dict[str, Any] = {
        "Check": grpc.unary_unary_rpc_method_handler(
            in_pool(unpacking(health.check), threads_beside()), response_serializer=_serialise
        ),
        "Watch": grpc.unary_stream_rpc_method_handler(health.watch, response_serializer=_serialise),
    }
    handler = grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods)
    server.add_generic_rpc_handlers((handler,))


def _serialise(response: HealthCheckResponse) -> bytes:
    return bytes(response.SerializeToString())
