"""The stamp on every page: run, time, version, verdict, data and code."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from common.output_folder import replace_file
from pipeline.components.pages.layout import render
from pipeline.lineage.graph import Graph, Run
from pipeline.lineage.runs import run_row

STAMP_FILE = "stamp.json"
PACKAGE = "pipeline.publishing"
_UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """The run of a page, with its data and code.

    Attributes:
        run_id: The run's id.
        use_case: Name of the use case.
        started: When the run began, such as `2026-11-23T10:15:00Z`.
        verdict: The verdict on its model; empty where the run did not get that far.
        version: The pushed version; empty where nothing was pushed.
        data_digest: SHA-256 of the data's files, or `unknown`.
        commit: The commit of the code in short, with a note on uncommitted changes.
    """

    run_id: str
    use_case: str
    started: str
    verdict: str
    version: str
    data_digest: str
    commit: str

    def to_html(self) -> str:
        """Returns the stamp as HTML."""
        return render(PACKAGE, "stamp.html.j2", stamp=self)

    def write(self, folder: Path) -> None:
        """Writes `stamp.json`, which the index reads."""
        text = json.dumps(dataclasses.asdict(self), indent=2)
        # A monitor may write the index, and so read the stamp, at the same time.
        replace_file(folder / STAMP_FILE, f"{text}\n".encode())


def make_stamp(graph: Graph, run: Run) -> Stamp:
    """Returns the stamp of a run that is recorded in ML Metadata."""
    row = run_row(graph, run, may_be_running=False)
    return Stamp(
        run_id=run.id,
        use_case=run.use_case,
        started=row.started,
        verdict=row.verdict,
        version=row.version,
        data_digest=str(row.data.get("data_digest", _UNKNOWN)),
        commit=run.provenance.git_label if run.provenance else _UNKNOWN,
    )


def read_stamp(folder: Path) -> Stamp | None:
    """Returns the stamp of a run's folder of pages, or None where there is none."""
    path = folder / STAMP_FILE
    return Stamp(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
