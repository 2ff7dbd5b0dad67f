"""The thread that keeps the gateway's processes running, and what others may wait for."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from common.processes import check_ports, free_ports, is_port_taken, last_words
from pipeline.production_options.collection import KEY_COLUMN
from production.gateway.admin import AdminError, EnvoyAdmin
from production.gateway.envoy.access_log import AccessLogFile
from production.gateway.envoy_files import (
    ACCESS_LOG,
    ADMIN_SOCKET,
    ClientsFile,
    Ports,
    ServerAddress,
    write_files,
    write_routes,
)
from production.gateway.members import (
    GatewayError,
    GatewaySpec,
    Member,
    envoy_command,
    server_command,
    write_server_files,
)
from production.gateway.pins import PinnedServer, PinState, read_versions
from production.gateway.processes import Command, Supervised, end_leftovers
from production.gateway.traffic import Arm, Pin, Traffic

logger = logging.getLogger(__name__)

_POLL_S = 0.02
# A server that loads is asked often, one that serves now and then.
_ASK_LOADING_S, _ASK_SERVING_S = 0.05, 1.0
# A server that has answered, and then does not for so long, hangs: it is killed and started again.
_HUNG_S = 30.0
# The caller may try again: meanwhile the server goes on loading.
_LOAD_TIMEOUT_S = 120.0
_ENVOY_TIMEOUT_S = 30.0
_ENVOY_POLL_S = 0.005
# A process that ends so often while it is waited for will not serve.
_MAX_ENDS = 2
# Of the grace, for the end of the processes after the last request.
_ENDING_S = 1.0
_WIRES = ("grpc", "rest")


class Supervisor:
    """Runs the processes of a gateway from `start` to `stop`.

    One thread starts all processes, starts those again that end, and ends them: the kernel ends a
    child with the thread that started it, so that none outlives a supervisor that is killed.

    Attributes:
        changed: Guards the servers' pins and Envoy's files.
        ports: Where the gateway and its servers listen.
    """

    def __init__(self, spec: GatewaySpec, step: Callable[[], None]) -> None:
        """Starts nothing yet.

        Args:
            spec: What the gateway is made from.
            step: Called again and again by the thread, under `changed`.
        """
        self.changed = threading.Condition()
        nowhere = ServerAddress(grpc=0, rest=0)
        self.ports = Ports(
            grpc=spec.options.grpc_port,
            rest=spec.options.rest_port,
            stable=nowhere,
            candidate=nowhere,
        )
        self._spec, self._step = spec, step
        self._admin = EnvoyAdmin(spec.path / ADMIN_SOCKET)
        self._clients = ClientsFile(spec.path, spec.options)
        self._access_log = AccessLogFile(spec.path / ACCESS_LOG, self._admin.reopen_logs)
        self._servers = {
            arm: PinnedServer(spec.model, spec.folder, spec.path / f"{arm}.config") for arm in Arm
        }
        self._processes = {
            arm: Supervised(arm, spec.path, partial(self._server_command, arm)) for arm in Arm
        }
        self._envoy = Supervised("envoy", spec.path, self._envoy_command)
        self._ask_at_s: dict[Arm | None, float] = dict.fromkeys([*Arm, None], 0.0)
        # When a server answered last; None until its process has answered once.
        self._answered_s: dict[Arm, float | None] = dict.fromkeys(Arm)
        self._is_envoy_live = False
        self._traffic: Traffic | None = None
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def start(self, traffic: Traffic, pins: dict[Arm, Pin]) -> None:
        """Starts the processes.

        Raises:
            InputError: A port is taken, or a file of the options cannot be used.
        """
        self._traffic = traffic
        end_leftovers(self._spec.path, grace_s=self._spec.grace_s)
        self._choose_ports()
        for arm, pin in pins.items():
            self._servers[arm].config_file.unlink(missing_ok=True)
            self._servers[arm].pin(pin)
        write_server_files(self._spec)
        self._write_files(traffic)
        self._thread.start()

    def stop(self) -> None:
        """Lets requests in progress end within the grace, and ends the processes."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def check(self) -> None:
        """Checks that the processes are watched.

        Raises:
            GatewayError: The thread failed; it has ended the processes.
        """
        if self._failure is not None:
            raise GatewayError(
                f"The gateway ended: its processes could not be watched: {self._failure!r}"
            ) from self._failure

    def server(self, arm: Arm) -> Member:
        """Returns the state of one arm's server."""
        server, process = self._servers[arm], self._processes[arm]
        with self.changed:  # the process and the answer of its server are of one moment
            return Member(
                name=arm.value,
                pid=process.pid,
                is_serving=process.pid is not None and server.state is PinState.SERVING,
                num_starts=process.num_starts,
                log=process.log,
                num_ends=process.num_ends,
                last_end=process.last_end,
                error=server.error,
            )

    def envoy(self) -> Member:
        """Returns the state of Envoy."""
        with self.changed:
            return Member(
                name="envoy",
                pid=self._envoy.pid,
                is_serving=self._envoy.pid is not None and self._is_envoy_live,
                num_starts=self._envoy.num_starts,
                log=self._envoy.log,
                num_ends=self._envoy.num_ends,
                last_end=self._envoy.last_end,
            )

    def pin(self, arm: Arm, pin: Pin) -> None:
        """Pins a server; call it under `changed`."""
        self._servers[arm].pin(pin)
        self._ask_at_s[arm] = 0.0

    def write_routes(self, traffic: Traffic) -> str:
        """Writes Envoy's routes and returns their version; call it under `changed`."""
        spec = self._spec
        self._traffic = traffic
        return write_routes(spec.path, spec.options, traffic, key_header=spec.key_header)

    def await_arm(self, arm: Arm, problem: str, *, timeout_s: float = _LOAD_TIMEOUT_S) -> None:
        """Waits until a server serves the version that it is pinned to, and no other.

        Args:
            arm: The server's arm.
            problem: First words of the error.
            timeout_s: Longest wait in seconds.

        Raises:
            GatewayError: It will not.
        """
        max_starts = max(self.server(arm).num_starts, 1) + _MAX_ENDS
        end_s = time.monotonic() + timeout_s
        while not (member := self.server(arm)).is_serving:
            self.check()
            if member.error:
                raise GatewayError(f"{problem}: {member.error}\nLog of the server: {member.log}")
            if member.num_starts >= max_starts:
                words = last_words(member.log)
                raise GatewayError(f"{problem}. The last lines of {member.log}:\n{words}")
            if time.monotonic() > end_s:
                raise GatewayError(
                    f"{problem} within {timeout_s:.0f} s. Log of the server: {member.log}"
                )
            with self.changed:
                self.changed.wait(_POLL_S)

    def await_health(self, arm: Arm) -> None:
        """Waits until Envoy has seen that a server is up.

        Raises:
            GatewayError: It does not see it.
        """
        self._await_envoy(lambda: self._is_healthy(arm), f"Envoy does not reach the {arm} server")

    def await_routes(self, version: str) -> None:
        """Waits until Envoy has acknowledged a version of its routes.

        Raises:
            GatewayError: It does not.
        """

        def is_acknowledged() -> bool:
            stats = self._admin.stats(r"^http\.\w+\.rds\.routes\.version_text$")
            return set(stats.values()) == {version}

        self._await_envoy(is_acknowledged, "Envoy does not take its new routes")

    def await_envoy(self) -> None:
        """Waits until Envoy listens, and sees the servers that serve.

        Raises:
            GatewayError: It does not start.
        """

        def is_ready() -> bool:
            # A listener that cannot open its port is only a rejected update.
            is_listening = self._admin.is_live() and self._admin.listening() >= set(_WIRES)
            arms = [arm for arm in Arm if self.server(arm).is_serving]
            return is_listening and all(self._is_healthy(arm) for arm in arms)

        self._await_envoy(is_ready, "Envoy does not start")

    def _await_envoy(self, condition: Callable[[], bool], problem: str) -> None:
        end_s = time.monotonic() + _ENVOY_TIMEOUT_S
        while time.monotonic() < end_s:
            self.check()
            with suppress(AdminError):  # it may just be starting again
                if condition():
                    return
            time.sleep(_ENVOY_POLL_S)
        raise GatewayError(
            f"{problem} within {_ENVOY_TIMEOUT_S:.0f} s. The last lines of {self._envoy.log}:\n"
            f"{last_words(self._envoy.log)}"
        )

    def _is_healthy(self, arm: Arm) -> bool:
        healthy = self._admin.healthy()
        return all(healthy.get(f"{arm}_{wire}", False) for wire in _WIRES)

    def _choose_ports(self) -> None:
        options = self._spec.options
        wanted = {"gRPC": options.grpc_port, "REST": options.rest_port}
        check_ports(options.host, wanted, command="faultline serve --gateway")
        ports = free_ports(6)
        self.ports = Ports(
            grpc=options.grpc_port or ports[0],
            rest=options.rest_port or ports[1],
            stable=ServerAddress(grpc=ports[2], rest=ports[3]),
            candidate=ServerAddress(grpc=ports[4], rest=ports[5]),
        )

    def _write_files(self, traffic: Traffic) -> None:
        spec = self._spec
        # A key that the records must not have in clear is not logged either.
        redacted = (spec.recording or {}).get("redact", {})
        write_files(
            spec.path,
            spec.options,
            traffic,
            self.ports,
            key_header=spec.key_header,
            logs_key=KEY_COLUMN not in redacted,
        )

    def _server_command(self, arm: Arm) -> Command:
        if self._processes[arm].num_starts:
            self._move_if_taken(arm)
        config_file = self._servers[arm].config_file
        return server_command(self._spec, arm, self.ports.server(arm), config_file)

    def _envoy_command(self) -> Command:
        self._admin.path.unlink(missing_ok=True)
        if self._spec.options.access_log:
            self._access_log.make()
        return envoy_command(self._spec.path)

    def _move_if_taken(self, arm: Arm) -> None:
        """Gives a server other ports if another program took its own while it was down."""
        address = self.ports.server(arm)
        if not any(is_port_taken(address.host, port) for port in (address.grpc, address.rest)):
            return
        grpc, rest = free_ports(2)
        address = ServerAddress(grpc=grpc, rest=rest)
        if arm is Arm.STABLE:
            self.ports = replace(self.ports, stable=address)
        else:
            self.ports = replace(self.ports, candidate=address)
        if self._traffic is not None:
            self._write_files(self._traffic)

    def _run(self) -> None:
        try:
            problem = ""
            while not self._stopping.is_set():
                try:
                    self._look_around()
                except OSError as error:  # such as a full disk: what runs goes on serving
                    if str(error) != problem:
                        logger.error("The gateway's supervisor tries again: %s", error)
                    problem = str(error)
                self._stopping.wait(_POLL_S)
        except BaseException as error:  # noqa: BLE001 - `check` raises it in the caller's thread
            self._failure = error
        finally:
            self._end_processes()

    def _look_around(self) -> None:
        with self.changed:
            for arm in Arm:
                self._step_server(arm)
            self._step_envoy()
        for arm in Arm:
            self._ask(arm)
        self._tend_envoy()
        with self.changed:
            self._step()
            self.changed.notify_all()

    def _step_server(self, arm: Arm) -> None:
        process = self._processes[arm]
        before = process.pid
        process.step()
        if process.pid != before:
            self._servers[arm].observe(None)
            self._ask_at_s[arm] = 0.0
            self._answered_s[arm] = None

    def _step_envoy(self) -> None:
        before = self._envoy.pid
        self._envoy.step()
        if self._envoy.pid != before:
            self._is_envoy_live = False
            self._ask_at_s[None] = 0.0

    def _ask(self, arm: Arm) -> None:
        """Asks a server for its versions, if it is time."""
        if time.monotonic() < self._ask_at_s[arm]:
            return
        server, versions = self._servers[arm], None
        if self._processes[arm].pid is not None:
            versions = read_versions(self.ports.server(arm).rest, self._spec.model)
        with self.changed:
            now_s = time.monotonic()
            # The next try too, if a file cannot be written now: others have their turn before it.
            self._ask_at_s[arm] = now_s + _ASK_LOADING_S
            server.observe(versions)
            if server.state is PinState.SERVING:
                self._ask_at_s[arm] = now_s + _ASK_SERVING_S
            answered_s = self._answered_s[arm]
            if versions is not None:
                self._answered_s[arm] = now_s
            elif answered_s is not None and now_s - answered_s > _HUNG_S:
                self._processes[arm].kill(f"no answer for {_HUNG_S:.0f} s")

    def _tend_envoy(self) -> None:
        """Looks, now and then, whether Envoy lives, its log is large, and its clients changed."""
        if time.monotonic() < self._ask_at_s[None]:
            return
        self._is_envoy_live = self._envoy.pid is not None and self._admin.is_live()
        pause_s = _ASK_SERVING_S if self._is_envoy_live else _ASK_LOADING_S
        self._ask_at_s[None] = time.monotonic() + pause_s
        with suppress(AdminError):  # it may just be starting again
            self._access_log.tend()
        self._clients.refresh()

    def _end_processes(self) -> None:
        """Lets requests in progress end; then ends Envoy, then the servers."""
        end_s = time.monotonic() + max(self._spec.grace_s - _ENDING_S, _ENDING_S)
        with suppress(AdminError):
            self._admin.drain()
            while time.monotonic() < end_s and self._num_active():
                time.sleep(_POLL_S)
        self._envoy.stop(end_s)
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.stop(end_s)

    def _num_active(self) -> int:
        stats = self._admin.stats(r"^http\.(grpc|rest)\.downstream_rq_active$")
        return sum(map(int, stats.values()))
