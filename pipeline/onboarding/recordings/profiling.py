"""Raw recordings as a profiled table: assembled once, in a temporary folder."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import InputError
from models.features import Feature
from pipeline.config import Data, Label
from pipeline.onboarding.profile.table import ReadOptions, Table, read_table
from pipeline.onboarding.profile.words import quoted
from pipeline.onboarding.recordings.giveaways import giveaway_warnings
from pipeline.onboarding.recordings.media import audio_feature, image_feature
from pipeline.onboarding.recordings.nominal_rate import common_rate
from pipeline.onboarding.recordings.origin import Origin
from pipeline.onboarding.recordings.raw_formats import RawFormats, find_raw_formats
from pipeline.reading.recordings.assembling import Assembled, Target, assemble
from pipeline.reading.recordings.forms.request import Discovery
from pipeline.reading.recordings.forms.streams import SAMPLES_AS_SECONDS
from pipeline.reading.recordings.rows.rows_file import PART
from pipeline.recording_options import (
    EVENT,
    RATE,
    RECORDING,
    STRETCH,
    WINDOW,
    WINDOW_END,
    WINDOW_START,
)

_MAX_BAD_SHARE = 0.05
_MAX_SAMPLED = 2_000
_NUM_SHOWN = 3


def profile_recordings(
    discovery: Discovery, reading: ReadOptions, positive: str | None, negative: str | None = None
) -> tuple[Table, Origin]:
    """Assembles raw recordings and profiles the result.

    Args:
        discovery: What the files are.
        reading: What the person says about how data are written.
        positive: The positive value of the label that a person names.
        negative: In its place the negative one.

    Raises:
        InputError: The recordings cannot be used.
    """
    formats = find_raw_formats(discovery, reading)
    discovery = replace(
        discovery,
        recordings=replace(
            discovery.recordings,
            time_column=formats.time_column,
            header_rate=formats.header_rate,
            header_row=formats.header_row,
        )
        if formats.time_column or formats.header_rate or formats.header_row
        else discovery.recordings,
        data={**discovery.data, **formats.data},
        notes=(*_notes(discovery, formats), *formats.notes),
    )
    options = discovery.recordings
    with tempfile.TemporaryDirectory(prefix="faultline-") as folder:
        assembled = _assemble(discovery, positive, Path(folder))
        warnings = tuple(giveaway_warnings(assembled.files, discovery, positive, negative))
        rate_hz = common_rate(assembled.files) if discovery.rate_hz is None else None
        if rate_hz is not None and options.media == "table" and options.window is None:
            discovery = replace(discovery, rate_hz=rate_hz)
            assembled = _assemble(discovery, positive, Path(folder))
        path, features = assembled.pattern, {}
        if options.media != "table":
            path = str(Path(folder) / "without-bytes.parquet")
            features = _split_off_bytes(assembled, options.bytes_column, options.media, path)
        table = read_table(path, discovery.label, reading)
    left_out = {**_left_out(discovery, table), **_annotations(discovery, table)}
    columns = {
        name: replace(column, unit_in_row=formats.units.get(name, ""))
        for name, column in table.columns.items()
        if name not in left_out
    }
    origin = Origin(
        recordings=options,
        data=discovery.data,
        features=features,
        left_out=left_out,
        unused={name: table.columns[name] for name in left_out},
        notes=(*discovery.notes, *assembled.notes),
        warnings=warnings,
        num_bad=len(assembled.bad),
        rate_hz=discovery.rate_hz,
    )
    return replace(table, columns=columns), origin


def _notes(discovery: Discovery, formats: RawFormats) -> Iterator[str]:
    """Yields what was found; a rate that the lines before the tables state is known."""
    for note in discovery.notes:
        if formats.header_rate is None or note != SAMPLES_AS_SECONDS:
            yield note


def _assemble(discovery: Discovery, positive: str | None, folder: Path) -> Assembled:
    data = Data(
        path=discovery.path,
        recordings=discovery.recordings,
        max_bad_rows=10**9,
        **discovery.data,
    )
    label = Label(column=discovery.label, positive=positive or discovery.positive or 1)
    rates = {} if discovery.rate_hz is None else {"all channels": discovery.rate_hz}
    assembled = assemble(
        discovery.path, data, label=label, folder=Path(), target=Target(folder=folder), rates=rates
    )
    num_bad = len(assembled.bad)
    if num_bad > _MAX_BAD_SHARE * (assembled.num_recordings + num_bad):
        raise InputError(
            f"{discovery.path}: {num_bad:,} of {assembled.num_recordings + num_bad:,} recordings "
            f"cannot be used: {_reasons(assembled)}."
        )
    return assembled


def _reasons(assembled: Assembled) -> str:
    shown = "; ".join(str(bad) for bad in assembled.bad[:_NUM_SHOWN])
    more = len(assembled.bad) - _NUM_SHOWN
    return f"{shown}; and {more:,} more" if more > 0 else shown


def _split_off_bytes(
    assembled: Assembled, column: str, media: str, path: str
) -> dict[str, tuple[Feature, str]]:
    """Writes the table without the bytes of the files; returns the feature of the bytes."""
    files = sorted(Path(assembled.folder).glob("*.parquet"))
    contents: list[bytes] = []
    with _writer(path) as write:
        for file in files:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=256):
                room = _MAX_SAMPLED - len(contents)
                contents += batch.column(column).slice(0, max(0, room)).to_pylist()
                write(pa.Table.from_batches([batch]).drop_columns([column]))
    if media == "audio":
        return {column: audio_feature(contents)}
    return {column: image_feature(contents, assembled.num_rows)}


@contextmanager
def _writer(path: str) -> Iterator[Callable[[pa.Table], None]]:
    writer: pq.ParquetWriter | None = None

    def write(table: pa.Table) -> None:
        nonlocal writer
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


def _left_out(discovery: Discovery, table: Table) -> Mapping[str, str]:
    """Returns the columns of the assembly that neither a feature nor a split may use."""
    window, rows = discovery.recordings.window, discovery.recordings.rows
    if rows is not None and rows.parts:
        return {PART: "which part of the file it is from says nothing of a recording"} | (
            _resampled(discovery) if RATE in table.columns else {}
        )
    if discovery.recordings.media == "audio" and RATE in table.columns:
        return {RATE: "the files hold it, and sounds are resampled to one rate"}
    if window is None:
        return _resampled(discovery) if RATE in table.columns else {}
    by_stretch = window.num_stretches is not None
    reasons = {
        WINDOW_START: "when the window starts; a model would memorise when faults were",
        WINDOW_END: "when the window ends",
        WINDOW: "numbers the windows",
        EVENT: "it leaks the label: the events that the window touches",
        RECORDING if by_stretch else STRETCH: "the split uses "
        f"`{STRETCH if by_stretch else RECORDING}`",
    }
    rate = table.columns.get(RATE)
    if discovery.rate_hz is not None:
        reasons |= _resampled(discovery)
    elif window.num_samples is not None and rate is not None and rate.num_distinct > 1:
        reasons[RATE] = "windows have the same number of samples at any rate"
    return {name: reason for name, reason in reasons.items() if name in table.columns}


def _annotations(discovery: Discovery, table: Table) -> dict[str, str]:
    reason = "it differs between rows of one recording in the table of labels, as annotations do"
    reasons = {name: reason for name in discovery.annotations if name in table.columns}
    for mark in discovery.marks:
        own = [n for n in table.columns if n == mark or n.startswith(f"{mark}_past_")]
        reasons |= dict.fromkeys(own, f"it leaks the label: {quoted(mark)} was written with it")
    return reasons


def _resampled(discovery: Discovery) -> dict[str, str]:
    if discovery.rate_hz is None:
        return {}
    return {RATE: f"all recordings are resampled to {discovery.rate_hz:g} Hz"}
