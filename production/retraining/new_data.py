"""New labelled data: how many there are, and the span that is made of them."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.production_options.retraining import LabelCount
from pipeline.reading.ingest_spec import make_ingest_spec
from production.collection.labels import are_positive, latest_labels, row_keys
from production.collection.spans.new_span import choose_new_rows, find_span, write_span
from production.collection.spans.rows import RowKey
from production.collection.spans.target import find_target
from production.retraining.state import NewData


class NewLabels:
    """Counts the labelled requests that no span has yet.

    Counting reads what was recorded, so it is done again only if labels, spans or the quarantine
    have changed.

    Args:
        config: The use case.
        folder: The output folder.
        model: Name of the served model.
    """

    def __init__(self, config: Config, folder: OutputFolder, model: str) -> None:
        self._config, self._folder, self._model = config, folder, model
        self._collected = folder.collected(model)
        self._quarantine = folder.monitoring(model) / "quarantine.jsonl"
        self._stamp: object = None
        self._count = LabelCount(rows=0, positives=0)

    def count(self) -> LabelCount:
        """Returns how many there are, without those that a span must not have.

        Raises:
            InputError: A label that was kept earlier does not fit the config.
        """
        stamp = self._state_of_files()
        if stamp != self._stamp:
            self._count = self._count_anew()
            self._stamp = stamp
        return self._count

    def _state_of_files(self) -> object:
        folders = (self._collected / "labels", self._collected / "spans")
        names = [sorted(path.name for path in folder.glob("*.parquet")) for folder in folders]
        size = self._quarantine.stat().st_size if self._quarantine.exists() else 0
        return names, size

    def _count_anew(self) -> LabelCount:
        labels = latest_labels(self._collected)
        if not labels.num_rows:
            return LabelCount(rows=0, positives=0)
        choice = choose_new_rows(self._config, self._folder, self._model, labels)
        positives = _num_positive(self._config, labels, choice.places)
        return LabelCount(rows=len(choice.places), positives=positives)


def plan_span(config: Config) -> str:
    """Returns the span that would be written now: the next number, or today.

    Raises:
        InputError: There is no place for another span.
    """
    return find_target(config, None, today=_today()).name


def make_span(config: Config, folder: OutputFolder, model: str, span: str) -> NewData:
    """Writes a span, or finds the one that an interrupted call has written.

    Args:
        config: The use case.
        folder: The output folder.
        model: Name of the served model.
        span: What `plan_span` returned.

    Raises:
        InputError: There is no place for it, or a needed column is not recorded.
        StepFailedError: Training would read other values than those that were served.
    """
    collected = folder.collected(model)
    earlier = find_span(collected, span)
    if earlier is not None:
        return NewData(
            span=span,
            path=earlier.path,
            num_rows=len(earlier.rows),
            num_positive=_num_positive(config, latest_labels(collected), earlier.rows),
        )
    written = write_span(config, folder, span=span, model=model)
    return NewData(
        span=written.span,
        path=written.path,
        num_rows=written.num_rows,
        num_positive=written.num_positive,
        left_out=written.left_out,
    )


def check_retrainable(config: Config) -> None:
    """Checks that new labelled data can become a span of the window that a run trains on.

    Raises:
        InputError: They cannot.
    """
    # Today's span may exist: an interrupted retraining that wrote it must be able to continue.
    find_target(config, None, today=_today() + timedelta(days=1))
    if not config.data.has_window:
        raise InputError(
            f"Retraining `{config.name}` needs data.window, the number of latest spans to train "
            "on: without it, a run would train on the newest span alone."
        )


def _today() -> date:
    return datetime.now(UTC).date()


def _num_positive(config: Config, labels: pa.Table, rows: Collection[RowKey]) -> int:
    chosen = labels.filter(pa.array([key in rows for key in row_keys(labels)], pa.bool_()))
    spec = make_ingest_spec(config)
    return int(are_positive(chosen["label"].combine_chunks(), spec).sum())
