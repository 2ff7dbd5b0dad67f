"""The command line: TensorFlow Serving's flags, parsed into one frozen value."""

from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

from absl import flags

from serving.errors import invalid_argument

_USAGE = """\
Serves SavedModels over gRPC and REST as TensorFlow Serving does, with its flags and files.

One model; each numbered folder in its base path is a version:
  python -m serving.server --model_name=signals --model_base_path=/models/signals \\
      --rest_api_port=8501
Several models, version policies and labels:
  python -m serving.server --model_config_file=/config/models.config --rest_api_port=8501
Then ask for the status of a model:
  curl http://127.0.0.1:8501/v1/models/signals

Write flags as --name=value; boolean flags also as --name and --noname.
"""

_NOT_HERE = {
    "per_process_gpu_memory_fraction": "models run on the CPU",
    "platform_config_file": "every model is a SavedModel",
    "ssl_config_file": "put a TLS proxy in front of the server",
    "use_tflite_model": "every model is a SavedModel",
}


class FlagError(Exception):
    """The command line is wrong; the message names the flag and the accepted values."""


class HelpRequested(Exception):  # noqa: N818 - not an error: it carries the help text
    """The command line asks for help; the message is the help text."""


def _flag(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """The flags of the server.

    Each attribute has the name of its flag. The help text beside it, which `--help` prints, gives
    unit and range.
    """

    host: str = _flag(
        "127.0.0.1", "Address that gRPC and REST listen on; 0.0.0.0 is all interfaces."
    )
    port: int = _flag(8500, "Port of gRPC; 0 picks a free one and logs it at start-up.")
    rest_api_port: int = _flag(0, "Port of REST; 0 disables REST, -1 picks a free one.")
    grpc_socket_path: str = _flag("", "UNIX socket that gRPC listens on as well.")
    grpc_channel_arguments: str = _flag("", "gRPC channel arguments: key=value,key=value.")
    rest_api_timeout_in_ms: int = _flag(
        30_000, "Timeout of a REST call in milliseconds, at least 1."
    )
    rest_api_enable_cors_support: bool = _flag(default=False, text="Send CORS headers over REST.")
    model_name: str = _flag("default", "Name of the model; unused with --model_config_file.")
    model_base_path: str = _flag("", "Absolute path of the folder with the model's versions.")
    model_config_file: str = _flag("", "Text-format ModelServerConfig that lists the models.")
    model_config_file_poll_wait_seconds: int = _flag(
        0, "Seconds between two reads of --model_config_file; 0 reads it once."
    )
    file_system_poll_wait_seconds: float = _flag(
        1.0, "Seconds between two polls for new versions; 0 polls once."
    )
    max_num_load_retries: int = _flag(5, "How often a failed load is retried.")
    load_retry_interval_micros: int = _flag(60_000_000, "Microseconds before each retry of a load.")
    allow_version_labels_for_unavailable_models: bool = _flag(
        default=False, text="Allow new version labels to name versions that are not loaded."
    )
    enable_batching: bool = _flag(default=False, text="Batch concurrent requests into shared runs.")
    batching_parameters_file: str = _flag(
        "", "Text-format BatchingParameters, for --enable_batching."
    )
    monitoring_config_file: str = _flag("", "Text-format MonitoringConfig, for Prometheus.")
    enable_model_warmup: bool = _flag(
        default=True, text="Replay the warm-up requests in a model's assets.extra before it serves."
    )
    num_request_iterations_for_warmup: int = _flag(1, "How often each warm-up request is replayed.")
    enable_grpc_healthcheck_service: bool = _flag(default=False, text="Offer grpc.health.v1.")
    saved_model_tags: str = _flag("serve", "Tags of the graph to load, separated by commas.")
    flush_filesystem_caches: bool = _flag(
        default=True, text="Accepted without effect: no file system cache is used."
    )
    tensorflow_session_parallelism: int = _flag(
        0, "Value of both following flags if they are 0; 0 is automatic."
    )
    tensorflow_intra_op_parallelism: int = _flag(0, "Threads within one operation; 0 is automatic.")
    tensorflow_inter_op_parallelism: int = _flag(
        0, "Operations of one request that run in parallel; 0 runs them in the request's thread."
    )

    def __post_init__(self) -> None:
        _check_range("port", self.port, 0, 65_535)
        _check_range("rest_api_port", self.rest_api_port, -1, 65_535)
        if self.rest_api_port > 0 and self.rest_api_port == self.port:
            raise FlagError(f"--rest_api_port and --port are both {self.port}; they must differ")
        _check_range("rest_api_timeout_in_ms", self.rest_api_timeout_in_ms, 1, 2**31 - 1)
        for name in ("model_config_file_poll_wait_seconds", "file_system_poll_wait_seconds"):
            _check_range(name, getattr(self, name), 0, 2**31 - 1)
        _check_range("max_num_load_retries", self.max_num_load_retries, 0, 2**31 - 1)
        _check_range(
            "num_request_iterations_for_warmup", self.num_request_iterations_for_warmup, 1, 1000
        )
        if "" in (self.host, self.saved_model_tags, self.model_name):
            raise FlagError("--host, --model_name and --saved_model_tags must not be empty")
        _ = self.grpc_arguments

    @property
    def grpc_arguments(self) -> list[tuple[str, int | str]]:
        """Channel arguments of gRPC; a value that is an integer is given as int."""
        arguments: list[tuple[str, int | str]] = []
        for text in filter(None, self.grpc_channel_arguments.split(",")):
            key, equals, value = text.partition("=")
            if not key or not equals:
                raise FlagError(f"--grpc_channel_arguments: {text!r} is not of the form key=value")
            arguments.append((key, int(value) if value.lstrip("-").isdecimal() else value))
        return arguments

    @property
    def session_threads(self) -> tuple[int, int]:
        """Threads within an operation, and parallel operations; 0 is automatic.

        Raises:
            ServingError: All three parallelism flags are set.
        """
        both = self.tensorflow_session_parallelism
        within, between = (
            self.tensorflow_intra_op_parallelism,
            self.tensorflow_inter_op_parallelism,
        )
        if min(both, within, between) > 0:
            raise invalid_argument(
                "Either configure server_options.tensorflow_session_parallelism or "
                "(server_options.tensorflow_intra_op_parallelism, "
                "server_options.tensorflow_inter_op_parallelism) separately. "
                "You cannot configure all."
            )
        return (within, between) if max(within, between) > 0 else (both, both)


def parse_options(arguments: Sequence[str]) -> ServerOptions:
    """Returns the options that a command line sets.

    Args:
        arguments: The command line without the program's name.

    Raises:
        FlagError: A flag is unknown (the message suggests the closest one), or a value has the
            wrong type or is out of range.
        HelpRequested: The arguments contain `--help`.
    """
    defined = _define_flags()
    try:
        rest = defined(["tensorflow_model_server", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        why = _NOT_HERE.get(error.flagname)
        text = f"--{error.flagname} is not supported: {why}." if why else str(error)
        raise FlagError(text) from error
    except flags.Error as error:
        raise FlagError(str(error)) from error
    if defined["help"].value:
        raise HelpRequested(_help())
    if rest:
        raise FlagError(f"unknown argument: {rest[0]}")
    return ServerOptions(**{flag.name: defined[flag.name].value for flag in fields(ServerOptions)})


def _check_range(name: str, value: float, low: int, high: int) -> None:
    if not low <= value <= high:
        raise FlagError(f"--{name} must be between {low} and {high}, got {value}")


def _define_flags() -> flags.FlagValues:
    """Returns the flags of this server, without absl's global ones."""
    defined = flags.FlagValues()
    for flag in fields(ServerOptions):
        _define_flag(flag, defined)
    flags.DEFINE_bool("help", default=False, help="Print this help.", flag_values=defined)
    return defined


def _define_flag(flag: Field[Any], defined: flags.FlagValues) -> None:
    define = {
        bool: flags.DEFINE_bool,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
    }[type(flag.default)]
    define(flag.name, default=flag.default, help=flag.metadata["help"], flag_values=defined)


def _help() -> str:
    lines = [_USAGE]
    for flag in fields(ServerOptions):
        default = str(flag.default).lower() if isinstance(flag.default, bool) else flag.default
        lines.append(f"  --{flag.name}={default}\n      {flag.metadata['help']}")
    return "\n".join(lines) + "\n"
