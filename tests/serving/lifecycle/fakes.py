"""Version folders, and models of no content that record how they are loaded and closed."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from google.protobuf import text_format
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.errors import invalid_argument

_T = TypeVar("_T")


class Model:
    """A loaded version that knows whether it was closed."""

    signatures: ClassVar[dict[str, Any]] = {}

    def __init__(self, name: str, version: int) -> None:
        self.name = name
        self.version = version
        self.closed = False
        self.hung = False

    def is_hung(self) -> bool:
        return self.hung

    def run(self, _feeds: Any, _fetches: Any) -> list[Any]:
        assert not self.closed
        return []

    def close(self) -> None:
        self.closed = True


class Loader:
    """Loads every version except those in `broken`, and none while `gate` is closed."""

    def __init__(self) -> None:
        self.broken: set[int] = set()
        self.loaded: list[Model] = []
        self.num_attempts = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, name: str, version: int, folder: str) -> Model:
        assert (Path(folder) / "saved_model.pb").exists()
        self.num_attempts += 1
        assert self.gate.wait(10)
        if version in self.broken:
            raise invalid_argument(f"version {version} is broken")
        self.loaded.append(Model(name, version))
        return self.loaded[-1]


class SteppedCondition(threading.Condition):
    """A condition that announces each timed wait.

    Attributes:
        timeouts: The timeout of each wait, in order.
        waits: Released at the start of each wait.
    """

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[float | None] = []
        self.waits = threading.Semaphore(0)

    def wait_for(self, predicate: Callable[[], _T], timeout: float | None = None) -> _T:
        self.timeouts.append(timeout)
        self.waits.release()
        return super().wait_for(predicate, timeout)


def push(base: Path, version: int | str) -> None:
    (base / str(version)).mkdir(parents=True)
    (base / str(version) / "saved_model.pb").touch()


def unpush(base: Path, version: int) -> None:
    (base / str(version) / "saved_model.pb").unlink()
    (base / str(version)).rmdir()


def config(*models: tuple[str, Path], extra: str = "") -> ModelServerConfig:
    listed = "".join(
        f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" {extra} }}'
        for name, base in models
    )
    return text_format.Parse(f"model_config_list {{ {listed} }}", ModelServerConfig())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 10 s"
        time.sleep(0.005)


def states(statuses: Any, name: str = "half") -> dict[int, str]:
    """The state of each version by number, from a manager or a registry."""
    return {
        entry.version: ModelVersionStatus.State.Name(entry.state)
        for entry in statuses.status(name).model_version_status
    }
