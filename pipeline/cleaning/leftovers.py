"""Leftovers: folders of old runs, their reports, and unneeded artifacts."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.output_folder import OutputFolder
from pipeline.cleaning.needs import Needs, place_of
from pipeline.lineage.graph import Graph
from pipeline.publishing.stamp import STAMP_FILE

RUNS, REPORTS, ARTIFACTS, HALF_WRITTEN, SCRATCH, REVISIONS = (
    "folders of runs",
    "reports of runs",
    "artifacts",
    "half-written artifacts",
    "scratch folders of steps",
    "fetched revisions of data",
)
# TFX's own folder beside a step's outputs.
_SYSTEM = ".system"
_EXECUTIONS = "executor_execution"
# The parts of `NAME/STEP/KEY/ID`.
_DEPTH = 4


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A folder to remove.

    Attributes:
        kind: What it is.
        path: The folder.
        num_bytes: Size of its files.
        artifacts: Ids of the artifacts whose files it has.
    """

    kind: str
    path: Path
    num_bytes: int
    artifacts: tuple[int, ...] = ()


def find_leftovers(graph: Graph, folder: OutputFolder, needs: Needs) -> list[Leftover]:
    """Returns the folders to remove, in a fixed order.

    Args:
        graph: Everything that ML Metadata holds.
        folder: The output folder.
        needs: The runs and artifacts to keep.
    """
    places: dict[Path, list[int]] = {}
    for artifact in graph.artifacts.values():
        place = place_of(artifact.uri, folder)
        if place is not None:
            # An artifact may be a folder below, where a step has several outputs of a key.
            parts = place.relative_to(folder.artifacts).parts[:_DEPTH]
            places.setdefault(folder.artifacts.joinpath(*parts), []).append(artifact.id)
    return [
        *(_leftover(RUNS, path) for path in _old(folder.run("x").parent, needs, "*")),
        *(
            _leftover(REPORTS, path)
            for path in _old(folder.reports, needs, "*/*")
            if (path / STAMP_FILE).is_file()
        ),
        *_old_artifacts(folder, needs, places),
        *(_leftover(SCRATCH, path) for path in _old_scratch(folder, needs)),
        *(_leftover(REVISIONS, path) for path in _old_revisions(graph, folder, needs)),
    ]


def _old(parent: Path, needs: Needs, pattern: str) -> list[Path]:
    """Folders named after runs that are not kept."""
    return [
        path
        for path in sorted(parent.glob(pattern))
        if path.is_dir() and path.name not in needs.runs
    ]


def _old_artifacts(
    folder: OutputFolder, needs: Needs, places: dict[Path, list[int]]
) -> Iterator[Leftover]:
    """Folders `artifacts/NAME/STEP/KEY/ID` without a needed artifact."""
    for path in sorted(folder.artifacts.glob("*/*/*/*")):
        if not path.is_dir() or path.is_symlink() or _SYSTEM in path.parts:
            continue
        ids = places.get(path, [])
        if not needs.artifacts & set(ids):
            yield _leftover(ARTIFACTS if ids else HALF_WRITTEN, path, tuple(sorted(ids)))


def _old_scratch(folder: OutputFolder, needs: Needs) -> list[Path]:
    """TFX's working folders of executions that are not kept."""
    return [
        path
        for path in sorted(folder.artifacts.glob(f"*/*/{_SYSTEM}/{_EXECUTIONS}/*"))
        if path.is_dir() and not (path.name.isdecimal() and int(path.name) in needs.steps)
    ]


def _old_revisions(graph: Graph, folder: OutputFolder, needs: Needs) -> list[Path]:
    """Folders of data under DVC at revisions that no kept run has read, and drafts of them."""
    kept = {one.revision for run_id in needs.runs for one in graph.runs[run_id].data_versions}
    return [
        path
        for path in sorted(folder.data_versions.glob("*"))
        if path.is_dir() and path.name not in kept
    ]


def _leftover(kind: str, path: Path, artifacts: tuple[int, ...] = ()) -> Leftover:
    return Leftover(kind=kind, path=path, num_bytes=_size(path), artifacts=artifacts)


def _size(folder: Path) -> int:
    """Total size of a folder's files; links are not followed."""
    return sum(
        (Path(root) / name).lstat().st_size for root, _, names in os.walk(folder) for name in names
    )
