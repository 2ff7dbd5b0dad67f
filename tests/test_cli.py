"""The command line without a run: help, version, mistakes, and what it costs to ask."""

import json
import re
import shlex
import subprocess
import sys

import click
import pytest

from commands.command_line import main
from commands.command_line.exits import EXIT_BAD_INPUT, EXIT_ERROR, EXIT_INTERRUPTED


def _subcommands(command, path=()):
    """The command at a path and all below it."""
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _subcommands(child, (*path, name))


_COMMANDS = dict(_subcommands(main))

# Imports the command line and runs each of the commands in a fork, which then says what it printed,
# what that cost with the start of the interpreter, and what was imported.
_PROBE = """
import contextlib, io, json, os, sys, time
from commands.command_line import main
for command in json.loads(sys.argv[1]):
    before = time.process_time()
    if os.fork():
        os.wait()
        continue
    code, printed = 0, io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            main([*command, "--help"], "faultline")
    except SystemExit as stop:
        code = stop.code
    cpu_s = before + time.process_time()
    roots = sorted({name.partition(".")[0] for name in sys.modules})
    print(json.dumps([command, code, printed.getvalue(), cpu_s, roots]), flush=True)
    os._exit(0)
"""
_HEAVY = {"tensorflow", "keras", "tfx", "apache_beam", "ml_metadata", "pandas", "pyarrow"}


def _ask(project, folder, *arguments):
    return subprocess.run(
        [sys.executable, str(project / "faultline.py"), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def probes(project, tmp_path_factory):
    """For each command: exit code, text, CPU seconds and imported packages of its `--help`."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, json.dumps(list(_COMMANDS))],
        cwd=tmp_path_factory.mktemp("probes"),
        env={"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {tuple(command): probe for command, *probe in lines}


@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
def test_help_takes_less_than_half_a_second_and_imports_nothing_heavy(command, probes):
    code, text, cpu_s, imported = probes[command]
    assert text.startswith("Usage: faultline")
    assert code == 0
    assert _HEAVY.isdisjoint(imported)
    # The processor's time, not the clock's: other work on the machine must not count.
    assert cpu_s < 0.5


def test_help_lists_every_command_with_a_whole_sentence(project, tmp_path):
    listed = _ask(project, tmp_path, "--help").stdout.partition("\nCommands:\n")[2]
    summaries = dict(re.split(r"\s{2,}", line.strip()) for line in listed.splitlines())
    assert summaries.keys() == main.commands.keys()
    assert [text for text in summaries.values() if not re.fullmatch(r"[A-Z].*[^.]\.", text)] == []


def test_help_explains_every_exit_code():
    text = " ".join(main.help.split()).partition("Exit codes: ")[2]
    explained = {int(code) for code in re.findall(r"(?:^|, )(\d+) [a-z]", text)}
    named = {EXIT_ERROR, EXIT_BAD_INPUT, EXIT_INTERRUPTED}
    # 0 and 3 are what a run returns: a pushed model, and none.
    assert explained == {0, 3} | named


@pytest.mark.parametrize("path", _COMMANDS, ids=" ".join)
def test_the_help_of_a_command_explains_each_of_its_parameters(path):
    command = _COMMANDS[path]
    text = command.get_help(click.Context(command))
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts} has no help"
            assert parameter.opts[0] in text
        else:
            # The text explains an argument by its name in capitals, NAME/VERSION by one of both.
            names = re.findall(r"\w+", parameter.human_readable_name)
            assert re.search(rf"\b({'|'.join(names)})\b", command.help)


def test_the_examples_in_the_help_are_commands_with_options_that_exist():
    lines = [line.strip() for command in _COMMANDS.values() for line in command.help.splitlines()]
    # A comment follows two or more spaces.
    examples = [re.split(r"\s{2,}", line)[0] for line in lines if line.startswith("faultline ")]
    assert examples
    for example in examples:
        _, *arguments = shlex.split(example)
        command = main
        while isinstance(command, click.Group) and arguments and arguments[0] in command.commands:
            command = command.commands[arguments.pop(0)]
        command.make_context(example, arguments)  # raises UsageError for what does not parse


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rum",), "No such command 'rum'"),
        (("run", "--confg", "x.yaml"), "No such option"),
        (("init", "data.csv"), "No data found at data.csv"),
        (("run", "--config", "absent.yaml"), "absent.yaml: no such file"),
        (("runs", "--output", "nowhere"), "No runs yet"),
        (("runs", "--output", "nowhere", "tensorboard"), "No runs yet: nowhere"),
        (("runs", "tensorboard", "--output", "nowhere"), "No runs yet: nowhere"),
        (("runs", "compare", "a"), "Missing argument 'SECOND'"),
        (("runs", "compare", "a", "b", "--output", "nowhere"), "No runs yet"),
        (("runs", "tensorbord"), "No such command 'tensorbord'"),
        (("lineage", "latest", "--output", "nowhere"), "No runs yet"),
        (("init", "absent.csv", "--label", "faulty"), "No data found"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_on_the_command_line_ends_with_exit_code_2_and_leaves_nothing(
    arguments, words, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(arguments, "faultline")
    assert stop.value.code == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_ends_the_process_with_exit_code_2_and_without_a_traceback(project, tmp_path):
    done = _ask(project, tmp_path, "run", "--config", "absent.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: absent.yaml: no such file")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ([], "  faultline runs                         list all runs"),
        (["init"], "  faultline run --config configs/readings.yaml"),
    ],
)
def test_examples_in_the_help_stand_on_lines_of_their_own(command, example, capsys):
    with pytest.raises(SystemExit):
        main([*command, "--help"], "faultline")
    text = capsys.readouterr().out
    assert example in text.splitlines()
    assert "\\b" not in text
