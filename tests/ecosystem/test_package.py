"""The wheel in an environment of its own, in an empty folder, without the checkout."""

import json
import re
import shlex
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from common.processes import free_ports
from tests.ecosystem.installed import (
    PROJECT,
    Environment,
    build,
    commit,
    copy_checkout,
    new_environment,
    packages,
)

pytestmark = pytest.mark.ecosystem

_TUTORIAL = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def tutorial(language: str) -> list[str]:
    """The blocks of the tutorial in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", _TUTORIAL, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return copy_checkout(tmp_path_factory.mktemp("package") / "checkout")


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    return build("wheel", checkout, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """The wheel, and another distribution that is named as one of our packages is."""
    made = new_environment(tmp_path_factory.mktemp("environment") / "venv")
    made.install("--no-deps", str(wheel))
    made.borrow_dependencies()
    other = made.site_packages / "datasets"
    other.mkdir()
    (other / "__init__.py").write_text("OWNER = 'another distribution'\n")
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("empty")


def contents(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel by name."""
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_nothing_but_faultline_is_at_the_top_of_an_environment(wheel):
    tops = {name.split("/")[0] for name in contents(wheel)}
    assert tops == {"faultline.py", "faultline_home", "faultline-0.1.0.dist-info"}
    listed = contents(wheel)["faultline-0.1.0.dist-info/top_level.txt"]
    assert listed == b"faultline\n"


def test_the_wheel_holds_every_file_of_its_packages(wheel, checkout):
    files = [path for name in packages() for path in (checkout / name).rglob("*")]
    sources = [path for path in files if path.is_file() and path.suffix != ".pyc"]
    expected = {f"faultline_home/{path.relative_to(checkout)}" for path in sources}
    held = contents(wheel).keys()
    assert expected - held == set()
    assert not any("__pycache__" in name for name in held)


def test_the_wheel_knows_the_commit_that_it_was_built_from(wheel, checkout):
    record = json.loads(contents(wheel)["faultline_home/built_from.json"])
    assert record == {"commit": commit(checkout), "dirty": False, "note": ""}


def test_a_source_distribution_builds_the_same_wheel(wheel, checkout, tmp_path):
    archive = build("sdist", checkout, tmp_path / "sdist")
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    [source] = tmp_path.glob("faultline-*")
    direct, again = contents(wheel), contents(build("wheel", source, tmp_path / "wheel"))
    assert again.keys() == direct.keys()
    differing = {name for name in again if again[name] != direct[name]}
    assert differing <= {"faultline-0.1.0.dist-info/RECORD"}


def test_an_earlier_build_leaves_nothing_in_the_wheel(checkout, tmp_path):
    stale = checkout / "build" / "lib" / "faultline_home" / "pipeline" / "gone.py"
    stale.parent.mkdir(parents=True, exist_ok=True)
    stale.write_text("")
    names = contents(build("wheel", checkout, tmp_path))
    assert "faultline_home/pipeline/create.py" in names
    assert "faultline_home/pipeline/gone.py" not in names


def test_an_editable_install_leaves_the_sources_where_they_are(checkout, tmp_path):
    texts = contents(build("editable", checkout, tmp_path))
    assert not any(name.startswith("faultline_home") for name in texts)
    [finder] = [text.decode() for name, text in texts.items() if name.endswith("_finder.py")]
    assert f"'pipeline': '{checkout / 'pipeline'}'" in finder


def test_other_programs_find_the_other_package_and_ours_finds_its_own(environment, folder):
    program = "import datasets, faultline; print(getattr(datasets, 'OWNER', datasets.__file__))"
    other = environment.run("python", "-c", program, cwd=folder)
    assert other.stdout == "another distribution\n", other.stderr
    own = environment.run("faultline-python", "-c", program, cwd=folder)
    home = environment.site_packages / "faultline_home"
    assert own.stdout == f"{home / 'datasets' / '__init__.py'}\n", own.stderr


def test_another_package_cannot_be_imported_by_our_names(environment, folder):
    done = environment.run("python", "-c", "import pipeline", cwd=folder)
    assert "No module named 'pipeline'" in done.stderr


@pytest.fixture(scope="module")
def followed(environment, folder) -> Iterator[str]:
    """The folder in which the commands of the tutorial were run; yields what they printed."""
    [program] = tutorial("python")
    assert "`make_readings.py`" in _TUTORIAL
    (folder / "make_readings.py").write_text(program)
    printed = []
    for line in "".join(tutorial("sh")).splitlines():
        done = environment.run(*shlex.split(line), cwd=folder)
        assert done.returncode == 0, f"{line}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        printed.append(done.stdout)
    return "\n".join(printed)


def test_the_tutorial_ends_with_a_pushed_model_in_an_empty_folder(followed, folder):
    assert "BLESSED version" in followed
    assert list((folder / "output" / "serving" / "readings").glob("[0-9]*"))


def test_the_second_run_takes_every_step_from_the_cache(followed):
    assert "ran " in followed
    assert "cached" in followed


def test_lineage_shows_the_commit_of_the_checkout(followed, checkout):
    assert commit(checkout)[:12] in followed


@contextmanager
def serving(environment: Environment, folder: Path, ports: tuple[int, int]) -> Iterator[None]:
    """Runs the tutorial's server on free ports."""
    command = [
        *shlex.split(tutorial("bash")[0]),
        *("--", f"--port={ports[0]}", f"--rest_api_port={ports[1]}"),
    ]
    log = folder / "serve.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment.variables(), stdout=stream, stderr=stream
        )
    try:
        deadline = time.monotonic() + 120
        while "New versions are served" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.usefixtures("followed")
def test_the_server_answers_the_tutorials_requests_and_those_of_the_client_alone(
    environment, folder, checkout, tmp_path
):
    client = new_environment(tmp_path / "client")
    client.install(str(build("wheel", checkout / "clients" / "python", tmp_path / "wheel")))
    grpc_port, rest_port = free_ports(2)
    predict, _, ask = tutorial("bash")[1].partition("\n")
    ask = ask.replace(":8501", f":{rest_port}")
    program = "import sys; from faultline_client import Client\n"
    program += "for server in sys.argv[1:]:\n"
    program += "    with Client(server, model='readings') as client:\n"
    program += "        row = {'pressure': 6.1, 'temperature': 318.0, 'maker': 'c'}\n"
    program += "        print(float(client.predict([row])['probability'].ravel()[0]))\n"
    servers = (f"grpc://127.0.0.1:{grpc_port}", f"http://127.0.0.1:{rest_port}")
    with serving(environment, folder, (grpc_port, rest_port)):
        server = ("--server", servers[0])
        by_table = environment.run(*shlex.split(predict), *server, cwd=folder)
        by_curl = environment.run("bash", "-c", ask, cwd=folder)
        by_client = client.run("python", "-c", program, *servers, cwd=folder)
    assert by_table.returncode == 0, by_table.stderr
    assert len((folder / "predictions.csv").read_text().splitlines()) == 1 + 2_000
    assert by_client.returncode == 0, by_client.stderr
    probabilities = [float(line) for line in by_client.stdout.split()]
    # Pressure and temperature two deviations up, and maker c: a strain of 4.9, far above 2.
    assert probabilities[0] > 0.5
    assert probabilities[1] == pytest.approx(probabilities[0], rel=1e-6)
    [answer] = json.loads(by_curl.stdout)["predictions"]
    assert answer["probability"] == pytest.approx([probabilities[0]], rel=1e-6)


@pytest.mark.usefixtures("followed")
def test_doctor_is_content_with_the_wheel(environment, folder):
    done = environment.run("faultline", "doctor", cwd=folder)
    assert done.returncode == 0, done.stdout
    assert "This machine can run the pipeline." in done.stdout


@pytest.mark.usefixtures("followed")
def test_the_built_in_configs_and_the_other_runners_are_found(environment, folder):
    dry_run = ("-m", "beam_runner", "--engine", "local", "--dry_run")
    done = environment.run("faultline-python", *dry_run, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "\nTrainer              this process" in done.stdout


@pytest.mark.usefixtures("followed")
def test_no_process_loaded_a_module_of_the_checkout(environment):
    assert not environment.leaks.exists(), environment.leaks.read_text()
