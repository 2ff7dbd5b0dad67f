"""Ingestion specs for tests."""

from dataclasses import replace
from typing import Any

from pipeline.column_format import CsvLayout
from pipeline.reading.ingest_spec import IngestSpec

BASE = IngestSpec(
    label="y",
    positive="1",
    format=None,
    max_bad_rows=0,
    drop_duplicates=False,
    wide_signals={},
    missing_values=("NA",),
    columns={},
    decimal=".",
    thousands=None,
    layout=CsvLayout(),
    strategy="stratified",
    split_column=None,
    block_rows=0,
    shares=(0.75, 0.15, 0.10),
    seed=0,
    in_window=True,  # most test data are too small for the checks of the splits
    numbers=(),
    times=(),
    signals={},
    required=("y",),
    needed=("y",),
    types={},
)


def spec(**changes: Any) -> IngestSpec:
    """A spec with label `y`, positive `1`, and the given changes."""
    return replace(BASE, **changes)
