"""`faultline metrics` and the format of the logs."""

import json
import logging
import socket

import pytest
from click.testing import CliRunner
from rich.console import Console

from commands.command_line import main
from commands.monitoring.metrics import print_metrics, serve_metrics
from commands.serve.printing import say
from common.errors import InputError
from common.logs import LogFormat, set_up_logs


@pytest.fixture
def root_logger():
    """The root logger, which is as before after the test."""
    root = logging.root
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_the_metrics_are_printed_once(tmp_path, capsys):
    (tmp_path / "serving" / "wells").mkdir(parents=True)
    assert print_metrics(tmp_path) == 0
    printed = capsys.readouterr().out
    assert 'faultline_exposition_problem{model="wells",part="monitor"} 0.0\n' in printed


def test_a_missing_output_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"no output folder .*absent"):
        print_metrics(tmp_path / "absent")


@pytest.mark.parametrize(
    ("host", "is_warned"),
    [
        ("0.0.0.0", True),  # noqa: S104 - it is what is warned of
        ("127.0.0.1", False),
        ("localhost", False),
    ],
)
def test_a_host_that_others_reach_is_warned_of(tmp_path, caplog, host, is_warned):
    with socket.create_server((host, 0)) as taken, pytest.raises(InputError, match="Cannot listen"):
        serve_metrics(tmp_path, host=host, port=taken.getsockname()[1])
    assert ("Everybody who can reach 0.0.0.0" in caplog.text) == is_warned


def test_with_json_logs_a_line_for_people_is_an_event(root_logger, capsys):
    set_up_logs(LogFormat.JSON)
    say(Console(), "[bold]Serving wells[/bold]: gRPC on [dim]127.0.0.1[/dim]")
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["message"] == "Serving wells: gRPC on 127.0.0.1"


def test_without_them_it_is_printed(capsys):
    say(Console(), "[bold]Serving wells[/bold]")
    assert capsys.readouterr().out == "Serving wells\n"


def test_an_unknown_format_of_logs_is_refused():
    result = CliRunner().invoke(main, ["--log-format", "xml", "metrics"])
    assert result.exit_code == 2
    assert "'xml' is not one of 'text', 'json'" in result.output
