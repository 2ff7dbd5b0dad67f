"""Resolution of a config's `data` block to existing files."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import InputError
from common.output_folder import OutputFolder
from models.features import Signal, of_kind
from pipeline.config import Config
from pipeline.reading.files.locations import Source, check_source, resolve_source
from pipeline.recording_options import with_channels

if TYPE_CHECKING:
    from pipeline.reading.sql.partitions.reading import Reader


def find_source(
    config: Config, folder: OutputFolder, *, beam_args: Sequence[str] | None = None
) -> Source:
    """Returns the location of a use case's data.

    Creates a built-in data set, assembles raw recordings and reads a database if needed.

    Args:
        config: The use case.
        folder: The output folder, in which simulated data, assembled recordings and the rows of
            databases are written.
        beam_args: Beam options of an engine whose workers read a database and assemble
            recordings; None for this process.

    Raises:
        InputError: No data found, an option of the built-in data set is invalid, recordings cannot
            be assembled, or a database cannot be read.
    """
    notes: tuple[str, ...] = ()
    if config.data.sql is not None:
        path, notes = _extract(config, folder, beam_args)
    else:
        path = config.data.path or _materialise(config, folder)
    if config.data.recordings is not None:
        path = _assemble(config, folder, path, beam_args)
    if config.data.path_columns:
        path = _embed(config, folder, path)
    data = config.data
    if data.path_columns:  # the tables are Parquet now, whatever they were
        data = replace(data, format=None)
    source = resolve_source(path, folder=config.folder, data=data)
    check_source(source, path=path)
    return replace(source, kept_digests=str(folder.kept_digests), notes=notes)


def _extract(
    config: Config, folder: OutputFolder, beam_args: Sequence[str] | None
) -> tuple[str, tuple[str, ...]]:
    # Not with this module: other use cases start without the drivers.
    from pipeline.reading.sql.extraction.extract import extract_rows

    reader: Reader | None = None
    if beam_args is not None and config.data.sql is not None and config.data.sql.num_readers > 1:
        from pipeline.reading.sql.partitions.beam_reading import BeamReader

        reader = BeamReader(beam_args)
    own: Path = folder.data / config.name
    extract = extract_rows(
        config.data, folder=config.folder, target=own, environ=os.environ, reader=reader
    )
    return extract.path, extract.notes


def _assemble(
    config: Config, folder: OutputFolder, path: str, beam_args: Sequence[str] | None
) -> str:
    # Not with this module: other use cases start without these libraries.
    from pipeline.reading.ingest_spec import nominal_rates, units_of
    from pipeline.reading.recordings.assembling import Target, assemble

    own: Path = folder.data / config.name
    assert config.data.recordings is not None  # noqa: S101 - the caller checked it
    recordings = with_channels(config.data.recordings, of_kind(config.features, Signal))
    return assemble(
        path,
        replace(config.data, recordings=recordings),
        label=config.label,
        folder=config.folder if config.data.path is not None else own,
        target=Target(folder=own, beam_args=beam_args),
        rates=nominal_rates(config),
        units=units_of(config),
    ).pattern


def _embed(config: Config, folder: OutputFolder, path: str) -> str:
    from pipeline.reading.ingest_spec import nominal_rates
    from pipeline.reading.path_columns.embedding import embed_files

    return embed_files(
        path,
        config.data,
        folder=config.folder,
        target=folder.data / config.name,
        rates=nominal_rates(config),
    ).pattern


def _materialise(config: Config, folder: OutputFolder) -> str:
    from datasets import materialise

    name = config.data.dataset
    assert name is not None  # noqa: S101 - Data has a path or a dataset
    try:
        return materialise(name, folder.data / config.name, config.data.options)
    except (ValueError, FileNotFoundError) as error:
        raise InputError(f"data.dataset, data.options: {error}") from error
