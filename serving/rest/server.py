"""The HTTP server: uvicorn in a thread of its own."""

import socket
import threading

import uvicorn

from serving.metrics import Metrics
from serving.rest.app import RestApp
from serving.rest.handlers import Handlers
from serving.rest.options import RestOptions
from serving.servable import ModelManager, Servables

_BACKLOG = 2048


class RestServer:
    """Listens from `start` to `stop`."""

    def __init__(
        self,
        servables: Servables,
        manager: ModelManager,
        metrics: Metrics,
        options: RestOptions,
    ) -> None:
        self._options = options
        self._app = RestApp(Handlers(servables, manager, metrics), metrics, options)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app,
                http="httptools",
                loop="uvloop",
                lifespan="off",
                ws="none",
                access_log=False,
                log_config=None,
                log_level="critical",
                server_header=False,
                date_header=True,
                timeout_keep_alive=75,
            )
        )
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None

    def start(self) -> int:
        """Binds, listens, and returns the port.

        Raises:
            OSError: The address cannot be listened on.
        """
        family = socket.AF_INET6 if ":" in self._options.host else socket.AF_INET
        self._socket = socket.socket(family)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self._options.host, self._options.port))
            self._socket.listen(_BACKLOG)
        except OSError:
            self._socket.close()
            raise
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="rest", daemon=True
        )
        self._thread.start()
        return int(self._socket.getsockname()[1])

    def stop(self, grace_s: float) -> None:
        """Lets calls that are under way end, for `grace_s` seconds at most, and closes the port."""
        if self._thread is None:
            return
        self._server.config.timeout_graceful_shutdown = int(grace_s)
        self._server.should_exit = True
        self._thread.join(grace_s + 5)
        self._app.close()
        if self._socket is not None:
            self._socket.close()
