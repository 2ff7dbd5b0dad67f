"""Removes pushes from the cache that are no longer the newest."""

from collections.abc import Collection
from pathlib import Path

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.components.pusher.version_folder import served_versions

_LIVE = metadata_store_pb2.Artifact.LIVE
_ABANDONED = metadata_store_pb2.Artifact.ABANDONED


def forget_superseded(store: MetadataStore, base: Path, *, damaged: Collection[int] = ()) -> int:
    """Takes pushes out of the cache whose version is not the newest in `base` any more.

    A run that goes back to an earlier configuration finds every step in the cache, the push too;
    but what is served is the model that was pushed since. Without the old push in the cache, the
    Pusher pushes the model again, as the newest version. A push whose folder was deleted or damaged
    is forgotten likewise. An unchanged run still finds its push, for that is the newest.

    Args:
        store: The metadata store.
        base: Base path of the served model.
        damaged: Versions whose files are not those that were pushed.

    Returns:
        How many pushes were forgotten; lineage still knows them.
    """
    newest = [str(version) for version in served_versions(base)[-1:] if version not in damaged]
    stale = [
        artifact
        for artifact in store.get_artifacts_by_type("PushedModel")
        if artifact.state == _LIVE
        and artifact.custom_properties["pushed"].int_value
        and Path(artifact.custom_properties["pushed_destination"].string_value).parent == base
        and artifact.custom_properties["pushed_version"].string_value not in newest
    ]
    for artifact in stale:
        artifact.state = _ABANDONED
    if stale:
        store.put_artifacts(stale)
    return len(stale)
