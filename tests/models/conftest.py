from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def transform_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The transform graph of the tiny data set; made once, for it takes seconds."""
    from tests.models.tiny_transform import write_transform

    folder: Path = tmp_path_factory.mktemp("tiny") / "transform"
    write_transform(folder)
    return folder
