"""The decision of scripts/newer_glibc.sh, on hosts made of small fake programs; no network."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "newer_glibc.sh"
TOOLS = ("sh", "cut", "sort", "head", "awk", "cat", "id", "dirname")
Host = Callable[..., subprocess.CompletedProcess[str]]

BOOKWORM = "ID=debian\nVERSION_CODENAME=bookworm\n"
JAMMY = "ID=ubuntu\nVERSION_CODENAME=jammy\nUBUNTU_CODENAME=jammy\n"
MINT = "ID=linuxmint\nVERSION_CODENAME=vanessa\nUBUNTU_CODENAME=jammy\n"
FEDORA = "ID=fedora\nVERSION_ID=36\n"
TARGETS = {
    BOOKWORM: "Packages main bookworm http://mirror.example/debian/",
    JAMMY: "Packages main jammy http://mirror.example/ubuntu/",
    MINT: "Packages main jammy http://mirror.example/ubuntu/",
}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Runs the script with arguments on a host with only the programs that the test names."""

    def run(
        *arguments: str,
        glibc: str | None = "2.36",
        os_release: str = BOOKWORM,
        machine: str = "x86_64",
        apt: str | None = None,
        keyrings: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        programs = tmp_path / "bin"
        programs.mkdir()
        for tool in TOOLS:
            (programs / tool).symlink_to(str(shutil.which(tool)))
        _program(programs / "uname", f"echo {machine}")
        _program(programs / "getconf", f"echo glibc {glibc}" if glibc else "exit 1")
        if apt is not None:
            _program(programs / "apt-get", f"cat <<'END'\n{apt}\nEND")
            _program(programs / "dpkg", "exit 0")
        (tmp_path / "os-release").write_text(os_release)
        if keyrings:
            for name in ("debian", "ubuntu"):
                (tmp_path / f"{name}-archive-keyring.gpg").touch()
        environment = {
            "PATH": str(programs),
            "OS_RELEASE": str(tmp_path / "os-release"),
            "KEYRINGS": str(tmp_path),
        }
        return subprocess.run(
            ["sh", SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False
        )

    return run


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


# 2.100 is newer than 2.39, although the text "2.100" sorts before it.
@pytest.mark.parametrize("glibc", ["2.39", "2.41", "2.100"])
def test_hosts_that_are_new_enough_need_nothing_not_even_apt(host: Host, glibc: str) -> None:
    answer = host("--check", glibc=glibc, os_release=FEDORA)

    assert (answer.returncode, answer.stdout) == (0, "enough\n")


@pytest.mark.parametrize(
    ("os_release", "glibc", "release"),
    [(BOOKWORM, "2.36", "trixie"), (JAMMY, "2.35", "noble"), (MINT, "2.35", "noble")],
)
def test_older_debian_and_ubuntu_take_the_next_release(
    host: Host, os_release: str, glibc: str, release: str
) -> None:
    answer = host("--check", os_release=os_release, glibc=glibc, apt=TARGETS[os_release])

    assert (answer.returncode, answer.stdout) == (0, f"{release}\n")


@pytest.mark.parametrize(
    ("circumstances", "found", "expected", "remedy"),
    [
        ({"machine": "aarch64"}, "aarch64", "x86_64", "--platform linux/amd64"),
        ({"machine": "i686"}, "i686", "x86_64", "--platform linux/amd64"),
        ({"glibc": None}, "no glibc (musl", "glibc 2.39", "Use Debian"),
        ({}, "glibc is 2.36", "need 2.39. Without apt,", "Use Debian 13"),
        (
            {"os_release": FEDORA, "glibc": "2.35", "apt": ""},
            "glibc is 2.35",
            "only on Debian 12 (bookworm) and Ubuntu 22.04 (jammy)",
            "Use Debian 13",
        ),
        (
            {"apt": TARGETS[BOOKWORM], "keyrings": False},
            "glibc is 2.36",
            "the signature of a newer one needs ",
            "Install debian-archive-keyring",
        ),
        ({"apt": ""}, "glibc is 2.36", "needs an apt source for bookworm", "/etc/apt/sources.list"),
    ],
    ids=["arm", "32-bit", "musl", "no-apt", "other-release", "no-keyring", "no-mirror"],
)
def test_other_hosts_are_told_what_was_found_expected_and_to_do(
    host: Host, circumstances: dict[str, str | bool | None], found: str, expected: str, remedy: str
) -> None:
    answer = host("--check", **circumstances)

    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith("Set-up failed: ")
    assert all(part in answer.stderr for part in (found, expected, remedy)), answer.stderr


def test_an_environment_on_a_newer_host_stays_as_it_is(host: Host, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    venv.mkdir()

    answer = host(str(venv), "patchelf-that-does-not-exist", glibc="2.41")

    assert (answer.returncode, answer.stdout) == (0, "enough\n")
    assert list(venv.iterdir()) == []


def test_mirrors_of_this_release_come_before_other_vendors_repositories(tmp_path: Path) -> None:
    # A vendor's `stable main` may come first in apt's sources; comment files are no packages.
    targets = (
        "Packages main stable http://vendor.example/\n"
        "DEP-11 main bookworm http://icons.example/\n"
        "Packages contrib bookworm http://contrib.example/\n"
        "Packages main bookworm http://mirror.example/debian/\n"
        "Packages main bookworm http://mirror.example/debian/\n"
        "Packages main bookworm-security http://security.example/"
    )
    _program(tmp_path / "apt-get", f"cat <<'END'\n{targets}\nEND")
    functions = SCRIPT.read_text(encoding="utf-8").replace(
        '\nmain "$@"\n', "\nmirrors_of bookworm\n"
    )

    answer = subprocess.run(
        ["sh", "-c", functions],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout.split() == ["http://mirror.example/debian/", "http://vendor.example/"]


def test_the_script_names_no_mirror() -> None:
    assert "://" not in SCRIPT.read_text(encoding="utf-8")
