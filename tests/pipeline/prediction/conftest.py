"""A pushed model, and a server that serves it."""

import pytest

from tests.pipeline.prediction import readings


@pytest.fixture(scope="session")
def pushed(tmp_path_factory):
    """An output folder with version 7 of `readings` pushed."""
    output = tmp_path_factory.mktemp("output")
    readings.write_model(output / "serving" / "readings" / "7")
    return output


@pytest.fixture(scope="session")
def server(pushed):
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
def config(tmp_path):
    """The use case's YAML."""
    return readings.write_config(tmp_path)
