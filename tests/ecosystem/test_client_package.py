"""The client's own distribution, in an environment with nothing but its dependencies."""

import sys
import tarfile
import textwrap

import pytest

from tests.ecosystem.installed import build, copy_checkout, new_environment
from tests.serving.client.fake_servers import SERVERS, FakeModel

pytestmark = pytest.mark.ecosystem

# The model of the fake servers adds its version to every `x`.
_PROGRAM = """
    import asyncio
    import sys

    from faultline_client import AsyncClient, Client, Predictions

    def ask(server: str) -> Predictions:
        with Client(server, model="m", timeout_s=30.0) as client:
            return client.predict([{"x": 1.5}, {"x": 2.0}])

    async def ask_later(server: str) -> Predictions:
        async with AsyncClient(server, model="m", timeout_s=30.0) as client:
            return await client.predict([{"x": 1.5}, {"x": 2.0}])

    for answer in (ask(sys.argv[1]), asyncio.run(ask_later(sys.argv[1]))):
        print(answer["y"].tolist())
    heavy = {"tensorflow", "tfx", "serving", "pandas", "pyarrow"} & set(sys.modules)
    print(sorted(heavy))
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return copy_checkout(tmp_path_factory.mktemp("client") / "checkout") / "clients" / "python"


@pytest.fixture(scope="module")
def environment(sources, tmp_path_factory):
    """The wheel, by way of the source distribution, and what it needs."""
    scratch = tmp_path_factory.mktemp("built")
    with tarfile.open(build("sdist", sources, scratch)) as file:
        file.extractall(scratch, filter="data")
    [unpacked] = [path for path in scratch.iterdir() if path.is_dir()]
    made = new_environment(scratch / "venv")
    made.install(str(build("wheel", unpacked, scratch / "wheel")))
    return made


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "ask.py"
    path.write_text(textwrap.dedent(_PROGRAM))
    return path


@pytest.mark.parametrize("wire", SERVERS)
def test_the_client_asks_a_server_without_tensorflow(environment, program, wire):
    with SERVERS[wire](FakeModel()) as server:
        done = environment.run("python", str(program), server, cwd=program.parent)
    assert done.returncode == 0, done.stderr
    # Version 1: 1.5 + 1 and 2 + 1; by both clients, and nothing heavy was loaded.
    assert done.stdout == "[2.5, 3.0]\n[2.5, 3.0]\n[]\n"


def check_types(environment, program):
    """Runs this environment's mypy on a program that is to run in the client's."""
    return environment.run(
        *(sys.executable, "-m", "mypy", "--strict", "--config-file="),
        *("--cache-dir", str(program.parent / "cache")),
        *("--python-executable", str(environment.python), str(program)),
        cwd=program.parent,
    )


def test_mypy_sees_the_types(environment, program):
    done = check_types(environment, program)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("Client('http://h:1', model='m', timeout_s='1')", "incompatible type"),
        ("Client('http://h:1', model='m', time_out_s=1)", "Unexpected keyword argument"),
        ("Client('http://h:1', model='m').predictt([])", "has no attribute"),
    ],
)
def test_mypy_refuses_a_wrong_call(environment, program, call, complaint):
    program.write_text(f"from faultline_client import Client\n{call}\n")
    done = check_types(environment, program)
    assert done.returncode == 1, done.stdout
    assert complaint in done.stdout


def test_a_client_that_needs_more_of_serving_is_not_built(sources, tmp_path):
    copied = sources.parents[1] / "serving" / "client" / "more.py"
    copied.write_text("from serving.options import ServerOptions\n")
    try:
        with pytest.raises(AssertionError, match=r"more\.py imports serving\.options"):
            build("wheel", sources, tmp_path)
    finally:
        copied.unlink()
