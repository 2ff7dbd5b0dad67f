"""Publishes a run's pages: `reports/NAME/RUN/PAGE.html`, and the latest as `PAGE-NAME.html`."""

from importlib import resources
from pathlib import Path

from common.output_folder import replace_file
from pipeline.components.pages.layout import HISTORY_MARK, ROOT_MARK, STAMP_MARK
from pipeline.lineage.graph import Graph, Run
from pipeline.lineage.runs import run_output
from pipeline.publishing.history import render_history
from pipeline.publishing.index import INDEX_FILE, write_index
from pipeline.publishing.model_card.artifact import PAGE_FILE as CARD_FILE
from pipeline.publishing.stamp import Stamp, make_stamp

# The pages that steps make: name, type of the artifact and file in it.
_PAGES = (
    ("data", "DataPage", "data.html"),
    ("model", "ModelPage", "model.html"),
    ("errors", "ErrorAnalysis", "errors.html"),
)
_GATE = "AnomalyGate"
_PLOTLY_FILE = "assets/plotly.min.js"


def publish_run(graph: Graph, run: Run, reports: Path, *, card: Path | None = None) -> list[Path]:
    """Publishes the pages that a run made or took from the cache.

    A run that AnomalyGate stopped gets its data page here.

    Pages of earlier runs are kept. The pages `PAGE-NAME.html` are copies, not links, so that a copy
    of the folder works anywhere.

    Args:
        graph: Everything that ML Metadata holds.
        run: The run, complete or stopped.
        reports: The folder of reports.
        card: Folder of the card of the version that the run pushed; None without one.

    Returns:
        The pages `PAGE-NAME.html` and then the index; empty if the run made no page.
    """
    stamp = make_stamp(graph, run)
    pages = {name: _page_of_step(graph, run, kind, file) for name, kind, file in _PAGES}
    if pages["data"] is None:
        pages["data"] = _page_of_refused_data(graph, run, reports)
    if card is not None:
        pages["card"] = (card / CARD_FILE).read_text(encoding="utf-8")
    latest = []
    for name, page in pages.items():
        if page is None:
            continue
        has_history = HISTORY_MARK in page
        html = page.replace(HISTORY_MARK, render_history(graph, run)) if has_history else page
        publish_page(html, name, stamp, reports)
        path = reports / f"{name}-{run.use_case}.html"
        replace_file(path, _filled(html, stamp, root=""))
        latest.append(path)
    if reports.is_dir():  # a stopped run may have left other reports there
        write_index(reports)
    return [*latest, reports / INDEX_FILE] if latest else []


def _page_of_step(graph: Graph, run: Run, type_name: str, file_name: str) -> str | None:
    artifact = run_output(graph, run, type_name)
    source = None if artifact is None else Path(artifact.uri) / file_name
    return source.read_text(encoding="utf-8") if source is not None and source.is_file() else None


def _page_of_refused_data(graph: Graph, run: Run, reports: Path) -> str | None:
    if not any(step.node == _GATE and step.state == "failed" for step in run.steps):
        return None
    # It imports TensorFlow, which publishing another page does not need.
    from pipeline.publishing.stopped_run import render_refused_data

    return render_refused_data(graph, run, reports)


def publish_page(html: str, name: str, stamp: Stamp, reports: Path) -> Path:
    """Writes one page into its run's folder and returns its path.

    Args:
        html: The page, with the marks of `pipeline.components.pages.layout`.
        name: The page's name, without `.html`.
        stamp: Its run.
        reports: The folder of reports; plotly.js is written there once.
    """
    folder = reports / stamp.use_case / stamp.run_id
    folder.mkdir(parents=True, exist_ok=True)
    stamp.write(folder)
    _write_plotly(reports)
    path = folder / f"{name}.html"
    replace_file(path, _filled(html, stamp, root="../../"))
    return path


def publish_alone(html: str, path: Path, *, mode: int = 0o666) -> None:
    """Writes a page that belongs to no run into the folder of reports, and the index anew.

    Args:
        html: The page, with the marks of `pipeline.components.pages.layout`.
        path: The page's file; plotly.js is written beside it once.
        mode: Permissions of the page, less those that the umask takes.
    """
    _write_plotly(path.parent)
    replace_file(path, _filled(html, None, root=""), mode=mode)
    write_index(path.parent)


def _filled(html: str, stamp: Stamp | None, *, root: str) -> bytes:
    head = stamp.to_html() if stamp else ""
    return html.replace(STAMP_MARK, head).replace(ROOT_MARK, root).encode()


def _write_plotly(reports: Path) -> None:
    """Writes plotly.js unless the same release is already there."""
    content = (resources.files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    path = reports / _PLOTLY_FILE
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)
