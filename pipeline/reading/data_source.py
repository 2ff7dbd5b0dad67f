"""Resolution of a config's `data` block to existing files."""

from dataclasses import replace
from pathlib import Path

from common.errors import InputError
from common.output_folder import OutputFolder
from models.features import Signal, of_kind
from pipeline.config import Config
from pipeline.reading.files.locations import Source, check_source, resolve_source
from pipeline.recording_options import with_channels


def find_source(config: Config, folder: OutputFolder) -> Source:
    """Returns the location of a use case's data.

    Creates a built-in data set and assembles raw recordings if needed.

    Args:
        config: The use case.
        folder: The output folder, in which simulated data and assembled recordings are written.

    Raises:
        InputError: No data found, an option of the built-in data set is invalid, or recordings
            cannot be assembled.
    """
    path = config.data.path or _materialise(config, folder)
    if config.data.recordings is not None:
        path = _assemble(config, folder, path)
    source = resolve_source(path, folder=config.folder, data=config.data)
    check_source(source, path=path)
    return replace(source, kept_digests=str(folder.kept_digests))


def _assemble(config: Config, folder: OutputFolder, path: str) -> str:
    # Not with this module: other use cases start without these libraries.
    from pipeline.reading.ingest_spec import nominal_rates
    from pipeline.reading.recordings.assembling import assemble

    own: Path = folder.data / config.name
    assert config.data.recordings is not None  # noqa: S101 - the caller checked it
    recordings = with_channels(config.data.recordings, of_kind(config.features, Signal))
    return assemble(
        path,
        replace(config.data, recordings=recordings),
        label=config.label,
        folder=config.folder if config.data.path is not None else own,
        target=own,
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
