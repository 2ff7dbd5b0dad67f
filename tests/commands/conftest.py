"""A pushed model to serve."""

import pytest

from tests.pipeline.prediction import readings


@pytest.fixture(scope="session")
def pushed(tmp_path_factory):
    """An output folder with version 7 of `readings` pushed."""
    output = tmp_path_factory.mktemp("output")
    readings.write_model(output / "serving" / "readings" / "7")
    return output
