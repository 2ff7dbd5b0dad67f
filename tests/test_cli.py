"""The command line without a run: help, version, mistakes, and what it costs to ask."""

import json
import subprocess
import sys

import pytest

_COMMANDS = ("run", "init", "serve", "predict", "explain", "runs", "lineage", "doctor")
_SUB_COMMANDS = (("runs", "tensorboard"), ("runs", "compare"))

# Runs the command line in this process, then says what that cost and what it imported.
_PROBE = """
import json, sys, time
from faultline import main
code = 0
try:
    main(sys.argv[1:], "faultline")
except SystemExit as stop:
    code = stop.code
roots = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"code": code, "cpu_s": time.process_time(), "imported": roots}))
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


@pytest.mark.parametrize(
    "command", [(), *((name,) for name in _COMMANDS), *_SUB_COMMANDS], ids=" ".join
)
def test_help_takes_less_than_half_a_second_and_imports_nothing_heavy(command, project, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, *command, "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    text, _, last = done.stdout.rstrip().rpartition("\n")
    probe = json.loads(last)
    assert text.startswith("Usage: faultline")
    assert probe["code"] == 0
    assert _HEAVY.isdisjoint(probe["imported"])
    # The processor's time, not the clock's: other work on the machine must not count.
    assert probe["cpu_s"] < 0.5


def test_help_names_every_command_and_every_exit_code(project, tmp_path):
    text = _ask(project, tmp_path, "--help").stdout
    for word in (*_COMMANDS, "2 bad input", "3 the model was refused", "130 stopped by Ctrl-C"):
        assert word in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rum",), "No such command 'rum'"),
        (("run", "--confg", "x.yaml"), "No such option"),
        (("init", "data.csv"), "Missing option '--label'"),
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
    arguments, words, project, tmp_path
):
    done = _ask(project, tmp_path, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ([], "  faultline runs                         what has run so far"),
        (["init"], "  faultline run --config configs/readings.yaml"),
    ],
)
def test_examples_in_the_help_stand_on_lines_of_their_own(project, tmp_path, command, example):
    text = _ask(project, tmp_path, *command, "--help").stdout
    assert example in text.splitlines()
    assert "\\b" not in text
