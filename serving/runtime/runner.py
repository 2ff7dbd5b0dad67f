"""The interface of a graph runner, which lets batching import no TensorFlow."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray


class Runner(Protocol):
    """Runs a graph, one call at a time or batched with concurrent calls."""

    def run(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> list[NDArray[Any]]:
        """Returns the fetched arrays; see `Servable.run`."""
        ...
