"""The served models: applies a config, waits for its models, looks versions up for requests."""

import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.errors import ServingError
from serving.lifecycle.model_config import (
    ModelSettings,
    check_request_logging,
    check_transition,
    read_settings,
)
from serving.lifecycle.version_loader import Load, VersionLoader
from serving.lifecycle.version_poller import MODEL_FILES, VersionPoller
from serving.lifecycle.version_registry import VersionRegistry
from serving.runtime.deadlines import remaining_s, timed_out
from serving.servable import Servable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ManagerOptions:
    """How versions are found and loaded.

    Attributes:
        poll_wait_s: Seconds between two polls of the base paths; 0 polls once, less than 0 never.
        max_num_retries: How often a failed load is retried.
        retry_interval_s: Seconds before each retry.
        allow_labels_for_unavailable: Whether new labels may name versions that do not serve yet.
        model_files: A version is complete once it has one of these files.
    """

    poll_wait_s: float = 1.0
    max_num_retries: int = 5
    retry_interval_s: float = 60.0
    allow_labels_for_unavailable: bool = False
    model_files: Sequence[str] = MODEL_FILES


class VersionManager:
    """The served models; implements `Servables` and `ModelManager`."""

    def __init__(self, load: Load, options: ManagerOptions) -> None:
        """Starts without a model; `reload` adds them.

        Args:
            load: Loads a version, given model name, version and folder; raises ServingError.
            options: How versions are found and loaded.
        """
        self._options = options
        self._registry = VersionRegistry()
        self._loader = VersionLoader(
            self._registry,
            load,
            max_num_retries=options.max_num_retries,
            retry_interval_s=options.retry_interval_s,
        )
        self._poller = VersionPoller(
            self._registry,
            self._loader.want,
            poll_wait_s=options.poll_wait_s,
            model_files=options.model_files,
        )
        # Both change only under the registry's lock.
        self._settings: Mapping[str, ModelSettings] = {}
        self._config: ModelServerConfig | None = None

    def acquire(
        self, name: str, *, version: int | None = None, label: str | None = None
    ) -> AbstractContextManager[Servable]:
        """Returns a version, kept loaded while the context is open; see `Servables`."""
        return self._registry.acquire(name, version=version, label=label)

    def status(
        self, name: str, *, version: int | None = None, label: str | None = None
    ) -> GetModelStatusResponse:
        """Returns the states of a model's versions; see `ModelManager`."""
        return self._registry.status(name, version=version, label=label)

    def serves(self, name: str) -> bool:
        """Returns whether a model has a version that serves."""
        return self._registry.serves(name)

    def folder(self, name: str, version: int) -> str | None:
        """Returns the folder of a version; None once it is unloaded."""
        record = self._registry.versions.get(name, {}).get(version)
        return None if record is None else record.folder

    def readiness(self) -> dict[str, bool]:
        """Returns by configured model whether its latest version serves and answers."""
        return {name: self._registry.answers(name) for name in self._settings}

    def is_ready(self) -> bool:
        """Returns whether there are models, all of them answer, and the server is not stopping."""
        readiness = self.readiness()
        return bool(readiness) and all(readiness.values()) and not self._registry.is_stopping

    def reload(self, config: ModelServerConfig) -> None:
        """Replaces the served models by those of a config; returns once its new models serve.

        Raises:
            ServingError: States why the config was refused, or which model did not load.
        """
        with self._registry.changed:
            is_first = self._config is None
            check_transition(self._config, config)
            if config.WhichOneof("config") is None:
                logger.info("Taking no action for empty config.")
                return
            settings = read_settings(config)
            self._registry.check_labels(
                settings.values(), allow_unavailable=self._options.allow_labels_for_unavailable
            )
            added = settings.keys() - self._settings.keys()
            self._config, self._settings = config, settings
            self._registry.set_labels(settings.values())
            for name in self._registry.versions.keys() - settings.keys():
                self._loader.want(name, {})
            self._poller.follow(settings)
            self._wait_until_ready(added, "servable(s)" if is_first else "model(s)")
        check_request_logging(config)

    def stop(self, grace_s: float = 30.0, *, unloading_s: float = math.inf) -> bool:
        """Unloads everything; versions that are still in use at the end of the grace stay loaded.

        Args:
            grace_s: Seconds that loads and requests in progress get to finish.
            unloading_s: Maximum number of these seconds that requests get, after the loads.

        Returns:
            Whether all loads ended and all versions were unloaded.
        """
        end_s = time.monotonic() + grace_s
        with self._registry.changed:
            self._registry.is_stopping = True
            self._registry.changed.notify_all()
            threads = [self._poller.thread, *self._loader.workers()]
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, end_s - time.monotonic()))
        is_unloaded = self._loader.unload_all(min(unloading_s, max(0.0, end_s - time.monotonic())))
        return is_unloaded and not any(thread.is_alive() for thread in threads)

    def _wait_until_ready(self, names: Iterable[str], what: str) -> None:
        registry = self._registry
        waiting = sorted(names)

        def is_decided() -> bool:
            return registry.is_stopping or all(
                name not in self._settings or registry.serves(name) or registry.failures(name)
                for name in waiting
            )

        timeout_s = remaining_s()
        if not registry.changed.wait_for(is_decided, None if timeout_s == math.inf else timeout_s):
            raise timed_out()
        if registry.is_stopping:
            raise ServingError(grpc.StatusCode.CANCELLED, "The server is stopping")
        failures = [
            f"{{{{name: {name} version: {number}}} due to error: {error}}}, "
            for name in waiting
            if not registry.serves(name)
            for number, error in registry.failures(name).items()
        ]
        if failures:
            raise ServingError(
                grpc.StatusCode.UNKNOWN,
                f"{len(failures)} {what} did not become available: {{{''.join(failures)}}}",
            )
