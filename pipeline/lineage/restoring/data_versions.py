"""The record of data under DVC on a run's context in ML Metadata."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore
    from ml_metadata.proto import metadata_store_pb2

_KEY = "versioned_data"


class DataState(StrEnum):
    """How data relate to what DVC and git record of them."""

    RECORDED = "as recorded"
    UNCOMMITTED = "not committed"
    MODIFIED = "modified"


@dataclass(frozen=True, kw_only=True)
class VersionedData:
    """A file or folder under DVC that a run read.

    Attributes:
        path: Its path in the repository.
        state: How what was read relates to what DVC and git record.
        md5: DVC's digest of what was read; empty if it was modified.
        revision: The commit that records this digest; empty if none is known to.
        tracked_by: The file that records the digest, or `git` for a file that git has itself.
        remote: Name of DVC's remote, or empty without one.
        url: Its URL, without credentials.
        repository: Top folder of the repository.
        origin: URL that it was cloned from, without credentials, or empty.
        place: Where the config looks for it, relative to the config's folder.
        difference: How it differs from what is recorded, in words; empty if it does not.
    """

    path: str
    state: DataState
    md5: str
    revision: str
    tracked_by: str
    remote: str
    url: str
    repository: str
    origin: str
    place: str
    difference: str = ""

    def to_json(self) -> dict[str, str]:
        """Returns the record as a JSON object."""
        return dataclasses.asdict(self) | {"state": self.state.value}

    def text(self) -> str:
        """Returns the record in words."""
        match self.state:
            case DataState.RECORDED:
                digest = f"MD5 {self.md5[:12]} " if self.md5 else ""
                remote = f", remote {self.remote}" if self.remote else ""
                return f"{self.path}: {digest}at revision {self.revision[:12]}{remote}"
            case DataState.UNCOMMITTED:
                return f"{self.path}: MD5 {self.md5[:12]}, {self.difference}"
        return f"{self.path}: modified, so of no recorded revision: {self.difference}"


def stamp_data(store: "MetadataStore", run_id: str, versions: Iterable[VersionedData]) -> None:
    """Writes the record to the run's context, which `stamp_run` created; nothing without data.

    Args:
        store: The metadata store.
        run_id: The run's id.
        versions: The data under DVC that the run reads.
    """
    records = [version.to_json() for version in versions]
    if not records:
        return
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    context.custom_properties[_KEY].string_value = json.dumps(records)
    store.put_contexts([context])


def data_versions_of(context: "metadata_store_pb2.Context") -> tuple[VersionedData, ...]:
    """Returns the record on a run's context; empty without one."""
    if _KEY not in context.custom_properties:
        return ()
    return tuple(
        VersionedData(**values | {"state": DataState(values["state"])})
        for values in json.loads(context.custom_properties[_KEY].string_value)
    )


def data_node_facts(version: VersionedData) -> Mapping[str, Any]:
    """Returns what lineage shows of data under DVC."""
    facts = version.to_json()
    state = facts.pop("state")
    hidden = {"path"}  # it is the name of the node
    shown = {key: text for key, text in facts.items() if text and key not in hidden}
    return {"read": state} | shown | {"in_words": version.text()}
