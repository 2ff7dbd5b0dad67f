"""The state of every version ever seen, for GetModelStatus and the status route."""

import threading
from collections import defaultdict

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusResponse,
    ModelVersionStatus,
)

from serving.errors import ServingError, not_found


class VersionStates:
    """States by model and version; unloaded and failed versions stay listed as END."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, dict[int, tuple[int, ServingError | None]]] = defaultdict(dict)

    def set(self, name: str, version: int, state: int, error: ServingError | None = None) -> None:
        """Records the state of a version, and the error that led to it."""
        with self._lock:
            self._states[name][version] = (state, error)

    def is_available(self, name: str, version: int) -> bool:
        """Returns whether a version serves."""
        with self._lock:
            state, _ = self._states.get(name, {}).get(version, (ModelVersionStatus.UNKNOWN, None))
        return bool(state == ModelVersionStatus.AVAILABLE)

    def status(self, name: str, version: int | None) -> GetModelStatusResponse:
        """Returns the state of one version, or of all, highest first.

        Raises:
            ServingError: NOT_FOUND for a version or a model that was never seen.
        """
        with self._lock:
            states = dict(self._states.get(name, {}))
        if version is not None:
            if version not in states:
                raise not_found(f"Could not find version {version} of model {name}")
            states = {version: states[version]}
        if not states:
            raise not_found(f"Could not find any versions of model {name}")
        response = GetModelStatusResponse()
        for number in sorted(states, reverse=True):
            state, error = states[number]
            entry = response.model_version_status.add(version=number, state=state)
            entry.status.error_code = _code(error)
            entry.status.error_message = error.message if error else ""
        return response


def _code(error: ServingError | None) -> int:
    code = error.code if error else grpc.StatusCode.OK
    return int(code.value[0])
