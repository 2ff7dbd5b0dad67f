"""Resolution of a config's `data` block to existing files."""

from dataclasses import replace

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.reading.files.locations import Source, check_source, resolve_source


def find_source(config: Config, folder: OutputFolder) -> Source:
    """Returns the location of a use case's data; creates a built-in data set if needed.

    Args:
        config: The use case.
        folder: The output folder, in which simulated data are written.

    Raises:
        InputError: No data found, or an option of the built-in data set is invalid.
    """
    path = config.data.path or _materialise(config, folder)
    source = resolve_source(path, folder=config.folder, data=config.data)
    check_source(source, path=path)
    return replace(source, kept_digests=str(folder.kept_digests))


def _materialise(config: Config, folder: OutputFolder) -> str:
    from datasets import materialise

    name = config.data.dataset
    assert name is not None  # noqa: S101 - Data has a path or a dataset
    try:
        return materialise(name, folder.data / config.name, config.data.options)
    except (ValueError, FileNotFoundError) as error:
        raise InputError(f"data.dataset, data.options: {error}") from error
