"""Loads, retries and unloads versions while requests go on.

The next transition of a model follows TensorFlow Serving's availability-preserving policy: a
version that is no longer wanted is unloaded once a wanted one serves. Each model has its own
thread, so retries of a broken version delay no other model.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from serving.errors import FinalError, ServingError
from serving.lifecycle.version_records import ClosableServable, Lease, Phase, Version, describe
from serving.lifecycle.version_registry import VersionRegistry

logger = logging.getLogger(__name__)

Load = Callable[[str, int, str], ClosableServable]


class VersionLoader:
    """Loads the wanted versions of each model and unloads all others."""

    def __init__(
        self,
        registry: VersionRegistry,
        load: Load,
        *,
        max_num_retries: int,
        retry_interval_s: float,
    ) -> None:
        """Loads nothing yet; see `want`.

        Args:
            registry: The versions and the lock that guards them.
            load: Loads a version, given model name, version and folder; raises ServingError.
            max_num_retries: How often a failed load is retried.
            retry_interval_s: Seconds before each retry.
        """
        self._registry = registry
        self._load = load
        self._max_num_retries = max_num_retries
        self._retry_interval_s = retry_interval_s
        # Both change only under the registry's lock.
        self._workers: dict[str, threading.Thread] = {}
        self._unloads: set[threading.Thread] = set()

    def want(self, name: str, folders: Mapping[int, str]) -> None:
        """Sets the versions of a model to serve, and starts to load and unload.

        Args:
            name: Name of the model.
            folders: Folder of each version to serve.
        """
        with self._registry.changed:
            versions = self._registry.versions.setdefault(name, {})
            for number, version in tuple(versions.items()):
                version.wanted = number in folders
                if not version.wanted and version.phase in (Phase.NEW, Phase.FAILED):
                    del versions[number]
                    if version.phase is Phase.NEW:
                        self._registry.states.set(name, number, ModelVersionStatus.END)
            for number, folder in folders.items():
                if number not in versions:
                    versions[number] = Version(folder)
                    self._registry.states.set(name, number, ModelVersionStatus.START)
            self._registry.changed.notify_all()
            self._start_worker(name)

    def workers(self) -> list[threading.Thread]:
        """Returns the threads that load; each ends soon after `is_stopping` is set."""
        with self._registry.changed:
            return list(self._workers.values())

    def unload_all(self, grace_s: float) -> bool:
        """Unloads every version; call it once no thread loads any more.

        Args:
            grace_s: Seconds that requests in progress get to finish.

        Returns:
            Whether all versions were unloaded.
        """
        with self._registry.changed:
            for name in self._registry.versions:
                self.want(name, {})
            for name, versions in self._registry.versions.items():
                for number, version in versions.items():
                    if version.phase is Phase.READY:
                        self._start_unload(name, number)
            unloads = tuple(self._unloads)
        deadline = time.monotonic() + grace_s
        for thread in unloads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in unloads)

    def _start_worker(self, name: str) -> None:
        is_idle = self._registry.is_stopping or self._next(name) is None
        if is_idle or name in self._workers:
            return
        worker = threading.Thread(target=self._work, args=(name,), name=f"load-{name}", daemon=True)
        self._workers[name] = worker
        worker.start()

    def _work(self, name: str) -> None:
        while True:
            with self._registry.changed:
                number = None if self._registry.is_stopping else self._next(name)
                if number is None:
                    del self._workers[name]
                    self._registry.changed.notify_all()
                    return
                version = self._registry.versions[name][number]
                if version.phase is Phase.READY:
                    self._start_unload(name, number)
                    continue
                version.phase = Phase.LOADING
            self._load_version(name, number, version)

    def _next(self, name: str) -> int | None:
        """Returns the next version to unload if it is ready, else to load; None if all is done."""
        versions = self._registry.versions.get(name, {})
        ready = [n for n, version in versions.items() if version.phase is Phase.READY]
        unwanted = [n for n in ready if not versions[n].wanted]
        new = [
            n for n, version in versions.items() if version.wanted and version.phase is Phase.NEW
        ]
        any_wanted = any(version.wanted for version in versions.values())
        if unwanted and (not any_wanted or len(unwanted) < len(ready) or len(unwanted) > 1):
            return min(unwanted)
        return max(new, default=None)

    def _load_version(self, name: str, number: int, version: Version) -> None:
        registry = self._registry
        registry.states.set(name, number, ModelVersionStatus.LOADING)
        logger.info("Loading model %s version %d from %s", name, number, version.folder)
        started = time.monotonic()
        model = self._try_to_load(name, number, version)
        with registry.changed:
            if model is None:
                version.phase = Phase.FAILED
                registry.states.set(name, number, ModelVersionStatus.END, version.error)
                if not version.wanted:
                    del registry.versions[name][number]
            else:
                version.phase, version.lease = Phase.READY, Lease(model)
                registry.publish(name)
                registry.states.set(name, number, ModelVersionStatus.AVAILABLE)
                took_s = time.monotonic() - started
                logger.info("Loaded model %s version %d in %.2f s", name, number, took_s)
            registry.changed.notify_all()

    def _try_to_load(self, name: str, number: int, version: Version) -> ClosableServable | None:
        num_attempts = 1 + self._max_num_retries
        for attempt in range(1, num_attempts + 1):
            try:
                return self._load(name, number, version.folder)
            except ServingError as error:
                version.error = error
            except Exception as error:  # noqa: BLE001 - a model may be broken in any way
                text = f"{type(error).__name__}: {error}"
                version.error = ServingError(grpc.StatusCode.UNKNOWN, text)
            logger.error(
                "Model %s version %d did not load (attempt %d of %d): %s",
                name,
                number,
                attempt,
                num_attempts,
                describe(version.error),
            )
            is_final = attempt == num_attempts or isinstance(version.error, FinalError)
            if is_final or self._is_given_up(version):
                return None
        return None

    def _is_given_up(self, version: Version) -> bool:
        """Waits for the next attempt; True as soon as nobody wants the version any more."""
        with self._registry.changed:
            return self._registry.changed.wait_for(
                lambda: self._registry.is_stopping or not version.wanted, self._retry_interval_s
            )

    def _start_unload(self, name: str, number: int) -> None:
        version = self._registry.versions[name][number]
        version.phase = Phase.UNLOADING
        self._registry.publish(name)
        self._registry.states.set(name, number, ModelVersionStatus.UNLOADING)
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
        registry = self._registry
        with registry.changed:
            registry.states.set(name, number, ModelVersionStatus.END)
            logger.info("Unloaded model %s version %d", name, number)
            if version.wanted and not registry.is_stopping:  # wanted again in the meantime
                version.phase = Phase.NEW
            else:
                del registry.versions[name][number]
            self._unloads.discard(threading.current_thread())
            registry.changed.notify_all()
            self._start_worker(name)
