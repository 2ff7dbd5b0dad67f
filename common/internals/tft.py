"""Private names of TensorFlow Transform."""

from typing import Any

from tensorflow_transform.beam import analyzer_cache
from tensorflow_transform.saved.saved_transform_io_v2 import SavedModelLoader

VERSION = "1.21"
NAMES = (
    "tensorflow_transform.beam.analyzer_cache:_ManifestFile.read",
    "tensorflow_transform.beam.analyzer_cache:_ManifestFile.write",
    "tensorflow_transform.saved.saved_transform_io_v2:SavedModelLoader.apply_transform_model",
    "tensorflow_transform.saved.saved_transform_io_v2:SavedModelLoader()._imported",
)


def cache_manifest(folder: str) -> Any:
    """Returns the manifest of a data set in an analyzer cache: cache entry to file number."""
    return analyzer_cache._ManifestFile(folder)


class TransformLoader:
    """A saved transform graph.

    Attributes:
        trackable: The loaded graph with its tables, for a `tf.Module` that exports it.
    """

    def __init__(self, folder: str) -> None:
        self._loader = SavedModelLoader(folder)
        self.trackable: Any = self._loader._imported

    def apply(self, raw: Any) -> dict[str, Any]:
        """Returns the transformed features of parsed raw columns."""
        return dict(self._loader.apply_transform_model(raw))
