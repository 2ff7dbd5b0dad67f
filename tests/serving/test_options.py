"""Parsing of the command line."""

import logging
import re
import subprocess
import sys
from dataclasses import fields

import pytest

from serving.errors import ServingError
from serving.flags import UNUSED_FLAGS, FlagError
from serving.options import HelpRequested, ServerOptions, parse_options


def test_without_flags_the_defaults_are_those_of_tensorflow_serving():
    options = parse_options([])
    assert options == ServerOptions()
    assert (options.port, options.rest_api_port, options.model_name) == (8500, 0, "default")
    assert options.rest_api_timeout_in_ms == 30_000
    assert (options.max_num_load_retries, options.load_retry_interval_micros) == (5, 60_000_000)


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--enable_batching", True),
        ("--enable_batching=true", True),
        ("--enable_batching=1", True),
        ("--enable_batching=false", False),
        ("--noenable_batching", False),
    ],
)
def test_booleans_are_written_with_and_without_a_value(flag, expected):
    assert parse_options([flag]).enable_batching is expected


def test_values_are_of_the_type_of_their_flag():
    options = parse_options(
        ["--port=9000", "--model_base_path=/models/half", "--file_system_poll_wait_seconds=0.5"]
    )
    assert options.port == 9000
    assert options.model_base_path == "/models/half"
    assert options.file_system_poll_wait_seconds == 0.5


def test_an_unknown_flag_names_the_closest_one():
    with pytest.raises(FlagError, match=r"'model_nam'\. Did you mean: model_name"):
        parse_options(["--model_nam=x"])


# As `tensorflow_model_server --help` lists them.
SERVING = [
    "port",
    "grpc_socket_path",
    "rest_api_port",
    "rest_api_num_threads",
    "rest_api_timeout_in_ms",
    "rest_api_enable_cors_support",
    "enable_batching",
    "allow_version_labels_for_unavailable_models",
    "batching_parameters_file",
    "enable_per_model_batching_parameters",
    "model_config_file",
    "model_config_file_poll_wait_seconds",
    "model_name",
    "model_base_path",
    "num_load_threads",
    "num_unload_threads",
    "max_num_load_retries",
    "load_retry_interval_micros",
    "file_system_poll_wait_seconds",
    "flush_filesystem_caches",
    "tensorflow_session_parallelism",
    "tensorflow_session_config_file",
    "tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism",
    "use_alts_credentials",
    "ssl_config_file",
    "platform_config_file",
    "per_process_gpu_memory_fraction",
    "saved_model_tags",
    "grpc_channel_arguments",
    "grpc_max_threads",
    "enable_model_warmup",
    "num_request_iterations_for_warmup",
    "version",
    "monitoring_config_file",
    "remove_unused_fields_from_bundle_metagraph",
    "prefer_tflite_model",
    "num_tflite_pools",
    "num_tflite_interpreters_per_pool",
    "enable_signature_method_name_check",
    "xla_cpu_compilation_enabled",
    "xla_gpu_compilation_enabled",
    "enable_profiler",
    "thread_pool_factory_config_file",
    "mixed_precision",
    "skip_initialize_tpu",
    "enable_grpc_healthcheck_service",
    "enable_serialization_as_tensor_content",
]


def test_each_flag_of_tensorflow_serving_either_works_or_is_known_to_have_no_effect():
    working = [flag.name for flag in fields(ServerOptions) if not flag.metadata["own"]]
    unused = [flag.name for flag in UNUSED_FLAGS]
    assert len(SERVING) == 48
    assert sorted([*working, *unused, "version"]) == sorted(SERVING)


@pytest.mark.parametrize(
    "flag",
    [
        "rest_api_num_threads=16",
        "num_load_threads=2",
        "num_unload_threads=0",
        "enable_profiler=false",
        "enable_profiler=true",
        "flush_filesystem_caches=false",
        "remove_unused_fields_from_bundle_metagraph=false",
        "skip_initialize_tpu=true",
        "xla_cpu_compilation_enabled=false",
        "xla_gpu_compilation_enabled=false",
        "use_alts_credentials=false",
        "per_process_gpu_memory_fraction=0",
        "platform_config_file=",
        "thread_pool_factory_config_file=",
        "mixed_precision=",
    ],
)
def test_a_flag_without_effect_is_accepted_with_a_line_in_the_log(flag, caplog):
    caplog.set_level(logging.INFO)
    assert parse_options([f"--{flag}"]) == ServerOptions()
    [line] = caplog.messages
    assert line.startswith(f"--{flag}".split("=")[0])
    assert " has no effect: " in line


def test_a_default_is_not_logged(caplog):
    caplog.set_level(logging.INFO)
    parse_options([])
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("use_alts_credentials=true", "ALTS works on Google Cloud only"),
        ("per_process_gpu_memory_fraction=0.5", "models run on the CPU. Accepted: 0."),
        ("platform_config_file=/x", "every model is a TensorFlow SavedModel"),
        ("thread_pool_factory_config_file=/x", "--tensorflow_inter_op_parallelism"),
        ("mixed_precision=bfloat16", "a model runs in the precision of its export"),
        ("xla_gpu_compilation_enabled", "=true is not supported: models run on the CPU"),
        ("rest_api_num_threads=0", "Accepted: 1 and more."),
        ("num_load_threads=-1", "Accepted: 0 and more."),
    ],
)
def test_a_flag_that_asks_for_what_is_not_here_is_refused_with_the_reason(flag, message):
    with pytest.raises(FlagError, match=f"--{flag.split('=')[0]}.*{re.escape(message)}"):
        parse_options([f"--{flag}"])


@pytest.mark.parametrize(
    "flags",
    [
        ["--rest_api_timeout_in_ms=0"],
        ["--rest_api_timeout_in_ms=-1"],
        ["--num_request_iterations_for_warmup=0"],
        ["--file_system_poll_wait_seconds=-1"],
        ["--model_config_file_poll_wait_seconds=-1"],
        ["--load_retry_interval_micros=-1"],
        ["--ssl_config_file="],
        ["--tensorflow_session_config_file="],
        ["--model_name=", "--model_config_file=/x"],
    ],
)
def test_values_that_tensorflow_serving_takes_are_taken(flags):
    name, _, value = flags[0].removeprefix("--").partition("=")
    assert str(getattr(parse_options(flags), name)).removesuffix(".0") == value


def test_the_version_is_printed():
    with pytest.raises(HelpRequested, match=r"ModelServer: .*\nTensorFlow Library: 2\.\d+\.\d+\n"):
        parse_options(["--version"])


def test_an_argument_that_is_no_flag_is_refused():
    with pytest.raises(FlagError, match="unknown argument: models"):
        parse_options(["models"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--port=http"], "--port=http"),
        (["--port=65536"], "--port must be between 0 and 65535, got 65536"),
        (["--port=8501", "--rest_api_port=8501"], "both 8501"),
        (["--grpc_max_threads=-1"], "--grpc_max_threads must be between 0"),
        (["--num_tflite_interpreters_per_pool=0"], "_per_pool must be between 1"),
        (["--model_name="], "must not be empty"),
        (["--grpc_channel_arguments=grpc.x"], "'grpc.x' is not of the form key=value"),
    ],
)
def test_a_wrong_value_is_named(flags, message):
    with pytest.raises(FlagError, match=message):
        parse_options(flags)


@pytest.mark.parametrize("flag", ["--require_signed_models", "--model_public_key=key.pub"])
def test_signed_models_need_both_flags(flag):
    with pytest.raises(FlagError, match="--require_signed_models and --model_public_key need each"):
        parse_options([flag, "--model_base_path=/models/half"])


def test_public_keys_are_separated_by_commas():
    flags = ["--require_signed_models", "--model_public_key=a.pub, b.pub,"]
    assert parse_options(flags).public_keys == ["a.pub", "b.pub"]


def test_channel_arguments_that_look_like_integers_are_integers():
    options = ServerOptions(grpc_channel_arguments="grpc.max_age_ms=-2,grpc.name=half")
    assert options.grpc_arguments == [("grpc.max_age_ms", -2), ("grpc.name", "half")]


@pytest.mark.parametrize(
    ("both", "within", "between", "expected"),
    [(0, 0, 0, (0, 0)), (3, 0, 0, (3, 3)), (0, 2, 0, (2, 0)), (3, 2, 0, (2, 0))],
)
def test_parallelism_within_and_between_operations(both, within, between, expected):
    options = ServerOptions(
        tensorflow_session_parallelism=both,
        tensorflow_intra_op_parallelism=within,
        tensorflow_inter_op_parallelism=between,
    )
    assert options.session_threads == expected


def test_all_three_flags_of_parallelism_are_refused():
    options = ServerOptions(
        tensorflow_session_parallelism=1,
        tensorflow_intra_op_parallelism=1,
        tensorflow_inter_op_parallelism=1,
    )
    with pytest.raises(ServingError, match="You cannot configure all"):
        _ = options.session_threads


def test_help_shows_how_to_start_and_every_flag():
    with pytest.raises(HelpRequested) as caught:
        parse_options(["--help", "--port=1"])
    text = str(caught.value)
    assert "python -m serving.server --model_name=signals" in text
    assert "--rest_api_port=0\n      Port of REST; 0 disables REST" in text
    assert "--enable_batching=false\n" in text


def test_a_wrong_flag_is_reported_before_tensorflow_is_imported(project):
    code = (
        "import sys; from serving.server import main; code = main(['--prot=1']);"
        "print(code, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stdout == "255 False\n"
    assert "Unknown command line flag 'prot'" in done.stderr
    assert "See --help." in done.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--single_port"], "--single_port needs --rest_api_port"),
        (
            ["--single_port", "--rest_api_port=80", "--ssl_config_file=/tls"],
            "--single_port has no TLS: --ssl_config_file would protect nothing",
        ),
    ],
)
def test_a_single_port_is_that_of_rest_without_tls(flags, message):
    with pytest.raises(FlagError, match=message):
        parse_options(flags)
    assert parse_options(["--host=::1"]).grpc_host == "::1"
    single = parse_options(["--host=::1", "--single_port", "--rest_api_port=80"])
    assert single.grpc_host == "127.0.0.1"
