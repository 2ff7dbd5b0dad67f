"""Loads and unloads the versions of the configured models while requests go on.

Which transition comes next follows TensorFlow Serving's availability-preserving policy: a version
that is no longer wanted goes once a wanted one serves. Each model has a thread of its own, so a
version that fails and is tried again delays no other model.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusResponse,
    ModelVersionStatus,
)
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.errors import ServingError, failed_precondition, invalid_argument, not_found
from serving.lifecycle.model_config import (
    ModelSettings,
    check_request_logging,
    check_transition,
    read_settings,
)
from serving.lifecycle.version_folders import find_versions
from serving.lifecycle.version_records import (
    ClosableServable,
    Lease,
    Phase,
    Version,
    describe,
)
from serving.lifecycle.version_states import VersionStates
from serving.servable import Servable

logger = logging.getLogger(__name__)


Load = Callable[[str, int, str], ClosableServable]


@dataclass(frozen=True, kw_only=True)
class ManagerOptions:
    """How versions are looked for and loaded.

    Attributes:
        poll_wait_s: Seconds between two looks at the base paths; 0 looks once.
        max_num_retries: How often a failed load is tried again.
        retry_interval_s: Seconds before each such try.
        allow_labels_for_unavailable: New labels may name versions that do not serve yet.
    """

    poll_wait_s: float = 1.0
    max_num_retries: int = 5
    retry_interval_s: float = 60.0
    allow_labels_for_unavailable: bool = False


class VersionManager:
    """The models that are served; implements `Servables` and `ModelManager`."""

    def __init__(self, load: Load, options: ManagerOptions) -> None:
        """Starts with no model; `reload` says which.

        Args:
            load: Loads the version in a folder: name, version, folder. Raises ServingError.
            options: How versions are looked for and loaded.
        """
        self._load = load
        self._options = options
        self._states = VersionStates()
        self._changed = threading.Condition()
        # All below change only under `_changed`. `_ready` and `_labels` are replaced, never
        # changed, so that requests read them without a lock.
        self._versions: dict[str, dict[int, Version]] = {}
        self._settings: dict[str, ModelSettings] = {}
        self._config: ModelServerConfig | None = None
        self._ready: Mapping[str, Mapping[int | None, Lease]] = {}
        self._labels: Mapping[str, Mapping[str, int]] = {}
        self._workers: dict[str, threading.Thread] = {}
        self._unloads: set[threading.Thread] = set()
        self._look_now = False
        self._stopping = False
        self._last_complaint = ""
        self._poller = threading.Thread(target=self._poll_for_ever, name="versions", daemon=True)

    # Requests

    def acquire(
        self, name: str, *, version: int | None = None, label: str | None = None
    ) -> AbstractContextManager[Servable]:
        """Returns a version, kept loaded while the context is open; see `Servables`."""
        if label is not None:
            version = self._version_of(name, label)
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
            version = self._version_of(name, label)
        return self._states.status(name, version)

    def is_ready(self) -> bool:
        """Tells whether every configured model has a version that serves."""
        ready = self._ready
        return bool(self._settings) and all(name in ready for name in self._settings)

    def _version_of(self, name: str, label: str) -> int:
        try:
            return self._labels[name][label]
        except KeyError:
            raise invalid_argument(f"Unrecognized servable version label: {label}") from None

    # Configuration

    def reload(self, config: ModelServerConfig) -> None:
        """Serves what the config lists instead; returns once its new models serve.

        Raises:
            ServingError: Says why the config was refused, or which model did not load.
        """
        with self._changed:
            first = self._config is None
            check_transition(self._config, config)
            if config.WhichOneof("config") is None:
                logger.info("Taking no action for empty config.")
                return
            settings = read_settings(config)
            labels = self._check_labels(settings.values())
            added = settings.keys() - self._settings.keys()
            self._config, self._settings, self._labels = config, settings, labels
            for name in self._versions.keys() - settings.keys():
                self._want(name, {})
            self._look_now = True
            self._changed.notify_all()
            if self._poller.ident is None:
                self._poller.start()
            self._wait_until_ready(added, "servable(s)" if first else "model(s)")
        check_request_logging(config)

    def stop(self, grace_s: float = 30.0) -> None:
        """Unloads everything, giving requests that are under way some time to end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            threads = [self._poller, *self._workers.values()]
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        with self._changed:
            for name in self._versions:
                self._want(name, {})
            for name, versions in self._versions.items():
                for number, version in versions.items():
                    if version.phase is Phase.READY:
                        self._start_unload(name, number)
            unloads = tuple(self._unloads)
        deadline = time.monotonic() + grace_s
        for thread in unloads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _check_labels(self, models: Iterable[ModelSettings]) -> dict[str, Mapping[str, int]]:
        for model in models:
            for label, version in model.labels.items():
                current = self._labels.get(model.name, {}).get(label, version)
                free = self._options.allow_labels_for_unavailable and current == version
                if not free and not self._states.is_available(model.name, version):
                    raise failed_precondition(
                        f"Request to assign label to version {version} of model {model.name}, "
                        "which is not currently available for inference"
                    )
        return {model.name: model.labels for model in models}

    def _wait_until_ready(self, names: Iterable[str], what: str) -> None:
        waiting = sorted(names)

        def is_decided() -> bool:
            return self._stopping or all(
                name not in self._settings or name in self._ready or self._failures(name)
                for name in waiting
            )

        self._changed.wait_for(is_decided)
        if self._stopping:
            raise ServingError(grpc.StatusCode.CANCELLED, "The server is stopping")
        failures = [
            f"{{{{name: {name} version: {number}}} due to error: {error}}}, "
            for name in waiting
            if name not in self._ready
            for number, error in self._failures(name).items()
        ]
        if failures:
            raise ServingError(
                grpc.StatusCode.UNKNOWN,
                f"{len(failures)} {what} did not become available: {{{''.join(failures)}}}",
            )

    def _failures(self, name: str) -> dict[int, str]:
        """Returns the errors of a model all of whose versions failed; empty while there is hope."""
        versions = self._versions.get(name, {})
        failed = {
            number: describe(version.error)
            for number, version in versions.items()
            if version.phase is Phase.FAILED and version.error
        }
        return failed if len(failed) == len(versions) else {}

    # Looking for versions

    def _poll_for_ever(self) -> None:
        while True:
            with self._changed:
                self._look_now = False
                settings = dict(self._settings)
            self._look(settings)
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopping or self._look_now, self._options.poll_wait_s or None
                )
                if self._stopping:
                    return

    def _look(self, settings: Mapping[str, ModelSettings]) -> None:
        try:
            found = {
                name: find_versions(name, each.base_path, known=self._versions.get(name, {}))
                for name, each in settings.items()
            }
        except ServingError as error:
            # One base path that is not there may mean that none is: nothing is unloaded.
            self._complain(f"Models are left as they are: {error.message}")
            return
        empty = [settings[name].base_path for name in found if not found[name]]
        self._complain(
            f"No versions found under {', '.join(empty)}. A version is a folder named by a "
            "number, with a saved_model.pb."
            if empty
            else ""
        )
        with self._changed:
            for name, folders in found.items():
                if self._settings.get(name) is settings[name]:
                    chosen = settings[name].policy.choose(folders.keys())
                    self._want(name, {number: folders[number] for number in chosen})

    def _complain(self, text: str) -> None:
        """Logs what is wrong with the base paths once, not at every look."""
        if text and text != self._last_complaint:
            logger.warning("%s", text)
        self._last_complaint = text

    def _want(self, name: str, folders: Mapping[int, str]) -> None:
        versions = self._versions.setdefault(name, {})
        for number, version in tuple(versions.items()):
            version.wanted = number in folders
            if not version.wanted and version.phase in (Phase.NEW, Phase.FAILED):
                del versions[number]
                if version.phase is Phase.NEW:
                    self._states.set(name, number, ModelVersionStatus.END)
        for number, folder in folders.items():
            if number not in versions:
                versions[number] = Version(folder)
                self._states.set(name, number, ModelVersionStatus.START)
        self._changed.notify_all()
        self._start_worker(name)

    # Transitions

    def _start_worker(self, name: str) -> None:
        if self._stopping or name in self._workers or self._next(name) is None:
            return
        worker = threading.Thread(target=self._work, args=(name,), name=f"load-{name}", daemon=True)
        self._workers[name] = worker
        worker.start()

    def _work(self, name: str) -> None:
        while True:
            with self._changed:
                number = None if self._stopping else self._next(name)
                if number is None:
                    del self._workers[name]
                    self._changed.notify_all()
                    return
                version = self._versions[name][number]
                if version.phase is Phase.READY:
                    self._start_unload(name, number)
                    continue
                version.phase = Phase.LOADING
            self._load_version(name, number, version)

    def _next(self, name: str) -> int | None:
        """Returns the version whose turn it is: to be unloaded if it is ready, else to load."""
        versions = self._versions.get(name, {})
        ready = [number for number, each in versions.items() if each.phase is Phase.READY]
        unwanted = [number for number in ready if not versions[number].wanted]
        new = [n for n, each in versions.items() if each.wanted and each.phase is Phase.NEW]
        any_wanted = any(each.wanted for each in versions.values())
        if unwanted and (not any_wanted or len(unwanted) < len(ready) or len(unwanted) > 1):
            return min(unwanted)
        return max(new, default=None)

    def _load_version(self, name: str, number: int, version: Version) -> None:
        self._states.set(name, number, ModelVersionStatus.LOADING)
        logger.info("Loading model %s version %d from %s", name, number, version.folder)
        start = time.monotonic()
        model = self._try_to_load(name, number, version)
        with self._changed:
            if model is None:
                version.phase = Phase.FAILED
                self._states.set(name, number, ModelVersionStatus.END, version.error)
                if not version.wanted:
                    del self._versions[name][number]
            else:
                version.phase, version.lease = Phase.READY, Lease(model)
                self._publish(name)
                self._states.set(name, number, ModelVersionStatus.AVAILABLE)
                took = time.monotonic() - start
                logger.info("Loaded model %s version %d in %.2f s", name, number, took)
            self._changed.notify_all()

    def _try_to_load(self, name: str, number: int, version: Version) -> ClosableServable | None:
        tries = 1 + self._options.max_num_retries
        for attempt in range(1, tries + 1):
            try:
                return self._load(name, number, version.folder)
            except ServingError as error:
                version.error = error
            except Exception as error:  # noqa: BLE001 - a model may be broken in any way
                text = f"{type(error).__name__}: {error}"
                version.error = ServingError(grpc.StatusCode.UNKNOWN, text)
            logger.error(
                "Model %s version %d did not load (try %d of %d): %s",
                name,
                number,
                attempt,
                tries,
                describe(version.error),
            )
            with self._changed:
                if attempt == tries or self._changed.wait_for(
                    lambda: self._stopping or not version.wanted, self._options.retry_interval_s
                ):
                    return None
        return None

    def _start_unload(self, name: str, number: int) -> None:
        version = self._versions[name][number]
        version.phase = Phase.UNLOADING
        self._publish(name)
        self._states.set(name, number, ModelVersionStatus.UNLOADING)
        thread = threading.Thread(
            target=self._unload, args=(name, number, version), name=f"unload-{name}", daemon=True
        )
        self._unloads.add(thread)
        thread.start()

    def _unload(self, name: str, number: int, version: Version) -> None:
        lease, version.lease = version.lease, None
        if lease is not None:
            lease.retire()
            lease.model.close()
            del lease
        with self._changed:
            self._states.set(name, number, ModelVersionStatus.END)
            logger.info("Unloaded model %s version %d", name, number)
            if version.wanted and not self._stopping:  # it came back in the meantime
                version.phase = Phase.NEW
            else:
                del self._versions[name][number]
            self._unloads.discard(threading.current_thread())
            self._changed.notify_all()
            self._start_worker(name)

    def _publish(self, name: str) -> None:
        """Lets requests see the versions of a model that are ready now."""
        leases: dict[int | None, Lease] = {
            number: version.lease
            for number, version in self._versions[name].items()
            if version.phase is Phase.READY and version.lease is not None
        }
        ready = {key: value for key, value in self._ready.items() if key != name}
        if leases:
            latest = leases[max(number for number in leases if number is not None)]
            ready[name] = {**leases, None: latest}
        self._ready = ready
