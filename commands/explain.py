"""`faultline explain`: one answer of a model, in the terminal and on a page."""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group

from commands.queries import open_runs, print_answer
from common.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """What the command line says.

    Attributes:
        row: Number of the row, as the argument.
        number: The same as an option.
        where: `COLUMN=VALUE` of one row, instead of its number.
        data: A data file with the row; None for the test split.
        request: A JSON request that is the row.
        reference: A run id, or a pushed version; None for the latest version of the use case.
        config_path: The YAML of the use case; None for the configuration that the run recorded.
        output: The output folder.
        as_json: JSON on standard output instead of tables.
    """

    row: int | None
    number: int | None
    where: str | None
    data: str | None
    request: str | None
    reference: str | None
    config_path: Path | None
    output: Path
    as_json: bool


def _write_page(write: Callable[[], Path]) -> Path | None:
    """Returns the page that was written, or None where this account may not write."""
    try:
        return write()
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise
        return None


def print_explanation(options: ExplainOptions) -> int:
    """Explains a model's prediction for a row; returns the exit code.

    The page is not written where this account may not write.
    """
    from common.output_folder import OutputFolder, captured_output, log_of_reader

    if options.row is not None and options.number is not None:
        raise InputError("Give the row's number once: as ROW or with --row.")
    store = open_runs(options.config_path, options.output)
    folder = OutputFolder(options.output.absolute())
    log = log_of_reader(folder.reports / "explain.log")
    with captured_output(log):  # TensorFlow's start-up messages
        from pipeline.config_loading import load_config
        from pipeline.explaining.explain import explain
        from pipeline.explaining.rendering import render_explanation, write_page
        from pipeline.explaining.rows import RowChoice
        from pipeline.lineage.graph import read_graph
        from pipeline.lineage.references import default_reference
        from pipeline.publishing.stamp import make_stamp

        choice = RowChoice(
            row=options.row if options.number is None else options.number,
            where=options.where,
            data=options.data,
            request=options.request,
        )
        config = load_config(options.config_path) if options.config_path else None
        graph = read_graph(store)
        reference = options.reference or default_reference(graph, config.name if config else None)
        explanation = explain(graph, reference, choice, config)
        stamp = make_stamp(graph, graph.runs[explanation.run])
        page = _write_page(lambda: write_page(explanation, stamp, folder.reports))
    shown = f"No page: this account may not write to {folder.reports}" if page is None else page
    print_answer(
        explanation.to_json() | {"page": None if page is None else str(page)},
        lambda: Group(render_explanation(explanation), f"\n{shown}"),
        as_json=options.as_json,
    )
    return 0
