"""Output folders that no earlier step has written to.

TFX names an output folder after the execution's id. The ids start again with a new or restored
metadata store, so the folder may hold files of another history, and a step would mix its own with
them. Nothing is removed or moved: another store may still refer to the old folder.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from tfx.dsl.io import fileio
from tfx.orchestration.portable.outputs_utils import OutputsResolver
from tfx.types.artifact import Artifact
from tfx.types.value_artifact import ValueArtifact


class FreshOutputs(OutputsResolver):  # type: ignore[misc]
    """TFX's choice of folders for a step, each one absent or empty.

    A folder that holds files gets a number behind its name: `41`, `41-2`, `41-3`. A second attempt
    at a step never gets the folder of the first: workers on an engine may still write to it.
    """

    _given: set[str] = set()  # noqa: RUF012 - shared by all attempts of this process

    def generate_output_artifacts(self, execution_id: int) -> dict[str, list[Artifact]]:
        """Returns the output artifacts of an execution, with folders of their own."""
        outputs: dict[str, list[Artifact]] = super().generate_output_artifacts(execution_id)
        for artifact in (one for artifacts in outputs.values() for one in artifacts):
            if not artifact.is_external:
                artifact.uri = self._fresh(artifact)
        return outputs

    def get_executor_output_uri(self, execution_id: int) -> str:
        """Returns the file for an executor's result, which TFX reads back if it exists."""
        uri = str(super().get_executor_output_uri(execution_id))
        if fileio.exists(uri):
            fileio.remove(uri)
        return uri

    def make_tmp_dir(self, execution_id: int) -> str:
        """Returns an empty temporary folder; scratch files of another history are removed."""
        folder = str(super().make_tmp_dir(execution_id))
        fileio.rmtree(folder)
        return str(super().make_tmp_dir(execution_id))

    def _fresh(self, artifact: Artifact) -> str:
        # The value of a `ValueArtifact` is a file in its folder.
        uri = PurePosixPath(artifact.uri)
        is_value = isinstance(artifact, ValueArtifact)
        # A URL has two slashes, which a path would fold into one.
        folder = artifact.uri.removesuffix(f"/{uri.name}") if is_value else artifact.uri
        chosen = next(
            name for name in _numbered(folder) if name not in self._given and is_unused(name)
        )
        self._given.add(chosen)
        return f"{chosen}/{uri.name}" if is_value else chosen


def _numbered(folder: str) -> Iterator[str]:
    yield folder
    number = 2
    while True:
        yield f"{folder}-{number}"
        number += 1


def is_unused(folder: str) -> bool:
    """Whether a folder is absent or empty."""
    return not fileio.exists(folder) or (fileio.isdir(folder) and not fileio.listdir(folder))
