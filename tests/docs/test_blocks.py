"""The blocks of code on the pages: commands, configs and programs that fit the code of today."""

import ast
import importlib.util
import json
import re
import shlex
from collections.abc import Iterator

import click
import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from commands.command_line import main
from tests.docs.page_blocks import PROJECT, blocks

_SCHEMA = json.loads((PROJECT / "configs" / "config.schema.json").read_text(encoding="utf-8"))
_OWN_MODULES = {"common", "measuring", "models", "serving", "datasets", "pipeline", "production"}


def command_lines() -> Iterator[tuple[str, str]]:
    """Yields page and line of each command of Faultline in the blocks of a shell."""
    for page, text in blocks("sh", "bash"):
        for line in re.sub(r"\\\n\s*", "", text).splitlines():
            if line.startswith("faultline "):
                yield page, line


def parse(line: str) -> None:
    """Parses a command line as the program does, and runs nothing.

    Raises:
        click.UsageError: It does not fit the commands of today.
    """
    words = shlex.split(line, comments=True)
    # `2>&1 | tee x`, `> x`, `&` and `&& x` are the shell's.
    ends = [place for place, word in enumerate(words) if re.match(r"\d?[>|&]", word)]
    command, arguments = main, words[1 : min(ends, default=None)]
    while True:
        context = command.make_context(command.name or "", arguments)
        arguments = [*context._protected_args, *context.args]
        if not isinstance(command, click.Group) or not arguments:
            return
        _, found, arguments = command.resolve_command(context, arguments)
        assert found is not None
        command = found


COMMANDS = list(dict.fromkeys(command_lines()))


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_of_a_page_fits_the_command_line(page, line):
    parse(line)


@pytest.mark.parametrize(
    "line", ["faultline rum", "faultline run --confg x.yaml", "faultline rollout begin readings"]
)
def test_a_command_that_does_not_fit_is_noticed(line):
    with pytest.raises(click.UsageError, match=r"No such (command|option)"):
        parse(line)


def configs() -> Iterator[tuple[str, str]]:
    """Yields page and text of each block of YAML with a key of a config."""
    for page, text in blocks("yaml"):
        keys = re.findall(r"^(\w+):", text, flags=re.MULTILINE)
        if not _SCHEMA["properties"].keys().isdisjoint(keys):
            yield page, text


def problems(text: str) -> list[str]:
    """Returns the schema's complaints about a part of a config, except that keys are missing.

    Each key of the top is checked by itself: some blocks show alternatives. Indented lines before
    the first one are an excerpt of another section.
    """
    messages = []
    for section in re.split(r"^(?=\w)", text, flags=re.MULTILINE):
        values = None if section.startswith(" ") else YAML(typ="safe").load(section)
        if values:
            errors = Draft202012Validator(_SCHEMA).iter_errors(values)
            messages += [error.message for error in errors if error.validator != "required"]
    return messages


@pytest.mark.parametrize(("page", "text"), list(configs()))
def test_a_part_of_a_config_fits_the_schema(page, text):
    assert problems(text) == []


def test_a_part_of_a_config_that_does_not_fit_is_noticed():
    [message] = problems("gate: {min_precison: 0.9}")
    assert "min_precison" in message


@pytest.mark.parametrize(("page", "text"), list(blocks("json")))
def test_a_block_of_json_can_be_read(page, text):
    json.loads(text)


@pytest.mark.parametrize(("page", "text"), list(blocks("python")))
def test_a_program_can_be_parsed_and_its_own_imports_exist(page, text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            top = node.module.partition(".")[0]
            if top in _OWN_MODULES:
                assert importlib.util.find_spec(node.module), node.module
