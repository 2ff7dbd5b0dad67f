import os

import click
import pytest
from click.testing import CliRunner

from commands.command_line.exits import exits_cleanly
from common.guards.vector_instructions import limit_vector_instructions

VARIABLE = "ONEDNN_MAX_CPU_ISA"


@pytest.mark.parametrize(("given", "used"), [({}, "AVX2"), ({VARIABLE: "SSE41"}, "SSE41")])
def test_the_environment_decides_before_the_default(given, used, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    limit_vector_instructions()
    assert os.environ[VARIABLE] == used


def test_each_command_limits_them_before_it_begins(monkeypatch):
    monkeypatch.delenv(VARIABLE)

    @click.command()
    @exits_cleanly
    def show():
        click.echo(os.environ[VARIABLE])
        return 0

    assert CliRunner().invoke(show).output == "AVX2\n"
