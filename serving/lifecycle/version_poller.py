"""Finds the versions of the configured models on disk, at a fixed interval."""

import logging
import re
import threading
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path

import grpc

from serving.errors import ServingError
from serving.lifecycle.model_config import ModelSettings
from serving.lifecycle.version_registry import VersionRegistry
from serving.runtime.tensorflow_c import file_exists, list_folder

logger = logging.getLogger(__name__)

_NUMBER = re.compile(r"-?[0-9]+")
_INT64 = range(-(2**63), 2**63)
# Pusher writes this file last; a folder without it is still being written.
MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")

Want = Callable[[str, Mapping[int, str]], None]


class VersionPoller:
    """A thread that lists the base paths and reports the versions to serve."""

    def __init__(
        self,
        registry: VersionRegistry,
        want: Want,
        *,
        poll_wait_s: float,
        model_files: Sequence[str] = MODEL_FILES,
    ) -> None:
        """Starts no thread yet; see `follow`.

        Args:
            registry: Gives the lock, and the versions whose folders were already complete.
            want: Called under the registry's lock for each model after each poll, with the folder
                of each version to serve.
            poll_wait_s: Seconds between two polls; 0 polls once for each call of `follow`, less
                than 0 never.
            model_files: A version is complete once it has one of these files.
        """
        self._model_files = model_files
        self._registry = registry
        self._want = want
        self._poll_wait_s = poll_wait_s
        # Both change only under the registry's lock.
        self._settings: Mapping[str, ModelSettings] = {}
        self._poll_now = False
        self._last_warning = ""
        self.thread = threading.Thread(target=self._poll_forever, name="versions", daemon=True)

    def follow(self, settings: Mapping[str, ModelSettings]) -> None:
        """Polls the base paths of these models from now on, the first time at once."""
        with self._registry.changed:
            self._settings = settings
            self._poll_now = True
            self._registry.changed.notify_all()
            if self.thread.ident is None and self._poll_wait_s >= 0:
                self.thread.start()

    def _poll_forever(self) -> None:
        changed = self._registry.changed
        while True:
            with changed:
                self._poll_now = False
                settings = self._settings
            try:
                self._poll(settings)
            except Exception:
                logger.exception("The served versions are unchanged: the poll failed unexpectedly")
            with changed:
                changed.wait_for(
                    lambda: self._registry.is_stopping or self._poll_now, self._poll_wait_s or None
                )
                if self._registry.is_stopping:
                    return

    def _poll(self, settings: Mapping[str, ModelSettings]) -> None:
        known = self._registry.versions
        folders_by_model: dict[str, dict[int, str]] = {}
        problems: list[str] = []
        for name, model in settings.items():
            try:
                folders_by_model[name] = find_versions(
                    name,
                    model.base_path,
                    known=known.get(name, {}),
                    model_files=self._model_files,
                )
            except ServingError as error:
                problems.append(f"The served versions are unchanged: {error.message}")
                if error.code is grpc.StatusCode.NOT_FOUND:
                    # One missing base path may mean that the whole volume is missing: unload
                    # nothing.
                    self._warn_once(problems[-1])
                    return
        empty = [
            settings[name].base_path for name, folders in folders_by_model.items() if not folders
        ]
        if empty:
            problems.append(
                f"No versions found under {', '.join(empty)}. A version is a folder named by a "
                "number, with a saved_model.pb."
            )
        self._warn_once(" ".join(problems))
        with self._registry.changed:
            for name, folders in folders_by_model.items():
                # A reload since the poll began may have removed or changed the model.
                if self._settings.get(name) is settings[name]:
                    chosen = settings[name].policy.choose(folders.keys())
                    self._want(name, {number: folders[number] for number in chosen})

    def _warn_once(self, text: str) -> None:
        """Logs a problem with the base paths when it appears, not at every poll."""
        if text and text != self._last_warning:
            logger.warning("%s", text)
        self._last_warning = text


def find_versions(
    name: str,
    base_path: str,
    *,
    known: Container[int] = (),
    model_files: Sequence[str] = MODEL_FILES,
) -> dict[int, str]:
    """Returns the folder of each complete version.

    Args:
        name: Name of the model, for the error.
        base_path: Path or URI; each child named by an integer is a version.
        known: Versions that were complete before and are not checked again.
        model_files: A version is complete once it has one of these files.

    Raises:
        ServingError: NOT_FOUND if the base path does not exist; FAILED_PRECONDITION if it cannot be
            listed.
    """
    try:
        listed = list_folder(base_path)
    except ServingError as error:
        is_missing = error.code is grpc.StatusCode.NOT_FOUND
        raise ServingError(
            grpc.StatusCode.NOT_FOUND if is_missing else grpc.StatusCode.FAILED_PRECONDITION,
            f"Could not find base path {base_path} for servable {name} with error {error.message}",
        ) from error
    children = {child.split("/", 1)[0] for child in listed}
    numbered = [c for c in sorted(children) if _NUMBER.fullmatch(c) and int(c) in _INT64]
    return {
        int(child): folder
        for child in numbered
        if _is_complete(folder := f"{base_path.rstrip('/')}/{child}", model_files)
        or int(child) in known
    }


def _is_complete(folder: str, model_files: Sequence[str]) -> bool:
    """Returns whether a child of a base path is a version to load.

    Anything but a folder, and a folder that cannot be read, is one as well, as in TensorFlow
    Serving: it fails to load, which the version's state shows.
    """
    try:
        return any(file_exists(f"{folder}/{file}") for file in model_files) or (
            Path(folder).is_symlink() and not file_exists(folder)
        )
    except ServingError:
        return True
