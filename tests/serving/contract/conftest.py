"""The server under test: a running one that is named, or one that the suite starts.

`FAULTLINE_CONTRACT_GRPC` and `FAULTLINE_CONTRACT_REST` name a running server by `host:port`,
`FAULTLINE_CONTRACT_BINARY` names a program that is started in place of the embedded server.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.contract.launching import LaunchedServer
from tests.serving.contract.rows import DEVIATIONS, GATEWAY_DEVIATIONS
from tests.serving.contract.wires import Grpc, Rest

HERE = Path(__file__).parent
COVERED = pytest.StashKey[dict[str, list[str]]]()


def is_embedded() -> bool:
    """Whether the server under test is the one that is started when nothing is named."""
    variables = ("FAULTLINE_CONTRACT_GRPC", "FAULTLINE_CONTRACT_BINARY")
    return not any(os.environ.get(name) for name in variables)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "contract_row(name): the row of the contract")


def _gateway_deviation(item: pytest.Item) -> str | None:
    """Returns why a test cannot pass through the gateway; None if it can, or goes without it."""
    call = getattr(item, "callspec", None)
    if call is None or call.params.get("served") != "gateway":
        return None
    reasons = [reason for part, reason in GATEWAY_DEVIATIONS.items() if part in item.name]
    return reasons[0] if reasons else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Remembers the rows of all tests, before any is deselected; marks known deviations."""
    covered: dict[str, list[str]] = {}
    for item in items:
        if HERE in item.path.parents:
            for mark in item.iter_markers("contract_row"):
                covered.setdefault(mark.args[0], []).append(item.path.name)
                if mark.args[0] in DEVIATIONS and is_embedded():
                    reason = DEVIATIONS[mark.args[0]]
                    item.add_marker(pytest.mark.xfail(strict=True, reason=reason))
            if why := _gateway_deviation(item):
                item.add_marker(pytest.mark.xfail(strict=True, reason=why))
            covered.setdefault("", []).append(item.path.name)
    config.stash[COVERED] = covered


@pytest.fixture(scope="session")
def covered(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """Test files by row; skips unless every file of the suite was collected."""
    rows = request.config.stash[COVERED]
    missing = {path.name for path in HERE.glob("test_*.py")} - set(rows[""])
    if missing:
        pytest.skip(f"only a run of the whole folder can tell; not collected: {missing}")
    return {row: files for row, files in rows.items() if row}


@pytest.fixture(scope="session")
def remote() -> dict[str, str]:
    """Addresses of a running server by wire; empty if one has to be started."""
    named = {
        wire: os.environ.get(f"FAULTLINE_CONTRACT_{wire.upper()}") for wire in ("grpc", "rest")
    }
    given = {wire: address for wire, address in named.items() if address}
    if len(given) == 1:
        raise pytest.UsageError(
            "Set both FAULTLINE_CONTRACT_GRPC and FAULTLINE_CONTRACT_REST, or neither; "
            f"got only {given}."
        )
    return given


@pytest.fixture(scope="session")
def launch(
    remote: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., LaunchedServer]]:
    """Starts a server: `launch(port=..., model_name=...)`; stopped when the session ends."""
    if remote and not os.environ.get("FAULTLINE_CONTRACT_BINARY"):
        pytest.skip(
            "this row needs a server of its own: a running one was named, but no "
            "FAULTLINE_CONTRACT_BINARY to start another"
        )
    logs = tmp_path_factory.mktemp("logs")
    started: list[LaunchedServer] = []
    numbers = itertools.count()

    def start(**flags: Any) -> LaunchedServer:
        server = LaunchedServer(flags, logs / f"{next(numbers)}.log")
        started.append(server)
        return server

    yield start
    for server in started:
        server.process.terminate()
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def server(
    remote: dict[str, str],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, str]:
    """Addresses, gRPC then REST, of the server with all models of the suite."""
    if remote:
        return remote["grpc"], remote["rest"]
    from tests.serving.contract import models

    folder = tmp_path_factory.mktemp("contract")
    models.write_models(folder)
    models.write_configs(folder, served_from=folder)
    server = request.getfixturevalue("launch")(
        model_config_file=folder / "models.config",
        monitoring_config_file=folder / "monitoring.config",
        allow_version_labels_for_unavailable_models="true",
        enable_grpc_healthcheck_service="true",
    )
    server.wait_until_open()
    return server.grpc_address, server.rest.address


@pytest.fixture(scope="session")
def gateway(
    server: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Addresses of a gateway in front of that server."""
    from tests.serving.contract.gateway import in_front_of

    with in_front_of(*server, folder=tmp_path_factory.mktemp("gateway")) as addresses:
        yield addresses


@pytest.fixture(scope="session", params=["server", "gateway"])
def served(request: pytest.FixtureRequest, remote: dict[str, str]) -> tuple[str, str]:
    """Addresses, gRPC then REST, that answer all tests without a state."""
    if remote and request.param == "gateway":
        pytest.skip("the gateway is tested in front of the embedded server")
    addresses: tuple[str, str] = request.getfixturevalue(request.param)
    return addresses


@pytest.fixture(scope="session")
def rest(served: tuple[str, str]) -> Rest:
    return Rest(address=served[1])


@pytest.fixture(scope="session")
def stubs(served: tuple[str, str]) -> Iterator[Grpc]:
    grpc = Grpc(served[0])
    yield grpc
    grpc.close()
