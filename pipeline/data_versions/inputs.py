"""The files of a use case that DVC may track: data, and tables of labels and events."""

import os
from dataclasses import replace
from pathlib import Path

from common.output_folder import OutputFolder
from common.paths import tidy_path
from pipeline.config import Config
from pipeline.reading.files.locations import resolve_source, source_files


def input_files(config: Config) -> list[Path]:
    """Returns the files on this machine that a run of a use case reads; without any, an empty list.

    Data of a built-in data set and in a bucket are none.

    Raises:
        InputError: No data found.
    """
    path = config.data.path
    if path is None or "://" in path:
        return []
    if config.data.recordings is not None:
        return _raw_files(config, path)
    if config.data.path_columns:
        return _embedded_files(config, path)
    source = resolve_source(path, folder=config.folder, data=config.data)
    spans = source.window or (source.span,)
    files = {file for span in spans for file in source_files(replace(source, span=span))}
    return [Path(file) for file in sorted(files)]


def _raw_files(config: Config, path: str) -> list[Path]:
    # Not with this module: other use cases start without these libraries.
    from pipeline.reading.recordings.raw.listing import list_raw_files

    assert config.data.recordings is not None  # noqa: S101 - the caller checked it
    options = config.data.recordings
    beside = [Path(config.folder, name) for name in (options.labels, options.events) if name]
    _, files = list_raw_files(path, options.media, folder=config.folder, others=beside)
    return [*(Path(file) for file in files), *(tidy_path(file.absolute()) for file in beside)]


def _embedded_files(config: Config, path: str) -> list[Path]:
    from pipeline.reading.path_columns.embedding import list_inputs

    return [Path(file) for file in list_inputs(path, config.data, config.folder)]


def digests_file(config: Config, folder: OutputFolder) -> Path:
    """Returns the file in which the digests of a use case's files are kept between runs."""
    if config.data.path_columns:
        from pipeline.reading.path_columns import embedding

        return folder.data / config.name / embedding.KEPT_DIGESTS
    if config.data.recordings is None:
        return folder.kept_digests
    from pipeline.reading.recordings.assembling import KEPT_DIGESTS

    return folder.data / config.name / KEPT_DIGESTS


def named_paths(config: Config) -> list[Path]:
    """Returns the paths that the config names for its data, labels and events, absolute."""
    recordings = config.data.recordings
    names = [config.data.path]
    names += [recordings.labels, recordings.events] if recordings is not None else []
    paths = [Path(config.folder, name).absolute() for name in names if name and "://" not in name]
    # A path with a wildcard does not exist, so links in it cannot be followed.
    return [Path(os.path.normpath(path)) for path in paths]
