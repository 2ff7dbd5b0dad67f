"""Parsing of the command line."""

import subprocess
import sys

import pytest

from serving.errors import ServingError
from serving.options import FlagError, HelpRequested, ServerOptions, parse_options


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


def test_an_unsupported_flag_is_refused_with_the_reason():
    with pytest.raises(FlagError, match="--ssl_config_file is not supported: put a TLS proxy"):
        parse_options(["--ssl_config_file=/x"])


def test_an_argument_that_is_no_flag_is_refused():
    with pytest.raises(FlagError, match="unknown argument: models"):
        parse_options(["models"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--port=http"], "--port=http"),
        (["--port=65536"], "--port must be between 0 and 65535, got 65536"),
        (["--port=8501", "--rest_api_port=8501"], "both 8501"),
        (["--rest_api_timeout_in_ms=0"], "--rest_api_timeout_in_ms must be between 1"),
        (["--file_system_poll_wait_seconds=-1"], "--file_system_poll_wait_seconds must be"),
        (["--model_name="], "must not be empty"),
        (["--grpc_channel_arguments=grpc.x"], "'grpc.x' is not of the form key=value"),
    ],
)
def test_a_wrong_value_is_named(flags, message):
    with pytest.raises(FlagError, match=message):
        parse_options(flags)


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
