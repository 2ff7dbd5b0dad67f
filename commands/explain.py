"""`faultline explain`: one answer of a model, in the terminal and on a page."""

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


def print_explanation(options: ExplainOptions) -> int:
    """Explains a model's prediction for a row and writes a page; returns the exit code."""
    from common.output_folder import OutputFolder, captured_output

    if options.row is not None and options.number is not None:
        raise InputError("Give the row's number once: as ROW or with --row.")
    store = open_runs(options.config_path, options.output)
    folder = OutputFolder(options.output.absolute())
    with captured_output(folder.reports / "explain.log"):  # TensorFlow's start-up messages
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
        page = write_page(explanation, stamp, folder.reports)
    print_answer(
        explanation.to_json() | {"page": str(page)},
        lambda: Group(render_explanation(explanation), f"\n{page}"),
        as_json=options.as_json,
    )
    return 0
