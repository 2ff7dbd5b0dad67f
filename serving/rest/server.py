"""The REST server: uvicorn in its own thread."""

import asyncio
import functools
import socket
import threading
from typing import TYPE_CHECKING, Any

import uvicorn

from serving.metrics import Metrics
from serving.rest.actions import Actions
from serving.rest.app import Executors, RestApp
from serving.rest.grpc_tunnel import SharedPortProtocol
from serving.rest.options import RestOptions
from serving.rest.protocol import RestProtocol
from serving.servable import ModelManager, Servables

if TYPE_CHECKING:
    from serving.recording.recorder import Recorder

_BACKLOG = 2048
_KEEP_ALIVE_S = 75
_FORCED_EXIT_S = 0.5  # uvicorn looks at its flags ten times a second


class RestServer:
    """A server that listens from `start` to `stop`."""

    def __init__(
        self,
        servables: Servables,
        statuses: ModelManager,
        metrics: Metrics,
        options: RestOptions,
        recorder: "Recorder | None" = None,
    ) -> None:
        self._options = options
        self._executors = Executors(options.serves)
        app = RestApp(
            actions=Actions(
                servables, statuses, metrics, recorder=recorder, is_lenient=options.is_lenient
            ),
            metrics=metrics,
            options=options,
            executors=self._executors,
            recorder=recorder,
        )
        self._server = _Server(_uvicorn_config(app, options))
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> int:
        """Starts to listen, and returns the port.

        Raises:
            OSError: The port is in use, or the host is not an address of this machine.
        """
        self._socket = _listening_socket(self._options.host, self._options.port)
        port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="rest-server", daemon=True)
        self._thread.start()
        self._server.wait_until_started(self._thread)
        return port

    def close_door(self) -> None:
        """Refuses new connections; requests in progress go on, and are the last of theirs."""
        self._server.should_exit = True

    def stop(self, grace_s: float = 10.0) -> bool:
        """Refuses new connections and waits for requests in progress.

        Args:
            grace_s: Seconds that they get to finish.

        Returns:
            Whether all did.
        """
        self.close_door()
        is_idle = True
        if self._thread is not None:
            self._thread.join(grace_s)
            is_idle = not self._thread.is_alive()
            if not is_idle:
                self._server.force_exit = True
                self._thread.join(_FORCED_EXIT_S)
            self._thread = None
        if self._socket is not None:
            self._socket.close()
        self._executors.shutdown()
        return is_idle

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
            runner.run(self._server.serve(sockets=[self._socket] if self._socket else None))


class _Server(uvicorn.Server):
    """uvicorn's server, which handles no signals outside the main thread."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._is_up.set()

    def wait_until_started(self, thread: threading.Thread) -> None:
        """Returns once the server accepts requests.

        Raises:
            OSError: The thread ended before.
        """
        while not self._is_up.wait(0.05):
            if not thread.is_alive():
                raise OSError("the thread of the REST server ended during its start")


def _uvicorn_config(app: RestApp, options: RestOptions) -> uvicorn.Config:
    protocol: Any = RestProtocol
    if options.grpc_port is not None:
        protocol = functools.partial(SharedPortProtocol, grpc_port=options.grpc_port)
    return uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        loop="uvloop",
        http=protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="error",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )


def _listening_socket(host: str, port: int) -> socket.socket:
    family, kind, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
