"""The program `faultline`; `commands.command_line` declares its subcommands.

A wheel holds the sources in the folder `faultline_home` beside this file, so that names such as
`datasets` hide no package of other programs. The programs below put that folder on their own module
path. In a checkout, the sources are beside this file.
"""

import os
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
HOME = _HERE / "faultline_home" if (_HERE / "faultline_home").is_dir() else _HERE


def main() -> None:
    """Runs the command line on the arguments of this process."""
    if sys.path[0] != str(HOME):
        sys.path.insert(0, str(HOME))
    from commands.command_line import main as command_line

    command_line()


def python() -> None:
    """Replaces this process by Python, with Faultline's modules on its path.

    `faultline-python -m beam_runner --engine flink` and `faultline-python script.py` import from an
    installed wheel what `python` imports in a checkout.
    """
    packages = [str(HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(packages)}
    os.execve(sys.executable, [sys.executable, *sys.argv[1:]], environment)  # noqa: S606 - no shell


if __name__ == "__main__":
    main()
