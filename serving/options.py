"""The command line: TensorFlow Serving's flags, parsed into one frozen value."""

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from absl import flags

from common.logs import LogFormat
from serving.errors import invalid_argument
from serving.flags import UNUSED_FLAGS, FlagError

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

_DEFINE: dict[type, Any] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


class HelpRequested(Exception):  # noqa: N818 - not an error: it carries the text to print
    """The command line asks for help or for the version; the message is the text to print."""


def _flag(default: Any, text: str, *, own: bool = False) -> Any:
    """Returns a field; `own` marks a flag that TensorFlow Serving does not have."""
    return field(default=default, metadata={"help": text, "own": own})


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """The flags of the server.

    Each attribute has the name of its flag. The help text beside it, which `--help` prints, gives
    unit and range.
    """

    host: str = _flag(
        "127.0.0.1", "Address that gRPC and REST listen on; 0.0.0.0 is all interfaces.", own=True
    )
    port: int = _flag(8500, "Port of gRPC; 0 picks a free one and logs it at start-up.")
    rest_api_port: int = _flag(0, "Port of REST; 0 disables REST, -1 picks a free one.")
    single_port: bool = _flag(
        default=False,
        text="Answer gRPC on the REST port too, by HTTP/2 without TLS (h2c); --port is then on "
        "loopback only.",
        own=True,
    )
    grpc_socket_path: str = _flag("", "UNIX socket that gRPC listens on as well.")
    grpc_channel_arguments: str = _flag("", "gRPC channel arguments: key=value,key=value.")
    grpc_max_threads: int = _flag(
        0, "gRPC calls of one model that run at a time, further calls wait; 0 is no limit."
    )
    ssl_config_file: str = _flag(
        "", "Text-format SSLConfig for TLS on the gRPC port; empty is plain text."
    )
    enable_serialization_as_tensor_content: bool = _flag(
        default=False, text="Send the outputs of Predict over gRPC as tensor_content."
    )
    rest_api_timeout_in_ms: int = _flag(
        30_000, "Timeout of a REST call in milliseconds; 0 or less is none."
    )
    rest_lenient: bool = _flag(
        default=False,
        text="Read null, or a key that a row lacks, as a missing value in REST requests.",
        own=True,
    )
    rest_api_enable_cors_support: bool = _flag(default=False, text="Send CORS headers over REST.")
    model_name: str = _flag("default", "Name of the model; unused with --model_config_file.")
    model_base_path: str = _flag("", "Absolute path of the folder with the model's versions.")
    model_config_file: str = _flag("", "Text-format ModelServerConfig that lists the models.")
    model_config_file_poll_wait_seconds: int = _flag(
        0, "Seconds between two reads of --model_config_file; 0 or less reads it once."
    )
    grace: float = _flag(
        20.0,
        "Seconds that the server takes at most to stop; requests in progress may end in them.",
        own=True,
    )
    allow_reload_from: str = _flag(
        "",
        "Folder that must hold the base paths of a HandleReloadConfigRequest; empty allows all.",
        own=True,
    )
    require_signed_models: bool = _flag(
        default=False,
        text="Load only versions with a valid signature of a key of --model_public_key.",
        own=True,
    )
    model_public_key: str = _flag(
        "",
        "PEM files of the trusted public keys, separated by commas; for --require_signed_models.",
        own=True,
    )
    collect_dir: str = _flag(
        "",
        "Folder in which requests and answers are recorded, a folder a model; empty records none.",
        own=True,
    )
    collect_arm: str = _flag(
        "stable",
        "Arm of a rollout that this server is: stable or candidate; for --collect_dir.",
        own=True,
    )
    collect_config: str = _flag(
        "", "JSON file with options of the recording; empty takes the defaults.", own=True
    )
    log_format: str = _flag(
        "text", "Format of the log: text, or json for a line of JSON for each event.", own=True
    )
    log_requests: bool = _flag(
        default=False,
        text="Log a line for each answered request: id, model, version, status, milliseconds.",
        own=True,
    )
    file_system_poll_wait_seconds: float = _flag(
        1.0, "Seconds between two polls for new versions; 0 polls once, less than 0 never."
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
    enable_per_model_batching_parameters: bool = _flag(
        default=False,
        text="Read a version's batching_params.pbtxt, and batch only versions that have one.",
    )
    monitoring_config_file: str = _flag("", "Text-format MonitoringConfig, for Prometheus.")
    enable_model_warmup: bool = _flag(
        default=True, text="Replay the warm-up requests in a model's assets.extra before it serves."
    )
    num_request_iterations_for_warmup: int = _flag(
        0, "How often each warm-up request is replayed; 0 or less is once."
    )
    enable_grpc_healthcheck_service: bool = _flag(default=False, text="Offer grpc.health.v1.")
    saved_model_tags: str = _flag("serve", "Tags of the graph to load, separated by commas.")
    prefer_tflite_model: bool = _flag(
        default=False,
        text="Serve model.tflite instead of saved_model.pb where a version has it; needs LiteRT.",
    )
    num_tflite_pools: int = _flag(0, "Pools of interpreters of a TFLite model; 0 is one per CPU.")
    num_tflite_interpreters_per_pool: int = _flag(
        1, "Interpreters in a pool; each runs one request at a time."
    )
    enable_signature_method_name_check: bool = _flag(
        default=False, text="Refuse calls for signatures of another method name."
    )
    tensorflow_session_config_file: str = _flag(
        "", "Text-format ConfigProto of the sessions; the parallelism flags take precedence."
    )
    tensorflow_session_parallelism: int = _flag(
        0, "Value of the other two parallelism flags if both are 0; 0 is automatic."
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
        if self.single_port and not self.rest_api_port:
            raise FlagError("--single_port needs --rest_api_port, the port that gRPC shares")
        if self.single_port and self.ssl_config_file:
            raise FlagError(
                "--single_port has no TLS: --ssl_config_file would protect nothing. Set one of them"
            )
        _check_range("max_num_load_retries", self.max_num_load_retries, 0, 2**31 - 1)
        _check_range("grpc_max_threads", self.grpc_max_threads, 0, 2**31 - 1)
        _check_range("num_tflite_pools", self.num_tflite_pools, 0, 1000)
        _check_range(
            "num_tflite_interpreters_per_pool", self.num_tflite_interpreters_per_pool, 1, 1000
        )
        _check_range("grace", self.grace, 0, 86_400)
        if self.collect_arm not in {"stable", "candidate"}:
            raise FlagError(
                f"--collect_arm must be stable or candidate, got {self.collect_arm or 'nothing'}"
            )
        if self.log_format not in set(LogFormat):
            raise FlagError(
                f"--log_format must be text or json, got {self.log_format or 'nothing'}"
            )
        if self.collect_config and not self.collect_dir:
            raise FlagError("--collect_config needs --collect_dir, the folder to record in")
        if self.require_signed_models != bool(self.public_keys):
            raise FlagError(
                "--require_signed_models and --model_public_key need each other: the one says that "
                "signatures are checked, the other by which keys"
            )
        if "" in (self.host, self.saved_model_tags):
            raise FlagError("--host and --saved_model_tags must not be empty")
        if not self.model_name and not self.model_config_file:
            raise FlagError("--model_name must not be empty without --model_config_file")
        _ = self.grpc_arguments

    @property
    def grpc_host(self) -> str:
        """Address that gRPC itself listens on."""
        return "127.0.0.1" if self.single_port else self.host

    @property
    def public_keys(self) -> list[str]:
        """Files of the keys that may have signed a model."""
        return [path.strip() for path in self.model_public_key.split(",") if path.strip()]

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
        HelpRequested: The arguments contain `--help` or `--version`.
    """
    defined = _define_flags()
    try:
        rest = defined(["tensorflow_model_server", *arguments])[1:]
    except flags.Error as error:
        raise FlagError(str(error)) from error
    if defined["help"].value:
        raise HelpRequested(_help())
    if defined["version"].value:
        raise HelpRequested(_versions())
    if rest:
        raise FlagError(f"unknown argument: {rest[0]}")
    for unused in UNUSED_FLAGS:
        if defined[unused.name].present:
            unused.check(defined[unused.name].value)
    return ServerOptions(**{flag.name: defined[flag.name].value for flag in fields(ServerOptions)})


def _check_range(name: str, value: float, low: int, high: int) -> None:
    if not low <= value <= high:
        raise FlagError(f"--{name} must be between {low} and {high}, got {value}")


def _define_flags() -> flags.FlagValues:
    """Returns the flags of this server, without absl's global ones."""
    defined = flags.FlagValues()
    for flag in fields(ServerOptions):
        _define(flag.name, flag.default, flag.metadata["help"], defined)
    for unused in UNUSED_FLAGS:
        _define(unused.name, unused.default, unused.why, defined)
    _define("help", False, "Print this help.", defined)
    _define("version", False, "Print the versions.", defined)
    return defined


def _define(name: str, default: Any, text: str, defined: flags.FlagValues) -> None:
    _DEFINE[type(default)](name, default=default, help=text, flag_values=defined)


def _versions() -> str:
    try:
        own = importlib.metadata.version("faultline")
    except importlib.metadata.PackageNotFoundError:
        own = "(not installed as a package)"  # the serving image has its sources only
    return (
        f"TensorFlow ModelServer: embedded server of Faultline {own}\n"
        f"TensorFlow Library: {importlib.metadata.version('tensorflow')}\n"
    )


def _help() -> str:
    lines = [_USAGE]
    lines += [
        f"  --{flag.name}={default_text(flag.default)}\n      {flag.metadata['help']}"
        for flag in fields(ServerOptions)
    ]
    lines.append("\nOther flags of TensorFlow Serving, accepted where they make no difference:")
    lines += [f"  --{unused.name}: {unused.accepted}" for unused in UNUSED_FLAGS]
    return "\n".join(lines) + "\n"


def default_text(value: Any) -> str:
    """Returns a flag's default as it is written on the command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)
