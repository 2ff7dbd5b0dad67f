"""From a config's `data` to files that are there."""

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.reading.files.locations import Source, check_source, resolve_source


def find_source(config: Config, folder: OutputFolder) -> Source:
    """Returns where a use case's data is; a built-in data set is made first if need be.

    Args:
        config: The use case.
        folder: The output folder, for simulated data.

    Raises:
        InputError: Nothing is there, or an option of the built-in data set is wrong.
    """
    path = config.data.path or _materialise(config, folder)
    source = resolve_source(path, folder=config.folder, data=config.data)
    check_source(source, path=path)
    return source


def _materialise(config: Config, folder: OutputFolder) -> str:
    from datasets import materialise

    name = config.data.dataset
    assert name is not None  # noqa: S101 - Data has a path or a dataset
    try:
        return materialise(name, folder.data / config.name, config.data.options)
    except (ValueError, FileNotFoundError) as error:
        raise InputError(f"data.dataset, data.options: {error}") from error
