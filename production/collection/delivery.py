"""A delivery of labels: read from a file, checked against the recorded requests, and kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import InputError
from common.guards.redaction import redact_text
from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.counting import count
from pipeline.reading.ingest_spec import make_ingest_spec
from production.collection.label_files import LabelSource, read_labels
from production.collection.labels import add_labels, recorded_rows, row_keys

_NUM_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What became of a file of labels.

    Attributes:
        model: Name of the model that answered the requests.
        source: The file.
        num_new: Rows that had no label.
        num_corrected: Rows whose label is another now.
        num_unchanged: Rows that had the same label already.
        num_without_label: Rows of the file without a label.
        num_unknown: Labels whose request or row is not recorded; they are kept.
        unknown: The first of these request ids.
    """

    model: str
    source: str
    num_new: int
    num_corrected: int
    num_unchanged: int
    num_without_label: int
    num_unknown: int
    unknown: tuple[str, ...]


def deliver_labels(
    config: Config, folder: OutputFolder, source: LabelSource, *, model: str | None = None
) -> Delivery:
    """Keeps the labels of a file.

    Args:
        config: The use case, which tells what is a label.
        folder: The output folder.
        source: The file.
        model: Name of the model that answered; by default the use case's.

    Raises:
        InputError: No request to the model was recorded, the file has a wrong value, or a label
            does not say to which of a request's rows it belongs. Nothing is kept.
    """
    name = model or config.name
    collected = folder.collected(name)
    check_recorded(folder, name)
    delivery = read_labels(source, make_ingest_spec(config))
    rows = recorded_rows(collected, delivery.labels["request_id"])
    keys = row_keys(delivery.labels)
    if source.row_column is None:
        _check_single_rows([key for key, _ in keys if rows.get(key, {0}) != {0}])
    unknown = [request_id for request_id, row in keys if row not in rows.get(request_id, ())]
    shown = redact_text(source.data)
    added = add_labels(collected, delivery.labels, source=shown)
    return Delivery(
        model=name,
        source=shown,
        num_new=added.num_new,
        num_corrected=added.num_corrected,
        num_unchanged=added.num_unchanged,
        num_without_label=delivery.num_without_label,
        num_unknown=len(unknown),
        unknown=tuple(dict.fromkeys(unknown))[:_NUM_SHOWN],
    )


def check_recorded(folder: OutputFolder, name: str) -> None:
    """Checks that the requests to a model are recorded.

    Raises:
        InputError: They are not; names the models whose requests are.
    """
    if folder.collected(name).is_dir():
        return
    root = folder.collected("x").parent
    names = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
    recorded = f"Recorded are requests to {', '.join(names)}." if names else "None are."
    raise InputError(
        f"No requests to a model called {name} are recorded below {root}. {recorded} `faultline "
        "serve --gateway` always records them, `faultline serve` without a gateway only if the "
        "config has a section `collection`."
    )


def _check_single_rows(request_ids: Sequence[str]) -> None:
    if not request_ids:
        return
    distinct = list(dict.fromkeys(request_ids))
    listed = ", ".join(f"`{one}`" for one in distinct[:_NUM_SHOWN])
    more = ", …" if len(distinct) > _NUM_SHOWN else ""
    raise InputError(
        f"{count(len(distinct), 'request')} with labels had several rows ({listed}{more}), and "
        "nothing says which row a label belongs to. Name the column with the row, which counts "
        "from 0, with --row. Nothing was written."
    )
