"""Loading, retries and unloading, without a poller."""

from pathlib import Path

import grpc
import pytest

from serving.errors import FinalError
from serving.lifecycle.version_loader import VersionLoader
from serving.lifecycle.version_registry import VersionRegistry
from tests.serving.lifecycle.fakes import Loader, SteppedCondition, push, states, wait_for


@pytest.fixture
def registry() -> VersionRegistry:
    registry = VersionRegistry()
    registry.changed = SteppedCondition()
    return registry


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def folders(tmp_path) -> dict[int, str]:
    """Folders of the versions 1 to 3."""
    for version in (1, 2, 3):
        push(tmp_path, version)
    return {version: str(tmp_path / str(version)) for version in (1, 2, 3)}


def version_loader(registry, loader, *, max_num_retries=0, retry_interval_s=600.0):
    return VersionLoader(
        registry, loader, max_num_retries=max_num_retries, retry_interval_s=retry_interval_s
    )


def wait_until_idle(versions: VersionLoader) -> None:
    wait_for(lambda: not versions.workers())


def test_the_highest_version_loads_first(registry, loader, folders):
    versions = version_loader(registry, loader)
    versions.want("half", folders)
    wait_until_idle(versions)
    assert [model.version for model in loader.loaded] == [3, 2, 1]
    assert states(registry) == {3: "AVAILABLE", 2: "AVAILABLE", 1: "AVAILABLE"}


def test_the_last_ready_version_goes_only_once_another_serves(registry, loader, folders):
    versions = version_loader(registry, loader)
    versions.want("half", {1: folders[1]})
    wait_until_idle(versions)
    loader.gate.clear()
    versions.want("half", {2: folders[2]})
    wait_for(lambda: loader.num_attempts == 2)
    assert states(registry) == {2: "LOADING", 1: "AVAILABLE"}
    loader.gate.set()
    wait_for(lambda: states(registry) == {2: "AVAILABLE", 1: "END"})
    assert loader.loaded[0].closed


def test_a_version_that_failed_is_not_loaded_again_while_it_is_wanted(registry, loader, folders):
    versions = version_loader(registry, loader)
    loader.broken.add(2)
    for _ in range(10):
        versions.want("half", {2: folders[2]})
        wait_until_idle(versions)
    assert loader.num_attempts == 1
    assert states(registry) == {2: "END"}
    assert registry.failures("half") == {2: "INVALID_ARGUMENT: version 2 is broken"}


def test_a_version_that_failed_is_loaded_again_once_it_was_unwanted(registry, loader, folders):
    versions = version_loader(registry, loader)
    loader.broken.add(2)
    versions.want("half", {2: folders[2]})
    wait_until_idle(versions)
    loader.broken.clear()
    versions.want("half", {})
    versions.want("half", {2: folders[2]})
    wait_for(lambda: states(registry) == {2: "AVAILABLE"})


def test_a_failed_load_is_retried_after_the_interval(registry, loader, folders):
    versions = version_loader(registry, loader, max_num_retries=2, retry_interval_s=0.001)
    loader.broken.add(1)
    versions.want("half", {1: folders[1]})
    wait_until_idle(versions)
    assert loader.num_attempts == 3
    assert registry.changed.timeouts == [0.001, 0.001]


def test_a_version_is_loading_until_its_last_attempt(registry, loader, folders):
    versions = version_loader(registry, loader, max_num_retries=1)
    loader.broken.add(1)
    versions.want("half", {1: folders[1]})
    assert registry.changed.waits.acquire(timeout=10)  # before the retry, in ten minutes
    assert states(registry) == {1: "LOADING"}
    versions.want("half", {})
    wait_until_idle(versions)
    assert states(registry) == {1: "END"}
    assert loader.num_attempts == 1


def test_a_stop_ends_the_retries_and_starts_no_load(registry, loader, folders):
    versions = version_loader(registry, loader, max_num_retries=1)
    loader.broken.add(1)
    versions.want("half", {1: folders[1]})
    assert registry.changed.waits.acquire(timeout=10)
    with registry.changed:
        registry.is_stopping = True
        registry.changed.notify_all()
    wait_until_idle(versions)
    versions.want("half", folders)
    assert versions.workers() == []
    assert loader.num_attempts == 1


def test_unloading_waits_for_requests_no_longer_than_the_grace(registry, loader, folders):
    versions = version_loader(registry, loader)
    versions.want("half", {1: folders[1]})
    wait_until_idle(versions)
    registry.is_stopping = True
    with registry.acquire("half"):
        assert not versions.unload_all(0.01)
        assert states(registry) == {1: "UNLOADING"}
        assert not loader.loaded[0].closed
    wait_for(lambda: states(registry) == {1: "END"})
    assert loader.loaded[0].closed


def test_a_version_that_is_wanted_again_while_it_unloads_is_loaded_again(registry, loader, folders):
    versions = version_loader(registry, loader)
    versions.want("half", {1: folders[1]})
    wait_until_idle(versions)
    with registry.acquire("half"):
        versions.want("half", {})
        wait_for(lambda: states(registry) == {1: "UNLOADING"})
        versions.want("half", {1: folders[1]})
    wait_for(lambda: states(registry) == {1: "AVAILABLE"})
    assert [model.closed for model in loader.loaded] == [True, False]


def test_the_loader_gets_name_version_and_folder(registry, folders):
    calls = []

    def load(name: str, version: int, folder: str):
        calls.append((name, version, Path(folder)))
        raise OSError("disk")

    versions = version_loader(registry, load)
    versions.want("half", {3: folders[3]})
    wait_until_idle(versions)
    assert calls == [("half", 3, Path(folders[3]))]
    assert registry.failures("half") == {3: "UNKNOWN: OSError: disk"}


def test_a_final_error_is_not_retried(registry, folders):
    calls: list[int] = []

    def load(name: str, version: int, folder: str):
        calls.append(version)
        raise FinalError(grpc.StatusCode.FAILED_PRECONDITION, "not signed")

    versions = version_loader(registry, load, max_num_retries=5)
    versions.want("half", {3: folders[3]})
    wait_until_idle(versions)
    assert calls == [3]
    assert registry.failures("half") == {3: "FAILED_PRECONDITION: not signed"}
