"""Removes leftovers and marks their artifacts as deleted in ML Metadata."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from rich.console import Group, RenderableType
from rich.table import Table

from common.output_folder import OutputFolder
from pipeline.cleaning.leftovers import Leftover, find_leftovers
from pipeline.cleaning.needs import find_needs
from pipeline.lineage.graph import read_graph
from pipeline.publishing.index import write_index

_DELETED = metadata_store_pb2.Artifact.DELETED
_IDS_A_CALL = 500
_UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, kw_only=True)
class CleanUp:
    """The result of a clean-up.

    Attributes:
        kept: Ids of the runs that are kept, the oldest first.
        leftovers: The folders.
        is_dry_run: Whether nothing was removed.
    """

    kept: tuple[str, ...]
    leftovers: tuple[Leftover, ...]
    is_dry_run: bool

    @property
    def num_bytes(self) -> int:
        """Size of all files."""
        return sum(one.num_bytes for one in self.leftovers)

    def to_json(self) -> dict[str, Any]:
        """Returns plain values for a JSON document."""
        return {
            "dry_run": self.is_dry_run,
            "kept_runs": list(self.kept),
            "num_bytes": self.num_bytes,
            "removed": [
                {"kind": one.kind, "path": str(one.path), "num_bytes": one.num_bytes}
                for one in self.leftovers
            ],
        }


def clean(store: MetadataStore, folder: OutputFolder, *, keep: int, dry_run: bool) -> CleanUp:
    """Removes the files of old runs; the caller holds the output folder's lock.

    ML Metadata keeps the record of every run, for `runs` and `lineage`. The artifacts are marked as
    deleted before their files are removed: no step takes them from the cache, and a killed clean-up
    leaves no live artifact with missing files.

    Args:
        store: The metadata store.
        folder: The output folder.
        keep: How many runs of each use case are kept, at least 1.
        dry_run: Only report.
    """
    graph = read_graph(store)
    needs = find_needs(graph, folder, keep)
    leftovers = find_leftovers(graph, folder, needs)
    if not dry_run:
        _mark_deleted(store, [i for leftover in leftovers for i in leftover.artifacts])
        for leftover in leftovers:
            shutil.rmtree(leftover.path)
        if folder.reports.is_dir():
            write_index(folder.reports)
    kept = tuple(run_id for run_id in graph.runs if run_id in needs.runs)
    return CleanUp(kept=kept, leftovers=tuple(leftovers), is_dry_run=dry_run)


def _mark_deleted(store: MetadataStore, artifact_ids: Sequence[int]) -> None:
    for start in range(0, len(artifact_ids), _IDS_A_CALL):
        artifacts = store.get_artifacts_by_id(artifact_ids[start : start + _IDS_A_CALL])
        for artifact in artifacts:
            artifact.state = _DELETED
        store.put_artifacts(artifacts)


def render_clean_up(done: CleanUp) -> RenderableType:
    """Returns a table of the removed folders by kind, with sizes."""
    table = Table(box=None, pad_edge=False)
    for header in ("removed", "folders", "size"):
        table.add_column(header, justify="left" if header == "removed" else "right")
    for kind in dict.fromkeys(one.kind for one in done.leftovers):
        sizes = [one.num_bytes for one in done.leftovers if one.kind == kind]
        table.add_row(kind, f"{len(sizes):,}", format_size(sum(sizes)))
    word = "Would remove" if done.is_dry_run else "Removed"
    runs = f"{len(done.kept)} run{'' if len(done.kept) == 1 else 's'}"
    closing = f"{word} {format_size(done.num_bytes)}; {runs} kept: {', '.join(done.kept)}"
    if not done.leftovers:
        return f"Nothing to remove; {runs} kept."
    paths = "\n".join(str(one.path) for one in done.leftovers) if done.is_dry_run else ""
    return Group(*([paths, ""] if paths else []), table, closing)


def format_size(num_bytes: int) -> str:
    """Returns a size in decimal units.

    >>> format_size(999), format_size(1_500_000)
    ('999 B', '1.5 MB')
    """
    size, unit = float(num_bytes), 0
    while size >= 1_000 and unit < len(_UNITS) - 1:
        size, unit = size / 1_000, unit + 1
    return f"{size:.0f} B" if not unit else f"{size:.1f} {_UNITS[unit]}"
