"""`faultline labels` and `faultline span`: labels of recorded requests, and new data from both."""

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from commands.queries import print_answer
from common.guards.terminal import escape
from common.output_folder import open_output
from pipeline.config_loading import load_config
from pipeline.counting import count
from pipeline.prediction.served_config import default_config
from production.collection.delivery import Delivery, deliver_labels
from production.collection.label_files import LabelSource

if TYPE_CHECKING:
    from production.collection.spans.new_span import NewSpan

# Probability of a difference between two shares by chance, from which on it is reported.
_MAX_CHANCE = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """Command-line options of `faultline labels`.

    Attributes:
        data: A file, a folder, a glob, or the URL of a file.
        id_column: Column with the request ids.
        label_column: Column with the labels.
        row_column: Column with the rows in the requests.
        others: Columns to keep with the labels.
        config_path: The use case's config; None for that of the only served use case.
        model: Name of the model that answered; None for the use case's.
        output: The output folder.
        as_json: JSON on standard output instead of text.
    """

    data: str
    id_column: str
    label_column: str
    row_column: str | None
    others: tuple[str, ...]
    config_path: Path | None
    model: str | None
    output: Path
    as_json: bool


def keep_labels(options: LabelOptions) -> int:
    """Keeps the labels of a file with the recorded requests; returns the exit code.

    Raises:
        InputError: The file or an option is wrong; nothing is kept.
    """
    source = LabelSource(
        data=options.data,
        id_column=options.id_column,
        label_column=options.label_column,
        row_column=options.row_column,
        others=options.others,
    )
    config = load_config(options.config_path or default_config(open_output(options.output)))
    delivery = deliver_labels(config, open_output(options.output), source, model=options.model)
    values = dataclasses.asdict(delivery)
    print_answer(values, lambda: _describe(delivery), as_json=options.as_json)
    return 0


def _describe(delivery: Delivery) -> str:
    kept = delivery.num_new + delivery.num_corrected + delivery.num_unchanged
    counts = [f"{delivery.num_new:,} new", f"{delivery.num_corrected:,} corrected"]
    counts.append(f"{delivery.num_unchanged:,} known already")
    is_of_use = kept > delivery.num_unknown
    lines = [
        f"{'[green]✓[/green]' if is_of_use else '[yellow]![/yellow]'} {count(kept, 'label')} of "
        f"requests to {escape(delivery.model)}: " + ", ".join(counts)
    ]
    if delivery.num_without_label:
        rows = count(delivery.num_without_label, "row")
        lines.append(f"  {rows} of {escape(delivery.source)} without a label")
    if delivery.num_unknown:
        ids = ", ".join(f"`{escape(one)}`" for one in delivery.unknown)
        more = ", …" if delivery.num_unknown > len(delivery.unknown) else ""
        lines.append(
            f"  [yellow]{count(delivery.num_unknown, 'label')} of requests or rows that are not "
            f"recorded[/yellow] ({ids}{more}): kept, and used if the requests are recorded later. "
            "Otherwise check that --id names the request ids"
        )
    return "\n".join(lines)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpanOptions:
    """Command-line options of `faultline span`.

    Attributes:
        config_path: The use case's config; None for that of the only served use case.
        span: Number or date of the span; None for the next.
        model: Name of the model that answered; None for the use case's.
        output: The output folder.
        as_json: JSON on standard output instead of text.
    """

    config_path: Path | None
    span: str | None
    model: str | None
    output: Path
    as_json: bool


def make_span(options: SpanOptions) -> int:
    """Writes labelled requests as the next span of the training data; returns the exit code.

    Raises:
        InputError: There is nothing to write, or no place for it; nothing is written.
        StepFailedError: Training would not read what was served; nothing is written.
    """
    from production.collection.spans.new_span import write_span

    folder = open_output(options.output)
    path = options.config_path or default_config(folder)
    span = write_span(load_config(path), folder, span=options.span, model=options.model)
    values = dataclasses.asdict(span)
    print_answer(values, lambda: _describe_span(span, path), as_json=options.as_json)
    return 0


def _describe_span(span: "NewSpan", config_path: Path) -> str:
    lines = [
        f"[green]✓[/green] span {span.span}: {count(span.num_rows, 'row')}, "
        f"{span.num_positive:,} positive, of requests to {escape(span.model)}: {escape(span.path)}"
    ]
    if span.time_column is not None:
        lines.append(f"  `{escape(span.time_column)}` is the time of the request")
    for reason, number in span.left_out.items():
        lines.append(f"  left out: {count(number, 'label')} {escape(reason)}")
    lines += _describe_bias(span)
    lines.append(f"Train on it: faultline run --config {escape(shlex.quote(str(config_path)))}")
    return "\n".join(lines)


def _describe_bias(span: "NewSpan") -> list[str]:
    """Says whether alarms have labels more or less often than other rows."""
    from scipy.stats import fisher_exact

    alarms, others = span.num_alarms_labelled, span.num_others_labelled
    table = [[alarms, span.num_alarms - alarms], [others, span.num_others - others]]
    if not span.num_alarms or not span.num_others or fisher_exact(table)[1] >= _MAX_CHANCE:
        return []
    return [
        f"  [yellow]{alarms:,} of {count(span.num_alarms, 'alarm')} and {others:,} of "
        f"{count(span.num_others, 'other row')} have a label[/yellow]: the share of positives is "
        "not that of production. Label a random sample of the other rows, or all"
    ]
