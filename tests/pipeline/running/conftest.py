from collections.abc import Iterator

import pytest

from common.guards.stopping import stop_signals


@pytest.fixture
def heeded_signals() -> Iterator[None]:
    """Ctrl-C raises `Stopped`, as in a command; the request is forgotten after the test."""
    with stop_signals():
        yield
    with stop_signals():
        pass
