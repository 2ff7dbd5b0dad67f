"""An executed notebook as a page of the folder of reports, which needs no network."""

from pathlib import Path
from typing import Any

from pipeline.components.pages.layout import render
from pipeline.publishing.publish import publish_alone

_PLOTLY = "application/vnd.plotly.v1+json"
_SCRAP = "application/scrapbook"
_PACKAGE = "pipeline.notebooks"


def publish_notebook(executed: Path, page: Path, title: str) -> None:
    """Writes an executed notebook as HTML, and the index of reports anew.

    Args:
        executed: The notebook with its outputs.
        page: The page, in the folder of reports; plotly.js is beside it once.
        title: The page's title.
    """
    import nbformat
    from nbconvert import HTMLExporter

    notebook = nbformat.read(executed, as_version=4)
    num_plots = 0
    for cell in notebook.cells:
        outputs = [output for output in cell.get("outputs", []) if not _is_scrap(output)]
        for output in outputs:
            if _PLOTLY in output.get("data", {}):
                num_plots += 1
                output["data"] = {"text/html": _plot(output["data"][_PLOTLY], num_plots)}
        if "outputs" in cell:
            cell["outputs"] = outputs
    exporter = HTMLExporter(
        template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True
    )
    body, _ = exporter.from_notebook_node(notebook)
    page.parent.mkdir(parents=True, exist_ok=True)
    publish_alone(render(_PACKAGE, "notebook.html.j2", title=title, body=body, plots=None), page)


def _is_scrap(output: Any) -> bool:
    """Whether an output is a figure recorded for programs, which has no text."""
    return any(kind.startswith(_SCRAP) for kind in output.get("data", {}))


def _plot(figure: Any, number: int) -> str:
    """Returns a figure as HTML that takes plotly.js from the page."""
    from plotly.graph_objects import Figure

    plot = Figure(data=figure["data"], layout=figure["layout"])
    return str(plot.to_html(full_html=False, include_plotlyjs=False, div_id=f"plot-{number}"))
