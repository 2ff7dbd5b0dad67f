"""The versions of each model: which exist, which serve, and the labels that name them."""

import threading
from collections.abc import Iterable, Mapping

from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse

from serving.errors import failed_precondition, invalid_argument, not_found
from serving.lifecycle.model_config import ModelSettings
from serving.lifecycle.version_records import Lease, Phase, Version, describe
from serving.lifecycle.version_states import VersionStates


class VersionRegistry:
    """The state that requests read and that the poller, the loader and the manager share.

    Attributes:
        changed: Guards everything below and is notified of each change. Requests take no lock:
            the mappings that they read are replaced, never changed.
        versions: Every version that is wanted or not yet unloaded, by model and number.
        states: The state of every version ever seen.
        is_stopping: Whether the server is stopping; nothing is loaded from then on.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.versions: dict[str, dict[int, Version]] = {}
        self.states = VersionStates()
        self.is_stopping = False
        self._ready: Mapping[str, Mapping[int | None, Lease]] = {}
        self._labels: Mapping[str, Mapping[str, int]] = {}

    def acquire(self, name: str, *, version: int | None = None, label: str | None = None) -> Lease:
        """Returns a version as a context that keeps it loaded; see `Servables`."""
        if label is not None:
            version = self._labelled(name, label)
        while True:
            lease = self._ready.get(name, {}).get(version)
            if lease is None:
                what = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                raise not_found(f"Servable not found for request: {what}")
            if lease.hold():
                return lease

    def status(
        self, name: str, *, version: int | None = None, label: str | None = None
    ) -> GetModelStatusResponse:
        """Returns the states of a model's versions; see `ModelManager`."""
        if label is not None:
            version = self._labelled(name, label)
        return self.states.status(name, version)

    def serves(self, name: str) -> bool:
        """Returns whether a model has a version that serves."""
        return name in self._ready

    def answers(self, name: str) -> bool:
        """Returns whether a model has a version that serves, and the latest one is not hung."""
        lease = self._ready.get(name, {}).get(None)
        return lease is not None and not lease.model.is_hung()

    def publish(self, name: str) -> None:
        """Makes the ready versions of a model visible to requests; call it under the lock."""
        leases: dict[int | None, Lease] = {
            number: version.lease
            for number, version in self.versions[name].items()
            if version.phase is Phase.READY and version.lease is not None
        }
        ready = {key: value for key, value in self._ready.items() if key != name}
        if leases:
            latest = leases[max(number for number in leases if number is not None)]
            ready[name] = {**leases, None: latest}
        self._ready = ready

    def failures(self, name: str) -> dict[int, str]:
        """Returns the errors of the versions of a model if all of them failed, else nothing."""
        versions = self.versions.get(name, {})
        failed = {
            number: describe(version.error)
            for number, version in versions.items()
            if version.phase is Phase.FAILED and version.error
        }
        return failed if len(failed) == len(versions) else {}

    def set_labels(self, models: Iterable[ModelSettings]) -> None:
        """Replaces the labels of all models."""
        self._labels = {model.name: model.labels for model in models}

    def check_labels(self, models: Iterable[ModelSettings], *, allow_unavailable: bool) -> None:
        """Checks that every label may be assigned.

        Args:
            models: The models with their new labels.
            allow_unavailable: Whether a new label may name a version that does not serve yet.

        Raises:
            ServingError: FAILED_PRECONDITION for a label of a version that does not serve.
        """
        for model in models:
            for label, version in model.labels.items():
                current = self._labels.get(model.name, {}).get(label, version)
                is_free = allow_unavailable and current == version
                if not is_free and not self.states.is_available(model.name, version):
                    raise failed_precondition(
                        f"Request to assign label to version {version} of model {model.name}, "
                        "which is not currently available for inference"
                    )

    def _labelled(self, name: str, label: str) -> int:
        try:
            return self._labels[name][label]
        except KeyError:
            raise invalid_argument(f"Unrecognized servable version label: {label}") from None
