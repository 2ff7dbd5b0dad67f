"""The config of the use case `readings`, and a server that serves its model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.prediction import readings


@pytest.fixture(scope="session")
def server(pushed: Path) -> Iterator[dict[str, str]]:
    """The embedded server on the pushed model: addresses by wire."""
    from serving.options import ServerOptions
    from serving.server import ModelServer

    options = ServerOptions(
        model_name="readings",
        model_base_path=str(pushed / "serving" / "readings"),
        port=0,
        rest_api_port=-1,
    )
    with ModelServer(options) as running:
        yield {
            "grpc": f"grpc://127.0.0.1:{running.grpc_port}",
            "rest": f"http://127.0.0.1:{running.rest_port}",
        }


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The use case's YAML."""
    return readings.write_config(tmp_path)
