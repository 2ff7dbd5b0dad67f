"""The embedded model server: `python -m serving.server --help`, or a context manager.

```python
with ModelServer(ServerOptions(model_base_path="/models/signals", port=0)) as server:
    channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
```
"""

import contextlib
import gc
import importlib.util
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import TYPE_CHECKING, NoReturn

import grpc

from common.errors import InputError
from common.logs import LogFormat, hold_logs, log_requests, set_up_logs
from serving.errors import ServingError, invalid_argument
from serving.flags import FlagError
from serving.options import HelpRequested, ServerOptions, parse_options

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    from serving.health import Health
    from serving.lifecycle.signed_models import SignedModels
    from serving.lifecycle.version_manager import VersionManager
    from serving.metrics import Metrics
    from serving.recording.recorder import Recorder
    from serving.rest.server import RestServer
    from serving.runtime.admission import Admission
    from serving.runtime.loading import SessionOptions
    from serving.runtime.tflite import TfliteOptions

# `start` imports TensorFlow, which takes seconds, so that a wrong flag is reported at once.

logger = logging.getLogger(__name__)

_MAX_MESSAGE_BYTES = 2**31 - 1
# The time to unload the models, at the end of the grace at the latest, and to end the gRPC server.
_UNLOADING_S = 1.0
_LAST_ANSWERS_S = 0.2
EXIT_FAILURE = 255
_SWITCH_INTERVAL_S = 0.001
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# A request creates hundreds of objects and no cycles; with Python's default thresholds, each
# request would trigger a collection.
_GC_THRESHOLDS = (20_000, 10, 10)


class ModelServer:
    """A server for gRPC and REST; runs from `start` to `stop`, or inside `with`.

    Attributes:
        grpc_port: Port of gRPC; 0 before the server listens.
        rest_port: Port of REST; 0 without REST.
        is_idle: Whether all requests and loads had ended at the end of the last `stop`.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.grpc_port = 0
        self.rest_port = 0
        self.is_idle = True
        self._options = options
        self._stopped = threading.Event()
        self._config_poller: threading.Thread | None = None
        self._manager: VersionManager | None = None
        self._rest: RestServer | None = None
        self._grpc: grpc.Server | None = None
        self._admission: Admission | None = None
        self._health: Health | None = None
        self._recorder: Recorder | None = None

    def __enter__(self) -> "ModelServer":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Loads the models and then opens the ports.

        Raises:
            ServingError: A file or flag is wrong, a model did not load, or a port is in use.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> bool:
        """Refuses new requests, lets those in progress end, and unloads the models.

        It takes `grace` seconds at most.

        Returns:
            Whether all requests and loads ended. The threads of those that did not keep the
            interpreter from exiting: only `os._exit` ends the process.
        """
        end_s = time.monotonic() + self._options.grace
        self._stopped.set()
        if self._health is not None:
            self._health.drain()
        if self._admission is not None:
            self._admission.close()
        if self._rest is not None:
            self._rest.close_door()
        unloading_at_s = end_s - min(_UNLOADING_S, self._options.grace / 4)
        is_idle = self._finish_requests(unloading_at_s)
        if self._recorder is not None:
            is_idle &= self._recorder.stop(_left(unloading_at_s))
        if self._manager is not None:
            is_idle &= self._manager.stop(_left(end_s), unloading_s=_UNLOADING_S)
        if self._config_poller is not None:
            self._config_poller.join(_left(end_s))
        self._health = self._admission = self._rest = self._grpc = None
        self._recorder = self._manager = None
        self.is_idle = is_idle
        return is_idle

    def _finish_requests(self, end_s: float) -> bool:
        # The gRPC server still answers meanwhile: health with NOT_SERVING, and refusals.
        is_idle = self._admission is None or self._admission.wait_until_idle(_left(end_s))
        if self._options.single_port:  # the REST server passes on the last answers of gRPC
            self._stop_grpc(end_s)
        if self._rest is not None:
            is_idle &= self._rest.stop(_left(end_s))
        self._stop_grpc(end_s)
        return is_idle

    def _stop_grpc(self, end_s: float) -> None:
        if self._grpc is not None:
            self._grpc.stop(min(_LAST_ANSWERS_S, _left(end_s))).wait(_LAST_ANSWERS_S)
            self._grpc = None

    def _start(self) -> None:
        from serving.credentials import read_credentials
        from serving.lifecycle.model_config import read_metrics_path
        from serving.metrics import Metrics

        if self._options.log_requests:
            log_requests()
        config = _read_config(self._options)
        credentials = read_credentials(self._options.ssl_config_file)
        metrics = Metrics()
        manager = _make_manager(self._options, metrics)
        metrics_path = read_metrics_path(self._options.monitoring_config_file)
        self._manager = manager
        self._recorder = _start_recorder(self._options, manager, metrics)
        metrics.report_readiness(manager.readiness)
        manager.reload(config)
        self._poll_config(manager)
        self._start_grpc(manager, metrics, credentials)
        self._start_rest(manager, metrics, metrics_path)
        logger.info(
            "Running gRPC ModelServer at %s:%d, %s",
            self._options.grpc_host,
            self.grpc_port,
            f"exporting HTTP/REST API at http://{self._options.host}:{self.rest_port}"
            if self.rest_port
            else "no REST",
        )

    def _start_grpc(
        self,
        manager: "VersionManager",
        metrics: "Metrics",
        credentials: grpc.ServerCredentials | None,
    ) -> None:
        from serving.grpc_services import add_services, num_threads
        from serving.health import Health, add_health
        from serving.runtime.arrival.grpc_threads import RequestThreads, fits_grpc

        if not fits_grpc():
            logger.warning(
                "gRPC %s is unknown: clients that send no request hold threads", grpc.__version__
            )
        options = self._options
        health = Health()
        server = grpc.server(
            RequestThreads(num_threads(options), thread_name_prefix="grpc"),
            options=[
                *options.grpc_arguments,  # of two values of an argument, gRPC takes the first
                ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),  # a port already in use is an error
                ("grpc.per_message_decompression", 0),  # see `serving.runtime.arrival.unpacking`
            ],
        )
        admission = add_services(
            server,
            options,
            servables=manager,
            manager=manager,
            metrics=metrics,
            recorder=self._recorder,
        )
        if options.enable_grpc_healthcheck_service:
            add_health(server, health)
        try:
            self.grpc_port = _add_port(server, f"{options.grpc_host}:{options.port}", credentials)
            if options.grpc_socket_path:
                _add_port(server, f"unix:{options.grpc_socket_path}", credentials)
        except RuntimeError as error:
            raise invalid_argument(f"Failed to BuildAndStart gRPC server: {error}") from error
        server.start()
        self._grpc, self._admission, self._health = server, admission, health

    def _start_rest(
        self, manager: "VersionManager", metrics: "Metrics", metrics_path: str | None
    ) -> None:
        options = self._options
        if not options.rest_api_port:
            return
        from serving.rest.options import RestOptions
        from serving.rest.server import RestServer

        rest = RestServer(
            manager,
            manager,
            metrics,
            RestOptions(
                host=options.host,
                port=max(options.rest_api_port, 0),
                timeout_ms=max(options.rest_api_timeout_in_ms, 0),
                enable_cors=options.rest_api_enable_cors_support,
                metrics_path=metrics_path,
                is_ready=lambda: manager.is_ready() and not self._stopped.is_set(),
                serves=manager.serves,
                shares_runs=options.enable_batching
                and not options.enable_per_model_batching_parameters,
                is_lenient=options.rest_lenient,
                grpc_port=self.grpc_port if options.single_port else None,
            ),
            self._recorder,
        )
        self._rest = rest
        try:
            self.rest_port = rest.start()
        except OSError as error:
            raise invalid_argument(
                f"Failed to start HTTP Server at {options.host}:{options.rest_api_port}: {error}"
            ) from error

    def _poll_config(self, manager: "VersionManager") -> None:
        if not (
            self._options.model_config_file
            and self._options.model_config_file_poll_wait_seconds > 0
        ):
            return
        self._config_poller = threading.Thread(
            target=self._poll_config_forever, args=(manager,), name="config", daemon=True
        )
        self._config_poller.start()

    def _poll_config_forever(self, manager: "VersionManager") -> None:
        wait_s = self._options.model_config_file_poll_wait_seconds
        while not self._stopped.wait(wait_s):
            try:
                manager.reload(_read_config(self._options))
            except ServingError as error:
                if not self._stopped.is_set():
                    logger.error("The config file was not applied: %s", error.message)
            except Exception:
                logger.exception("The config file was not applied")


def main(arguments: list[str] | None = None) -> int:
    """Runs the server until a signal stops it; returns the exit code."""
    hold_logs()
    try:
        options = parse_options(sys.argv[1:] if arguments is None else arguments)
    except HelpRequested as request:
        sys.stdout.write(str(request))
        return 0
    except FlagError as error:
        sys.stderr.write(f"{error}\nSee --help.\n")
        return EXIT_FAILURE
    set_up_logs(LogFormat(options.log_format))
    os.environ.setdefault(
        "TF_CPP_MIN_LOG_LEVEL", "1"
    )  # no start-up messages of TensorFlow's libraries
    stop = Stop()
    try:
        server = ModelServer(options)
        with stopped_by_signals(stop, options.grace), server:
            settle_process()
            stop.wait()
    except KeyboardInterrupt:
        logger.info("Stopped")
        if not server.is_idle:
            os._exit(stop.exit_code)  # Python would wait for the threads of runs that do not end
        return stop.exit_code
    except ServingError as error:
        text = f"Failed to start server. Error: {error.code.name}: {error.message}\n"
        sys.stderr.write(text)
        return EXIT_FAILURE
    return 0


def _left(end_s: float) -> float:
    return max(0.0, end_s - time.monotonic())


def _add_port(server: grpc.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    if credentials is None:
        return int(server.add_insecure_port(address))
    return int(server.add_secure_port(address, credentials))


def _read_config(options: ServerOptions) -> "ModelServerConfig":
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    from serving.lifecycle.model_config import single_model_config
    from serving.protos.text_files import read_text_proto

    if options.model_config_file:
        return read_text_proto(options.model_config_file, ModelServerConfig)
    if not options.model_base_path:
        raise invalid_argument(
            "Both server_options.model_base_path and server_options.model_config_file are empty!"
        )
    return single_model_config(options.model_name, options.model_base_path)


def _read_session_config(file: str) -> bytes:
    from tensorflow.core.protobuf.config_pb2 import ConfigProto

    from serving.protos.text_files import read_text_proto

    return read_text_proto(file, ConfigProto).SerializeToString() if file else b""


def _session_options(options: ServerOptions) -> "SessionOptions":
    from serving.runtime.loading import SessionOptions

    within, between = options.session_threads
    return SessionOptions(
        tags=tuple(options.saved_model_tags.split(",")),
        threads_within=within,
        threads_between=between,
        config=_read_session_config(options.tensorflow_session_config_file),
    )


def _tflite_options(options: ServerOptions) -> "TfliteOptions | None":
    from serving.runtime.tflite import TfliteOptions

    if not options.prefer_tflite_model:
        return None
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise invalid_argument(
            "--prefer_tflite_model needs LiteRT: pip install 'ai-edge-litert>=2.3'"
        )
    return TfliteOptions(
        num_pools=options.num_tflite_pools,
        num_interpreters_per_pool=options.num_tflite_interpreters_per_pool,
        num_threads=options.session_threads[0],
    )


def _make_manager(options: ServerOptions, metrics: "Metrics") -> "VersionManager":
    from serving.lifecycle.model_loader import LoaderOptions, ModelLoader
    from serving.lifecycle.version_manager import ManagerOptions, VersionManager
    from serving.lifecycle.version_poller import MODEL_FILES
    from serving.runtime.batching import read_batching_options
    from serving.runtime.tflite import FILE

    if options.batching_parameters_file and not options.enable_batching:
        raise invalid_argument(
            "server_options.batching_parameters_file is set without setting "
            "server_options.enable_batching to true."
        )
    loader = ModelLoader(
        LoaderOptions(
            session=_session_options(options),
            tflite=_tflite_options(options),
            batching=read_batching_options(options.batching_parameters_file)
            if options.enable_batching
            else None,
            num_warm_up_iterations=max(options.num_request_iterations_for_warmup, 1)
            if options.enable_model_warmup
            else 0,
            checks_method_names=options.enable_signature_method_name_check,
            batches_per_model=options.enable_per_model_batching_parameters,
            signed=_signed_models(options, metrics),
            on_warm_up=metrics.observe_warm_up,
            on_batch=metrics.observe_batch,
        )
    )
    return VersionManager(
        loader.load,
        ManagerOptions(
            poll_wait_s=options.file_system_poll_wait_seconds,
            max_num_retries=options.max_num_load_retries,
            retry_interval_s=max(options.load_retry_interval_micros, 0) / 1e6,
            allow_labels_for_unavailable=options.allow_version_labels_for_unavailable_models,
            model_files=(*MODEL_FILES, FILE) if options.prefer_tflite_model else MODEL_FILES,
        ),
    )


def load_models(options: ServerOptions, metrics: "Metrics") -> "VersionManager":
    """Returns the models that the options name, loaded, for a process that opens no port.

    Raises:
        ServingError: A file or flag is wrong, or a model did not load.
    """
    manager = _make_manager(options, metrics)
    try:
        manager.reload(_read_config(options))
    except BaseException:
        manager.stop()
        raise
    return manager


def _signed_models(options: ServerOptions, metrics: "Metrics") -> "SignedModels | None":
    if not options.require_signed_models:
        return None
    from common.signing.verification import Verifier
    from serving.lifecycle.signed_models import SignedModels

    try:
        verifier = Verifier([Path(path) for path in options.public_keys])
    except InputError as error:
        raise invalid_argument(f"--model_public_key: {error}") from error
    return SignedModels(verifier=verifier, on_check=metrics.observe_signature)


def _start_recorder(
    options: ServerOptions, manager: "VersionManager", metrics: "Metrics"
) -> "Recorder | None":
    if not options.collect_dir:
        return None
    if importlib.util.find_spec("pyarrow") is None:
        raise invalid_argument(
            "--collect_dir needs pyarrow, which is not installed: the serving image records nothing"
        )
    from serving.recording.options import read_options
    from serving.recording.recorder import Models, Recorder

    recorder = Recorder(
        Path(options.collect_dir).absolute(),
        read_options(options.collect_config),
        arm=options.collect_arm,
        models=Models(serves=manager.serves, folder=manager.folder),
        metrics=metrics,
    )
    recorder.start()
    return recorder


def import_lightly() -> None:
    """Cuts the start-up time of a process that only serves to a fifth, and its memory use.

    A server needs only TensorFlow's protos and its C library; `import tensorflow` would import all
    of its Python code. The garbage collector, which finds nothing to free in imported modules, is
    off until `settle_process`.
    """
    gc.disable()
    if "tensorflow" in sys.modules:
        return
    spec = importlib.util.find_spec("tensorflow")
    if spec is None:
        return  # the modules that need TensorFlow raise their own error
    package = ModuleType("tensorflow", "TensorFlow's protos; see `serving.server.import_lightly`.")
    package.__path__ = list(spec.submodule_search_locations or ())
    package.__spec__ = spec
    sys.modules["tensorflow"] = package


def settle_process() -> None:
    """Keeps the garbage collector and threads that load models from delaying requests."""
    gc.collect()
    gc.freeze()  # imported objects stay alive: collections need not scan them
    gc.set_threshold(*_GC_THRESHOLDS)
    gc.enable()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)


@dataclass
class Stop:
    """The signal that stops a server.

    Attributes:
        number: The first signal; 0 before it came.
    """

    number: int = 0

    @property
    def exit_code(self) -> int:
        """0 after SIGTERM, the usual end of a server; otherwise 128 and the signal."""
        return 0 if self.number in {0, signal.SIGTERM} else 128 + self.number

    def wait(self) -> None:
        """Waits for the signal, which raises KeyboardInterrupt in the main thread."""
        while not self.number:
            time.sleep(1)


@contextlib.contextmanager
def stopped_by_signals(stop: Stop, grace_s: float) -> Iterator[None]:
    """Turns the first SIGTERM, Ctrl-C or SIGHUP into KeyboardInterrupt, and notes it in `stop`.

    The process ends after the grace in any case, even if a thread never does. A second signal ends
    it at once. A shell starts background programs with Ctrl-C ignored, and `kill -INT` must stop
    them nevertheless; only SIGHUP stays ignored, as `nohup` demands.
    """
    reader, writer = os.pipe()

    def end_at_last() -> None:
        if os.read(reader, 1):
            time.sleep(grace_s)
            os._exit(stop.exit_code)

    # A signal may come while the main thread holds any lock, so its handler takes none.
    threading.Thread(target=end_at_last, name="end", daemon=True).start()
    is_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    heeded = [n for n in _STOP_SIGNALS if n != signal.SIGHUP or not is_ignored]

    def on_signal(number: int, _frame: FrameType | None) -> NoReturn:
        for other in heeded:
            signal.signal(other, signal.SIG_DFL)
        stop.number = number
        os.write(writer, b"x")
        raise KeyboardInterrupt

    for number in heeded:
        signal.signal(number, on_signal)
    yield


if __name__ == "__main__":
    import_lightly()
    sys.exit(main())
