"""Read-only model folders shared by the tests of the server."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base path per tiny model, each with version 1 (`half_plus_two`: 1 and 2).

    Names: half_plus_two (offset 2 in version 1, offset 3 in version 2), mixed, two_outputs,
    scalar_output, matrix, with_asset, missing_variable, native.
    """
    from tests.serving import tiny_models

    root = tmp_path_factory.mktemp("models")
    tiny_models.half_plus_two(root / "half_plus_two" / "1")
    tiny_models.half_plus_two(root / "half_plus_two" / "2", offset=3.0)
    for build in (
        tiny_models.mixed,
        tiny_models.two_outputs,
        tiny_models.scalar_output,
        tiny_models.matrix,
        tiny_models.with_asset,
        tiny_models.missing_variable,
        tiny_models.native,
    ):
        build(root / build.__name__ / "1")
    return root
