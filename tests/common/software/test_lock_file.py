import subprocess
import sys
from pathlib import Path

import pytest

from common.software.lock_file import main, named_pins, read_lock, runtime_pins

LOCK = """\
alpha==1.2.3 \\
    --hash=sha256:aa \\
    --hash=sha256:ab
    # via faultline (pyproject.toml)
beta==2.0 ; python_full_version < '3.12' \\
    --hash=sha256:bb
    # via
    #   alpha
    #   gamma
gamma==3 \\
    --hash=sha256:cc
    # via faultline (pyproject.toml:dev)
delta==4 \\
    --hash=sha256:dd
    # via gamma
epsilon==5 \\
    --hash=sha256:ee
    # via
    #   faultline (pyproject.toml)
    #   faultline (pyproject.toml:dev)
zeta==6 \\
    --hash=sha256:ff
    # via beta
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(LOCK)
    return path


def test_pins_have_version_marker_and_who_asked(lock: Path) -> None:
    alpha, beta, gamma, *_ = read_lock(lock)

    assert (alpha.name, alpha.version, alpha.marker, alpha.is_direct) == (
        "alpha",
        "1.2.3",
        "",
        True,
    )
    assert (beta.version, beta.marker) == ("2.0", "python_full_version < '3.12'")
    assert beta.required_by == {"alpha", "gamma"}
    # A development group of the project is not the project.
    assert not gamma.is_direct


def test_runtime_pins_leave_out_what_only_development_needs(lock: Path) -> None:
    # alpha needs beta, beta needs zeta; delta comes with gamma, which is for development.
    assert [pin.name for pin in runtime_pins(read_lock(lock))] == [
        "alpha",
        "beta",
        "epsilon",
        "zeta",
    ]


def test_the_printed_part_keeps_the_hashes(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(lock)])

    printed = capsys.readouterr().out
    assert printed.startswith("alpha==1.2.3 \\\n    --hash=sha256:aa \\\n    --hash=sha256:ab\n")
    assert "delta" not in printed


def test_a_list_of_names_is_printed_without_dependencies(
    lock: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tmp_path / "packages.txt"
    names.write_text("# a comment\ndelta\nalpha  # and why\n")

    main([str(lock), str(names)])

    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if "==" in line] == ["delta==4 \\", "alpha==1.2.3 \\"]
    assert "    --hash=sha256:ab" in printed


def test_a_name_that_is_not_pinned_is_an_error(lock: Path) -> None:
    with pytest.raises(ValueError, match=r"does not pin eta\. Correct the names"):
        named_pins(read_lock(lock), ["alpha", "eta"])


def test_an_empty_lock_file_pins_nothing(tmp_path: Path) -> None:
    path = tmp_path / "requirements.lock"
    path.write_text("# nothing\n")

    assert read_lock(path) == []


@pytest.mark.parametrize("line", ["alpha>=1 \\", "alpha==1", "alpha @ file:///alpha.whl \\"])
def test_lines_without_version_and_hash_are_errors(tmp_path: Path, line: str) -> None:
    path = tmp_path / "requirements.lock"
    path.write_text(f"{line}\n    --hash=sha256:aa\n")

    with pytest.raises(ValueError, match=r"cannot read 'alpha.*make lock"):
        read_lock(path)


def test_a_lock_file_that_is_cut_off_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "requirements.lock"
    path.write_text("alpha==1 \\\n    --hash=sha256:aa \\\n")

    with pytest.raises(ValueError, match=r"hashes of alpha end in the middle.*make lock"):
        read_lock(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [("absent.lock", "No such file"), ("readings.csv", "expected NAME==VERSION")],
)
def test_the_program_says_what_it_cannot_read(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "readings.csv").write_text("pressure,failed\n")
    done = subprocess.run(
        [sys.executable, "-m", "common.software.lock_file", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert message in done.stderr


def test_a_package_that_nobody_asked_for_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "requirements.lock"
    path.write_text("alpha==1 \\\n    --hash=sha256:aa\n")

    with pytest.raises(ValueError, match=r"does not say what needs alpha.*make lock"):
        runtime_pins(read_lock(path))
