"""The data that a run reads: those of the working copy, or of an earlier revision."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.data_versions.recording import record_inputs
from pipeline.data_versions.revision import FetchedData, fetch_revision
from pipeline.lineage.restoring.data_versions import DataState, VersionedData

_CHANGED = "it was changed while the run read it"


@dataclass(frozen=True, kw_only=True)
class OpenedData:
    """The data that a run reads.

    Attributes:
        config: The config to find them by.
        versions: Those under DVC.
    """

    config: Config
    versions: Sequence[VersionedData]
    _folder: OutputFolder
    _fetched: FetchedData | None = None

    def read_again(self) -> Sequence[VersionedData]:
        """Returns `versions`, with data that have been changed since marked as modified."""
        if not self.versions:
            return []
        try:
            now = {one.path: one for one in _versions(self.config, self._fetched, self._folder)}
        except (InputError, OSError):  # removed since
            now = {}
        return [_compared(one, now.get(one.path)) for one in self.versions]


def open_data(config: Config, folder: OutputFolder, revision: str | None) -> OpenedData:
    """Returns the data of a run.

    Args:
        config: The use case.
        folder: The output folder.
        revision: The revision of the data, which is fetched if need be; None for the working copy.

    Raises:
        InputError: There are no data, or no such revision of them.
    """
    fetched = None if revision is None else fetch_revision(config, revision, folder)
    read_by = fetched.config if fetched else config
    versions = _versions(config, fetched, folder)
    for one in versions if fetched else ():
        if one.state is not DataState.RECORDED:
            raise InputError(f"--data-rev {revision}: {one.text()}. Repeat the command.")
    return OpenedData(config=read_by, versions=versions, _folder=folder, _fetched=fetched)


def opened_before(
    config: Config, folder: OutputFolder, versions: Sequence[VersionedData]
) -> OpenedData:
    """Returns the data that a run read as its record has them, such as to read them again.

    Args:
        config: The config to find them by.
        folder: The output folder.
        versions: The record of those under DVC.
    """
    return OpenedData(config=config, versions=versions, _folder=folder)


def _versions(
    config: Config, fetched: FetchedData | None, folder: OutputFolder
) -> list[VersionedData]:
    return fetched.versions(folder) if fetched else record_inputs(config, folder)


def _compared(before: VersionedData, now: VersionedData | None) -> VersionedData:
    if before.state is DataState.MODIFIED or (now is not None and now.md5 == before.md5):
        return before
    return replace(before, state=DataState.MODIFIED, md5="", revision="", difference=_CHANGED)
