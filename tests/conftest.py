"""Fixtures that the tests of every folder may use."""

from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
SHARED_DATA = PROJECT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's root."""
    return PROJECT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data sets that lie beside a checkout; tests of them are skipped elsewhere."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data sets are not there: no folder ../shared/data")
    return SHARED_DATA
