"""The server as the process of a container: where it finds port and models."""

from pathlib import Path

import pytest

from serving.container.__main__ import run
from serving.container.flags import server_flags
from serving.flags import FlagError
from serving.options import parse_options


def make_version(folder: Path, name: str) -> Path:
    base = folder / name
    (base / "1").mkdir(parents=True)
    return base


def flags_in(folder: Path, *arguments: str, **variables: str) -> list[str]:
    return server_flags({"MODEL_BASE_PATH": str(folder), **variables}, arguments)


def test_rest_and_grpc_listen_on_the_port_of_the_platform(tmp_path):
    make_version(tmp_path, "pump")
    options = parse_options(flags_in(tmp_path, PORT="9090"))
    assert options.host == "0.0.0.0"  # noqa: S104 - the platform connects from outside
    assert (options.rest_api_port, options.single_port) == (9090, True)
    assert options.grpc_host == "127.0.0.1"
    # Platforms kill ten seconds after SIGTERM.
    assert options.grace < 10


def test_without_a_port_it_is_8080(tmp_path):
    make_version(tmp_path, "pump")
    assert parse_options(flags_in(tmp_path)).rest_api_port == 8080


@pytest.mark.tensorflow
def test_the_session_of_a_container_optimises_graphs_once(tmp_path):
    from tensorflow.core.protobuf.config_pb2 import ConfigProto
    from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

    from serving.protos.text_files import read_text_proto

    make_version(tmp_path, "pump")
    file = parse_options(flags_in(tmp_path)).tensorflow_session_config_file
    config = read_text_proto(file, ConfigProto)
    rewriting = config.graph_options.rewrite_options
    assert rewriting.meta_optimizer_iterations == RewriterConfig.ONE


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1", "80.5"])
def test_a_wrong_port_is_an_error(tmp_path, port):
    make_version(tmp_path, "pump")
    with pytest.raises(FlagError, match=rf"PORT must be a port between 1 and 65535, got '{port}'"):
        flags_in(tmp_path, PORT=port)


def test_the_only_model_is_served(tmp_path):
    base = make_version(tmp_path, "pump")
    (tmp_path / ".manifests" / "pump").mkdir(parents=True)  # beside the models of an output folder
    options = parse_options(flags_in(tmp_path))
    assert (options.model_name, options.model_base_path) == ("pump", str(base))


def test_of_several_models_one_has_to_be_named(tmp_path):
    make_version(tmp_path, "pump")
    base = make_version(tmp_path, "valve")
    with pytest.raises(FlagError, match=r"Several models in \S+: pump, valve\. Set MODEL_NAME"):
        flags_in(tmp_path)
    assert parse_options(flags_in(tmp_path, MODEL_NAME="valve")).model_base_path == str(base)


def test_a_name_without_a_folder_is_an_error(tmp_path):
    with pytest.raises(FlagError, match=r"MODEL_NAME is pmup, but there is no folder \S+/pmup\."):
        flags_in(tmp_path, MODEL_NAME="pmup")


def test_without_a_model_the_error_says_how_to_add_one(tmp_path):
    with pytest.raises(FlagError, match=r"No model in \S+/none: expected \S+/NAME/VERSION/saved_"):
        flags_in(tmp_path / "none")


def test_a_config_file_beside_the_models_wins_over_their_names(tmp_path):
    make_version(tmp_path, "pump")
    file = tmp_path / "models.config"
    file.write_text("")
    assert f"--model_config_file={file}" in flags_in(tmp_path, MODEL_NAME="pump")


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_needs_no_model(tmp_path, flag, capsys):
    assert run({"MODEL_BASE_PATH": str(tmp_path)}, [flag]) == 0
    assert "TensorFlow" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--model_base_path=/a/b", "-model_config_file=/a"])
def test_flags_of_the_command_line_win(tmp_path, flag):
    flags = flags_in(tmp_path / "none", flag, "--grace=3")
    assert flags[-2:] == [flag, "--grace=3"]
    assert parse_options(flags).grace == 3


def test_the_process_ends_with_the_error_alone(tmp_path, capsys):
    code = run({"MODEL_BASE_PATH": str(tmp_path)}, [])
    assert code == 255
    assert capsys.readouterr().err.startswith(f"No model in {tmp_path}: expected ")
