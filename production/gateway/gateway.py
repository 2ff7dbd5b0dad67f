"""A running gateway: two servers of one model, and Envoy in front of them."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from common.errors import InputError, StepFailedError
from common.output_folder import OutputFolder
from common.processes import free_ports, is_port_taken, last_words
from pipeline.gateway_options import GatewayOptions
from production.gateway.admin import AdminError, EnvoyAdmin
from production.gateway.envoy_files import (
    ADMIN_SOCKET,
    BOOTSTRAP,
    Ports,
    ServerAddress,
    envoy_program,
    write_files,
    write_routes,
)
from production.gateway.pins import PinnedServer, PinState, read_versions
from production.gateway.plan import (
    Arm,
    AwaitArm,
    Operation,
    PinArm,
    Plan,
    Position,
    SetRoutes,
    make_plan,
    pin_of,
)
from production.gateway.processes import Command, Supervised, end_leftovers
from production.gateway.traffic import Pin, Traffic

_PROJECT = Path(__file__).resolve().parents[2]
_POLL_S = 0.02
# A server that loads is asked often, one that serves now and then.
_ASK_LOADING_S, _ASK_SERVING_S = 0.05, 1.0
_LOAD_TIMEOUT_S = 600.0
_ACKNOWLEDGE_TIMEOUT_S = 10.0
_ACKNOWLEDGE_POLL_S = 0.005
_ENVOY_START_TIMEOUT_S = 30.0
# A server that ends so often while it is waited for will not serve.
_MAX_ENDS = 2
# Of the grace, for the end of the processes after the last request.
_ENDING_S = 1.0
_LOOPBACK = "127.0.0.1"


class GatewayError(StepFailedError):
    """The gateway cannot do what it should; what it does is unchanged. The message says why."""


@dataclass(frozen=True, kw_only=True)
class GatewaySpec:
    """What a gateway is made from.

    Attributes:
        model: Name of the served model.
        folder: The output folder.
        options: The gateway's options.
        key_header: Request header with the sticky key.
        server_flags: Flags for both servers, such as `--enable_batching`.
        recording: Options of the recording, as in `--collect_config`; None records nothing.
        grace_s: Seconds that requests in progress get when the gateway ends.
    """

    model: str
    folder: OutputFolder
    options: GatewayOptions = field(default_factory=GatewayOptions)
    key_header: str = "x-faultline-key"
    server_flags: Sequence[str] = ()
    recording: Mapping[str, Any] | None = field(default_factory=dict)
    grace_s: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Member:
    """One process of the gateway.

    Attributes:
        name: `stable`, `candidate` or `envoy`.
        pid: Its process id; None while it does not run.
        is_serving: Whether it does its work: a server serves the version that it is pinned to.
        num_starts: How often it was started.
        error: Why a server does not serve its version; empty if it does, or is about to.
    """

    name: str
    pid: int | None
    is_serving: bool
    num_starts: int
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Members:
    """The processes of the gateway.

    Attributes:
        stable: Server of the stable arm.
        candidate: Server of the candidate arm.
        envoy: The proxy.
    """

    stable: Member
    candidate: Member
    envoy: Member


class Gateway:
    """Runs the processes of a gateway while its context is open.

    One thread starts all processes, starts those again that end, and ends them: the kernel ends a
    child with the thread that started it, so that none outlives a supervisor that is killed.

    Attributes:
        ports: Where the gateway and its servers listen.
    """

    def __init__(self, spec: GatewaySpec, traffic: Traffic) -> None:
        """Starts nothing yet.

        Args:
            spec: What it is made from.
            traffic: The traffic to start with.
        """
        self._spec = spec
        self._path = spec.folder.gateway(spec.model)
        self._lock = FileLock(self._path / "lock")
        self._admin = EnvoyAdmin(self._path / ADMIN_SOCKET)
        self._servers = {
            arm: PinnedServer(arm, spec.model, spec.folder, self._path / f"{arm}.config")
            for arm in Arm
        }
        self._processes = {
            arm.value: Supervised(arm, self._path, self._server_command(arm)) for arm in Arm
        }
        self._processes["envoy"] = Supervised("envoy", self._path, self._envoy_command)
        self._ask_at_s = dict.fromkeys(Arm, 0.0)
        self._position = Position.at(traffic)
        self._background: list[Operation] = []
        self._applying = threading.Lock()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._supervise, name="gateway", daemon=True)
        self.ports = Ports(
            grpc=spec.options.grpc_port,
            rest=spec.options.rest_port,
            stable=ServerAddress(grpc=0, rest=0),
            candidate=ServerAddress(grpc=0, rest=0),
        )

    def __enter__(self) -> "Gateway":
        """Starts the processes, and waits until requests are answered.

        Raises:
            InputError: Another gateway of this model runs, a version or a file of the options does
                not exist, a port is taken, or Envoy is not installed.
            GatewayError: The stable version does not load, or Envoy does not start.
        """
        self._path.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"A gateway of `{self._spec.model}` already runs on {self._spec.folder.root}. "
                "Stop it first, or serve another folder with --output."
            ) from None
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    @property
    def traffic(self) -> Traffic | None:
        """The traffic whose routes are in force; None if Envoy did not acknowledge them."""
        return self._position.routes

    def apply(self, traffic: Traffic) -> None:
        """Changes the traffic, without a failed request.

        Returns once requests are answered as asked: Envoy has acknowledged the routes, and each
        server that gets requests serves its version. Other shares take one rename. After a rollout
        the candidate's server loads the stable version in the background.

        Raises:
            InputError: A version does not exist.
            GatewayError: A version does not load, or Envoy does not take the routes. Requests are
                answered as before, and the next call goes on from there.
        """
        with self._applying:
            with self._changed:
                self._background.clear()
                for arm in Arm:
                    self._check_exists(pin_of(traffic, arm))
                plan = self._plan(traffic)
            for operation in plan.operations:
                self._do(operation)
            with self._changed:
                self._background.extend(plan.background)

    def check(self) -> Members:
        """Returns which processes run and serve; those that ended are started again by themselves.

        Raises:
            GatewayError: The supervision itself failed.
        """
        self._check_supervised()
        stable, candidate = (self._member(arm) for arm in Arm)
        process = self._processes["envoy"]
        envoy = Member(
            name="envoy",
            pid=process.pid,
            is_serving=process.pid is not None and self._admin.is_live(),
            num_starts=process.num_starts,
        )
        return Members(stable=stable, candidate=candidate, envoy=envoy)

    def _member(self, arm: Arm) -> Member:
        server, process = self._servers[arm], self._processes[arm]
        return Member(
            name=arm,
            pid=process.pid,
            is_serving=process.pid is not None and server.state is PinState.SERVING,
            num_starts=process.num_starts,
            error=server.error,
        )

    def _plan(self, traffic: Traffic) -> Plan:
        try:
            return make_plan(self._position, traffic)
        except ValueError as error:
            raise InputError(str(error)) from error

    def _check_exists(self, pin: Pin) -> None:
        path = self._spec.folder.serving(pin.base) / str(pin.version)
        if not path.is_dir():
            # A server unloads everything if it is pinned to a version that does not exist.
            raise InputError(f"{pin.base}/{pin.version} cannot be served: there is no {path}.")

    def _start(self) -> None:
        envoy_program()
        traffic = self._position.routes
        assert traffic is not None  # noqa: S101 - set by __init__
        for arm in Arm:
            self._check_exists(pin_of(traffic, arm))
        end_leftovers(self._path, grace_s=self._spec.grace_s)
        self._choose_ports()
        for arm, server in self._servers.items():
            server.config_file.unlink(missing_ok=True)
            server.pin(pin_of(traffic, arm))
        self._write_recording()
        self._write_envoy_files(traffic)
        self._thread.start()
        self._await_arm(Arm.STABLE, "The stable version does not load")
        # Without a candidate that loads, its keys are answered by the stable version.
        with suppress(GatewayError):
            self._await_arm(Arm.CANDIDATE, "The candidate does not load")
        self._await_envoy()

    def _choose_ports(self) -> None:
        options = self._spec.options
        wanted = {"gRPC": options.grpc_port, "REST": options.rest_port}
        taken = [
            f"{port} ({wire})"
            for wire, port in wanted.items()
            if port and is_port_taken(options.host, port)
        ]
        if taken:
            raise InputError(
                f"Already in use on {options.host}: port {' and port '.join(taken)}. Stop the "
                "program that listens there, or set `gateway.grpc_port` and `gateway.rest_port`."
            )
        ports = free_ports(6)
        self.ports = Ports(
            grpc=options.grpc_port or ports[0],
            rest=options.rest_port or ports[1],
            stable=ServerAddress(grpc=ports[2], rest=ports[3]),
            candidate=ServerAddress(grpc=ports[4], rest=ports[5]),
        )

    def _write_recording(self) -> None:
        if self._spec.recording is not None:
            text = json.dumps(dict(self._spec.recording), indent=1)
            (self._path / "recording.json").write_text(text + "\n", encoding="utf-8")

    def _write_envoy_files(self, traffic: Traffic) -> None:
        spec = self._spec
        write_files(self._path, spec.options, traffic, self.ports, key_header=spec.key_header)

    def _address(self, arm: Arm) -> ServerAddress:
        return self.ports.stable if arm is Arm.STABLE else self.ports.candidate

    def _server_command(self, arm: Arm) -> Callable[[], Command]:
        def command() -> Command:
            if self._processes[arm].num_starts:
                self._move_if_taken(arm)
            address = self._address(arm)
            flags = [
                "--max_num_load_retries=0",
                *self._spec.server_flags,
                f"--host={_LOOPBACK}",
                f"--port={address.grpc}",
                f"--rest_api_port={address.rest}",
                f"--model_config_file={self._servers[arm].config_file}",
                "--model_config_file_poll_wait_seconds=1",
                "--allow_version_labels_for_unavailable_models",
                "--enable_grpc_healthcheck_service",
                f"--grace={self._spec.grace_s}",
            ]
            if self._spec.recording is not None:
                flags += [
                    f"--collect_dir={self._spec.folder.collected('x').parent}",
                    f"--collect_arm={arm}",
                    f"--collect_config={self._path / 'recording.json'}",
                ]
            # The flags may name files relative to the working directory.
            paths = [str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
            return Command(
                arguments=[sys.executable, "-P", "-m", "serving.server", *flags],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )

        return command

    def _move_if_taken(self, arm: Arm) -> None:
        """Gives a server other ports if another program took its own while it was down."""
        address = self._address(arm)
        if not any(is_port_taken(_LOOPBACK, port) for port in (address.grpc, address.rest)):
            return
        grpc, rest = free_ports(2)
        address = ServerAddress(grpc=grpc, rest=rest)
        if arm is Arm.STABLE:
            self.ports = replace(self.ports, stable=address)
        else:
            self.ports = replace(self.ports, candidate=address)
        if self._position.routes is not None:
            self._write_envoy_files(self._position.routes)

    def _envoy_command(self) -> Command:
        self._admin.path.unlink(missing_ok=True)
        # Without hot restart, Envoy needs no shared memory of its own; it ends with our thread.
        arguments = [envoy_program(), "-c", BOOTSTRAP, "--disable-hot-restart", "-l", "warning"]
        return Command(arguments=arguments, cwd=self._path)

    def _supervise(self) -> None:
        try:
            while not self._stopping.is_set():
                with self._changed:
                    for process in self._processes.values():
                        process.step()
                for arm in Arm:
                    self._ask(arm)
                with self._changed:
                    self._step_background()
                    self._changed.notify_all()
                self._stopping.wait(_POLL_S)
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            self._failure = error
        finally:
            self._end_processes()

    def _ask(self, arm: Arm) -> None:
        """Asks a server for its versions, if it is time."""
        server, now_s = self._servers[arm], time.monotonic()
        if now_s < self._ask_at_s[arm]:
            return
        versions = None
        if self._processes[arm].pid is not None:
            versions = read_versions(self._address(arm).rest, self._spec.model)
        with self._changed:
            server.observe(versions)
        is_serving = server.state is PinState.SERVING
        self._ask_at_s[arm] = time.monotonic() + (_ASK_SERVING_S if is_serving else _ASK_LOADING_S)

    def _step_background(self) -> None:
        while self._background:
            operation = self._background[0]
            if isinstance(operation, AwaitArm):
                state = self._servers[operation.arm].state
                if state is PinState.FAILED:
                    self._background.clear()
                if state is not PinState.SERVING:
                    return
                self._position = self._position.after(operation)
            elif isinstance(operation, PinArm):
                self._pin(operation)
            else:
                # The arms get the same requests as before: nobody needs the acknowledgement.
                self._write_routes(operation.traffic)
                self._position = self._position.after(operation)
            self._background.pop(0)

    def _do(self, operation: Operation) -> None:
        match operation:
            case PinArm():
                with self._changed:
                    self._pin(operation)
            case AwaitArm(arm=arm):
                pin = self._position.pins[arm]
                self._await_arm(arm, f"{pin.base}/{pin.version} does not load")
            case SetRoutes(traffic=traffic):
                with self._changed:
                    self._position = replace(self._position, routes=None)
                    version = self._write_routes(traffic)
                self._await_routes(version)
                with self._changed:
                    self._position = self._position.after(operation)

    def _pin(self, operation: PinArm) -> None:
        self._servers[operation.arm].pin(operation.pin)
        self._ask_at_s[operation.arm] = 0.0
        self._position = self._position.after(operation)

    def _write_routes(self, traffic: Traffic) -> str:
        spec = self._spec
        return write_routes(self._path, spec.options, traffic, key_header=spec.key_header)

    def _await_arm(self, arm: Arm, problem: str) -> None:
        server, process = self._servers[arm], self._processes[arm]
        num_starts = max(process.num_starts, 1)
        end_s = time.monotonic() + _LOAD_TIMEOUT_S
        while server.state is not PinState.SERVING:
            self._check_supervised()
            if server.state is PinState.FAILED:
                raise GatewayError(f"{problem}: {server.error}\nLog of the server: {process.log}")
            if process.num_starts - num_starts >= _MAX_ENDS:
                words = last_words(process.log)
                raise GatewayError(f"{problem}. The last lines of {process.log}:\n{words}")
            if time.monotonic() > end_s:
                raise GatewayError(
                    f"{problem} within {_LOAD_TIMEOUT_S:.0f} s. Log of the server: {process.log}"
                )
            with self._changed:
                self._changed.wait(_POLL_S)
        with self._changed:
            self._position = self._position.after(AwaitArm(arm=arm))

    def _await_routes(self, version: str) -> None:
        end_s = time.monotonic() + _ACKNOWLEDGE_TIMEOUT_S
        while time.monotonic() < end_s:
            self._check_supervised()
            with suppress(AdminError):  # Envoy may just be starting again
                stats = self._admin.stats(r"^http\.\w+\.rds\.routes\.version_text$")
                if set(stats.values()) == {version}:
                    return
            time.sleep(_ACKNOWLEDGE_POLL_S)
        raise GatewayError(
            f"Envoy did not take its new routes within {_ACKNOWLEDGE_TIMEOUT_S:.0f} s. The last "
            f"lines of its log:\n{last_words(self._processes['envoy'].log)}"
        )

    def _await_envoy(self) -> None:
        end_s = time.monotonic() + _ENVOY_START_TIMEOUT_S
        while not self._is_envoy_ready():
            self._check_supervised()
            if time.monotonic() > end_s or self._processes["envoy"].num_starts > _MAX_ENDS:
                words = last_words(self._processes["envoy"].log)
                raise GatewayError(f"Envoy does not start. The last lines of its log:\n{words}")
            time.sleep(_POLL_S)

    def _is_envoy_ready(self) -> bool:
        try:
            # A listener that cannot open its port is only a rejected update.
            if not (self._admin.is_live() and self._admin.listening() >= {"grpc", "rest"}):
                return False
            healthy = self._admin.healthy()
        except AdminError:
            return False
        needed = [arm for arm in Arm if self._servers[arm].state is PinState.SERVING]
        return all(
            healthy.get(f"{arm}_{wire}", False) for arm in needed for wire in ("grpc", "rest")
        )

    def _check_supervised(self) -> None:
        if self._failure is not None:
            raise GatewayError(
                f"The gateway's processes are no longer watched: {self._failure}"
            ) from self._failure

    def _stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._lock.release()

    def _end_processes(self) -> None:
        """Lets requests in progress end; then ends Envoy, then the servers."""
        end_s = time.monotonic() + max(self._spec.grace_s - _ENDING_S, _ENDING_S)
        with suppress(AdminError):
            self._admin.drain()
            while time.monotonic() < end_s and self._num_active():
                time.sleep(_POLL_S)
        self._processes["envoy"].stop(end_s)
        servers = [self._processes[arm] for arm in Arm]
        for server in servers:
            server.terminate()
        for server in servers:
            server.stop(end_s)

    def _num_active(self) -> int:
        stats = self._admin.stats(r"^http\.(grpc|rest)\.downstream_rq_active$")
        return sum(map(int, stats.values()))
