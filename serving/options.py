"""The command line: TensorFlow Serving's own flags, read into one frozen value."""

from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

from absl import flags

from serving.errors import invalid_argument

_USAGE = """\
Serves SavedModels over gRPC and REST as TensorFlow Serving does, with its flags and files.

One model; every numbered folder in its base path is a version:
  python -m serving.server --model_name=signals --model_base_path=/models/signals \\
      --rest_api_port=8501
Several models, version policies and labels:
  python -m serving.server --model_config_file=/config/models.config --rest_api_port=8501
Then:
  curl http://127.0.0.1:8501/v1/models/signals

Flags are written --name=value; those that are true or false also --name and --noname.
"""

_NOT_HERE = {
    "per_process_gpu_memory_fraction": "models run on the CPU",
    "platform_config_file": "every model is a SavedModel",
    "ssl_config_file": "put a proxy that speaks TLS in front",
    "use_tflite_model": "every model is a SavedModel",
}


class FlagError(Exception):
    """The command line is wrong; the text says where, and what would be right."""


class HelpAskedFor(Exception):  # noqa: N818 - no error: it carries what to print
    """The command line asks for help."""


def _flag(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What the server is started with.

    Attributes are named as the flags are; the help of each flag, which `--help` prints, stands
    beside it with unit and range.
    """

    host: str = _flag("127.0.0.1", "Address that gRPC and REST listen on; 0.0.0.0 is everywhere.")
    port: int = _flag(8500, "Port of gRPC; 0 takes a free one, named in the start-up line.")
    rest_api_port: int = _flag(0, "Port of REST; 0 is no REST, -1 takes a free one.")
    grpc_socket_path: str = _flag("", "UNIX socket on which gRPC listens as well.")
    grpc_channel_arguments: str = _flag("", "gRPC's channel arguments: key=value,key=value.")
    rest_api_timeout_in_ms: int = _flag(30_000, "A REST call that takes longer is given up.")
    rest_api_enable_cors_support: bool = _flag(default=False, text="Send CORS headers over REST.")
    model_name: str = _flag("default", "Name of the one model; unused with --model_config_file.")
    model_base_path: str = _flag("", "Its folder of versions, an absolute path.")
    model_config_file: str = _flag("", "Text-format ModelServerConfig: what is served.")
    model_config_file_poll_wait_seconds: int = _flag(
        0, "Seconds between two readings of that file; 0 reads it once."
    )
    file_system_poll_wait_seconds: float = _flag(
        1.0, "Seconds between two looks for new versions; 0 looks once."
    )
    max_num_load_retries: int = _flag(5, "How often a version that failed to load is tried again.")
    load_retry_interval_micros: int = _flag(60_000_000, "Microseconds before each such try.")
    allow_version_labels_for_unavailable_models: bool = _flag(
        default=False, text="A new version label may name a version that is not loaded yet."
    )
    enable_batching: bool = _flag(default=False, text="Concurrent requests share runs.")
    batching_parameters_file: str = _flag("", "Text-format BatchingParameters.")
    monitoring_config_file: str = _flag("", "Text-format MonitoringConfig: Prometheus metrics.")
    enable_model_warmup: bool = _flag(
        default=True, text="Replay the requests in a model's assets.extra before it serves."
    )
    num_request_iterations_for_warmup: int = _flag(1, "How often each of them is replayed.")
    enable_grpc_healthcheck_service: bool = _flag(default=False, text="Offer grpc.health.v1.")
    saved_model_tags: str = _flag("serve", "Tags of the graph to load, separated by commas.")
    flush_filesystem_caches: bool = _flag(
        default=True, text="Accepted and without effect: the file systems here cache nothing."
    )
    tensorflow_session_parallelism: int = _flag(
        0, "Sets both of the following where they are 0; 0 is automatic."
    )
    tensorflow_intra_op_parallelism: int = _flag(0, "Threads of one operation; 0 is automatic.")
    tensorflow_inter_op_parallelism: int = _flag(
        0, "Operations of one request at a time; 0 is automatic: the request's own thread runs all."
    )

    def __post_init__(self) -> None:
        _check_range("port", self.port, 0, 65_535)
        _check_range("rest_api_port", self.rest_api_port, -1, 65_535)
        if self.rest_api_port > 0 and self.rest_api_port == self.port:
            raise FlagError(
                f"--rest_api_port and --port are both {self.port}; gRPC and REST need one each"
            )
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
        """Channel arguments of gRPC; values that read as integers are integers."""
        found: list[tuple[str, int | str]] = []
        for each in filter(None, self.grpc_channel_arguments.split(",")):
            key, equals, value = each.partition("=")
            if not key or not equals:
                raise FlagError(f"--grpc_channel_arguments: {each!r} is not of the form key=value")
            found.append((key, int(value) if value.lstrip("-").isdecimal() else value))
        return found

    @property
    def session_threads(self) -> tuple[int, int]:
        """Threads within an operation, and operations at a time; 0 is automatic.

        Raises:
            ServingError: All three flags of parallelism are set.
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
    """Returns what the command line says.

    Args:
        arguments: Without the program's name.

    Raises:
        FlagError: An unknown flag (with the closest known one), or a value of the wrong type or
            out of its range.
        HelpAskedFor: `--help` is among them.
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
        raise HelpAskedFor(_help())
    if rest:
        raise FlagError(f"unknown argument: {rest[0]}")
    return ServerOptions(**{each.name: defined[each.name].value for each in fields(ServerOptions)})


def _check_range(name: str, value: float, low: int, high: int) -> None:
    if not low <= value <= high:
        raise FlagError(f"--{name} must be between {low} and {high}, got {value}")


def _define_flags() -> flags.FlagValues:
    """Returns the flags of this server alone, without absl's program-wide ones."""
    defined = flags.FlagValues()
    for each in fields(ServerOptions):
        _define_flag(each, defined)
    flags.DEFINE_bool("help", default=False, help="Print this.", flag_values=defined)
    return defined


def _define_flag(each: Field[Any], defined: flags.FlagValues) -> None:
    define = {
        bool: flags.DEFINE_bool,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
    }[type(each.default)]
    define(each.name, default=each.default, help=each.metadata["help"], flag_values=defined)


def _help() -> str:
    lines = [_USAGE]
    for each in fields(ServerOptions):
        default = str(each.default).lower() if isinstance(each.default, bool) else each.default
        lines.append(f"  --{each.name}={default}\n      {each.metadata['help']}")
    return "\n".join(lines) + "\n"
