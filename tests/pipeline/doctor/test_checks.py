import io
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

from common.paths import BUILT_FROM
from pipeline.components.pusher.version_folder import push_version
from pipeline.doctor import checks as doctor
from pipeline.doctor import loading as doctor_loading
from pipeline.doctor.checks import Check

PROJECT = Path(__file__).resolve().parents[3]
LOCK = """\
alpha==1.2.3 \\
    --hash=sha256:aa
    # via faultline (pyproject.toml)
beta==2.0 \\
    --hash=sha256:bb
    # via alpha
other==9 ; python_full_version < '3' \\
    --hash=sha256:cc
    # via alpha
tool==3 \\
    --hash=sha256:dd
    # via faultline (pyproject.toml:dev)
"""
INSTALLED = {"alpha": "1.2.3", "beta": "2.0", "tool": "3"}
GOOD = Check(name="Python", found="3.12.1", expected="3.12", ok=True)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(LOCK)
    return path


@pytest.mark.parametrize(
    ("version", "ok"), [((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False)]
)
def test_python_has_to_be_3_11_to_3_13(version: tuple[int, int], ok: bool) -> None:
    check = doctor.check_python(version)

    assert check.ok is ok
    assert bool(check.hint) is not ok
    assert check.expected == "3.11, 3.12 or 3.13"


# As numbers: 2.100 is newer than 2.39. Debian 12 has 2.36; None is musl.
@pytest.mark.parametrize(
    ("version", "ok"), [("2.36", False), ("2.39", True), ("2.100", True), (None, False)]
)
def test_glibc_has_to_be_what_the_wheels_are_tagged_for(version: str | None, ok: bool) -> None:
    check = doctor.check_glibc(version)

    assert check.ok is ok
    assert check.expected == ">= 2.39"
    assert ("make setup" in check.hint) is not ok


def test_packages_as_pinned_are_right(lock: Path) -> None:
    summary, *packages = doctor.check_packages(lock, INSTALLED.get)

    # `other` is for Python 2 only, so three of the four pins count on this machine.
    assert summary.found == "3 of 3 packages as pinned"
    assert [check.name for check in packages] == ["alpha", "beta", "tool"]
    assert all(check.ok for check in (summary, *packages))
    # The table shows direct dependencies only, where all is well.
    assert [check.name for check in packages if check.in_table] == ["alpha"]


@pytest.mark.parametrize(
    ("installed", "name", "found"),
    [
        ({"beta": "2.1"}, "beta", "2.1"),
        ({"beta": None}, "beta", "not installed"),
        ({"tool": "4"}, "tool", "4"),
    ],
    ids=["other version", "missing", "other version of a tool"],
)
def test_a_package_that_is_not_as_pinned_is_named(
    lock: Path, installed: dict[str, str | None], name: str, found: str
) -> None:
    summary, *packages = doctor.check_packages(lock, (INSTALLED | installed).get)

    [wrong] = [check for check in packages if not check.ok]
    assert (wrong.name, wrong.found) == (name, found)
    assert "make setup" in wrong.hint
    assert (summary.ok, summary.found) == (False, "2 of 3 packages as pinned")


def test_packages_for_development_may_be_missing_as_in_the_image(lock: Path) -> None:
    checks = doctor.check_packages(lock, (INSTALLED | {"tool": None}).get)

    assert all(check.ok for check in checks)
    assert checks[0].found == "2 of 3 packages as pinned, 1 for development left out"
    assert checks[-1].expected == "3 for development"


def test_a_wheel_takes_the_versions_that_its_installer_chose(lock: Path) -> None:
    installed = INSTALLED | {"beta": "2.1", "tool": None}
    summary, *packages = doctor.check_packages(lock, installed.get, is_wheel=True)

    assert all(check.ok for check in packages)
    assert [check.expected for check in packages] == [
        "1.2.3",
        "tested with 2.0",
        "3 for development",
    ]
    text = "1 of 3 packages as pinned, 1 in another version, 1 for development left out"
    assert summary.found == text


def test_a_wheel_without_a_package_that_it_needs_is_wrong(lock: Path) -> None:
    summary, *packages = doctor.check_packages(
        lock, (INSTALLED | {"beta": None}).get, is_wheel=True
    )

    assert [check.name for check in packages if not check.ok] == ["beta"]
    assert not summary.ok


@pytest.mark.parametrize("text", [None, "not a lock file"])
def test_a_lock_file_that_cannot_be_read_is_wrong(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "requirements.lock"
    if text is not None:
        path.write_text(text)

    [check] = doctor.check_packages(path, INSTALLED.get)

    assert not check.ok
    assert str(path) in check.found
    assert "restore the file from git" in check.hint


def test_modules_that_load_and_that_do_not_and_a_crash() -> None:
    loaded = dict.fromkeys(doctor.MODULES.values(), "")
    loaded["tensorboard.summary"] = "ModuleNotFoundError: No module named 'tensorboard'"
    del loaded["pipeline.create"]

    checks = {check.name: check for check in doctor.check_modules(loaded)}

    assert [name for name, check in checks.items() if not check.ok] == ["TensorBoard", "Pipeline"]
    assert checks["TensorBoard"].found == "ModuleNotFoundError: No module named 'tensorboard'"
    assert checks["Pipeline"].found == "the process ended before or while it was loaded"
    assert "import pipeline.create" in checks["Pipeline"].hint


def test_long_errors_are_one_short_line() -> None:
    error = "ImportError: " + "GLIBC_2.38 not found\n" * 100

    check = doctor.check_modules({"tensorflow": error})[0]

    assert check.found.startswith("ImportError: GLIBC_2.38 not found GLIBC_2.38")
    assert len(check.found) < 210


def test_loading_says_what_fails_and_survives_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crashing.py").write_text("import os\nprint('noise')\nos.abort()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    loaded = doctor_loading.load_modules(["json", "no_such_module", "crashing", "csv"])

    assert loaded == {
        "json": "",
        "no_such_module": "ModuleNotFoundError: No module named 'no_such_module'",
    }


@pytest.mark.parametrize(
    ("loaded", "found", "ok"),
    [
        ({"beam": "FnApiRunner, in_memory"}, "FnApiRunner, in_memory", True),
        ({"beam": "PrismRunner, in_memory"}, "PrismRunner, in_memory", False),
        ({}, "unknown", False),
    ],
)
def test_the_beam_runner_is_the_one_in_this_process(
    loaded: dict[str, str], found: str, ok: bool
) -> None:
    check = doctor.check_beam_runner(loaded)

    assert (check.found, check.ok) == (found, ok)


def test_the_hint_on_the_beam_runner_names_the_file_that_chooses_it(project: Path) -> None:
    hint = doctor.check_beam_runner({}).hint

    [named] = re.findall(r"[\w/]+\.py", hint)
    assert "LOCAL_BEAM_ARGS = (" in (project / named).read_text(encoding="utf-8")


# 2 GiB are 2,147,483,648 bytes.
@pytest.mark.parametrize(("free", "ok"), [(2_147_483_647, False), (2_147_483_648, True)])
def test_disk_needs_two_gibibytes(tmp_path: Path, free: int, ok: bool) -> None:
    asked = []

    def free_bytes(folder: Path) -> int:
        asked.append(folder)
        return free

    check = doctor.check_free_disk(tmp_path / "not" / "yet", free_bytes)

    expected = ">= 2 GiB for runs; set-up takes 4.1 GiB"
    assert (check.found, check.expected, check.ok) == ("2.0 GiB", expected, ok)
    # The folder need not exist: its nearest parent says which disk it is.
    assert asked == [tmp_path]


def test_a_writable_output_folder_is_left_as_it_was(tmp_path: Path) -> None:
    check = doctor.check_output_folder(tmp_path / "output")

    assert check.ok
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_below_a_file_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    check = doctor.check_output_folder(tmp_path / "file" / "output")

    assert not check.ok
    assert "Not a directory" in check.found
    assert "--output" in check.hint


def test_an_output_folder_that_cannot_be_written_is_wrong() -> None:
    # Nobody can make files in /proc, root neither.
    check = doctor.check_output_folder(Path("/proc/faultline"))

    assert not check.ok
    assert check.found.startswith("/proc/faultline: ")


def test_a_damaged_version_in_service_is_named_and_does_not_stop_a_run(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_text("graph")
    assert doctor.check_pushed_versions(tmp_path) == []
    version = push_version(model, tmp_path / "serving" / "wells", now_s=100)
    assert [check.ok for check in doctor.check_pushed_versions(tmp_path)] == [True]
    (version / "saved_model.pb").write_text("half")
    [check] = doctor.check_pushed_versions(tmp_path)
    assert not check.ok
    assert check.found == "wells/100: saved_model.pb has 4 bytes instead of 5"
    assert "This machine can run the pipeline." in _rendered([check])


def _rendered(checks: list[Check]) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(doctor.render_checks(checks))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_table_hides_what_is_right_and_not_asked_for_by_name() -> None:
    hidden = Check(name="beta", found="2.0", expected="2.0", ok=True, in_table=False)

    text = _rendered([GOOD, hidden])

    assert "✓  Python" in text
    assert "beta" not in text
    assert text.rstrip().endswith("This machine can run the pipeline.")


def test_the_table_shows_what_is_wrong_and_says_a_shared_hint_once() -> None:
    wrong = [
        Check(name=name, found="[1]", expected="2", ok=False, hint="Do this.", in_table=False)
        for name in ("beta", "gamma")
    ]

    text = _rendered([GOOD, *wrong])

    assert "✗  beta" in text
    assert "[1]" in text
    assert "beta, gamma: Do this." in text
    assert text.count("Do this.") == 1
    assert text.rstrip().endswith("A run would fail here.")


def test_json_has_what_people_see_and_no_more() -> None:
    assert GOOD.to_json() == {
        "name": "Python",
        "found": "3.12.1",
        "expected": "3.12",
        "ok": True,
        "hint": "",
    }


@pytest.mark.e2e
def test_this_machine_can_run_the_pipeline(tmp_path: Path) -> None:
    checks = doctor.run_checks(tmp_path / "output", PROJECT / "requirements.lock")

    assert [check for check in checks if not check.ok] == []
    assert {"TensorFlow", "tfx", "Beam runner", "Output folder"} <= {check.name for check in checks}
    assert sys.version.startswith(checks[0].found)


def test_hints_in_a_wheel_need_no_checkout(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "load_modules", lambda _: {})
    (lock.parent / BUILT_FROM).write_text("{}")

    checks = doctor.run_checks(tmp_path / "output", lock)

    hints = {check.name: check.hint for check in checks if check.hint}
    assert "docs/package.md" in hints["alpha"]  # which is not installed here
    assert "docs/package.md" in hints["TensorFlow"]
    assert "make setup" not in " ".join(hints.values())
