"""`faultline labels` and `faultline span`: labels of recorded requests, and new data from both."""

import dataclasses
from pathlib import Path

from rich.markup import escape

from commands.queries import print_answer
from common.output_folder import open_output
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.counting import count
from pipeline.prediction.served_config import find_served_config
from production.collection.delivery import Delivery, deliver_labels
from production.collection.label_files import LabelSource

PROJECT_DIR = Path(__file__).resolve().parents[1]


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
    config = _config(options.config_path, options.output)
    delivery = deliver_labels(config, open_output(options.output), source, model=options.model)
    values = dataclasses.asdict(delivery)
    print_answer(values, lambda: _describe(delivery), as_json=options.as_json)
    return 0


def _config(path: Path | None, output: Path) -> Config:
    folders = [Path("configs"), PROJECT_DIR / "configs"]
    return load_config(path or find_served_config(open_output(output), folders))


def _describe(delivery: Delivery) -> str:
    kept = delivery.num_new + delivery.num_corrected + delivery.num_unchanged
    counts = [f"{delivery.num_new:,} new", f"{delivery.num_corrected:,} corrected"]
    counts.append(f"{delivery.num_unchanged:,} known already")
    lines = [
        f"[green]✓[/green] {count(kept, 'label')} of requests to {escape(delivery.model)}: "
        + ", ".join(counts)
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
