"""Versions that come and go, with models that have no content."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.errors import ServingError
from serving.lifecycle.version_manager import ManagerOptions, VersionManager
from serving.runtime.deadlines import deadline_at
from tests.serving.lifecycle.fakes import (
    Loader,
    config,
    push,
    states,
    unpush,
    wait_for,
)


@contextmanager
def managing(loader: Loader, **options):
    fast = {"poll_wait_s": 0.01, "max_num_retries": 0, "retry_interval_s": 0.01}
    manager = VersionManager(loader, ManagerOptions(**{**fast, **options}))
    try:
        yield manager
    finally:
        loader.gate.set()
        manager.stop()
    assert all(model.closed for model in loader.loaded)


def latest(manager: VersionManager, name: str = "half") -> int:
    with manager.acquire(name) as model:
        return model.version


class Clock:
    """A model of its own, whose new versions show that the manager has polled."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self._numbers = itertools.count(1_000)
        push(base, next(self._numbers))

    def wait_for_poll(self, manager: VersionManager) -> None:
        """Waits until a whole poll has begun and ended."""
        for _ in range(2):  # the first one may have begun before the call
            number = next(self._numbers)
            push(self.base, number)
            wait_for(lambda number=number: latest(manager, "clock") == number)


@pytest.fixture
def clock(tmp_path) -> Clock:
    return Clock(tmp_path / "clock")


@pytest.fixture
def base(tmp_path) -> Path:
    return tmp_path / "half"


@pytest.fixture
def loader() -> Loader:
    return Loader()


def test_the_highest_version_serves_and_the_others_stay_on_disk(base, loader):
    for name in (1, "00000123", "9", "notes", "12x", "1_000", str(2**63)):
        push(base, name)
    with managing(loader) as manager:
        manager.reload(config(("half", base)))
        assert latest(manager) == 123
        assert states(manager) == {123: "AVAILABLE"}
        with manager.acquire("half", version=123) as model:
            assert model.name == "half"
        assert manager.is_ready()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, r"Servable not found for request: Latest\(other\)"),
        ({"version": 9}, r"Servable not found for request: Specific\(other, 9\)"),
    ],
)
def test_missing_models_and_versions_are_not_found(base, loader, asked, message):
    push(base, 1)
    with managing(loader) as manager:
        manager.reload(config(("half", base)))
        with pytest.raises(ServingError, match=message) as caught:
            manager.acquire("other", **asked)
        assert caught.value.code is grpc.StatusCode.NOT_FOUND
        with pytest.raises(ServingError, match="Unrecognized servable version label: x") as caught:
            manager.acquire("other", label="x")
        assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(ServingError, match="Could not find any versions of model other"):
            manager.status("other")
        with pytest.raises(ServingError, match="Could not find version 9 of model half"):
            manager.status("half", version=9)


def test_a_new_version_takes_over_and_the_old_one_ends(base, loader):
    push(base, 1)
    with managing(loader) as manager:
        manager.reload(config(("half", base)))
        push(base, 2)
        wait_for(lambda: states(manager) == {2: "AVAILABLE", 1: "END"})
        assert latest(manager) == 2
        assert loader.loaded[0].closed
        with pytest.raises(ServingError, match=r"Specific\(half, 1\)"):
            manager.acquire("half", version=1)


def test_the_old_version_serves_while_the_new_one_loads(base, loader):
    push(base, 1)
    with managing(loader) as manager:
        manager.reload(config(("half", base)))
        loader.gate.clear()
        push(base, 2)
        wait_for(lambda: states(manager) == {2: "LOADING", 1: "AVAILABLE"})
        assert latest(manager) == 1
        loader.gate.set()
        wait_for(lambda: states(manager) == {2: "AVAILABLE", 1: "END"})


def test_a_request_under_way_keeps_its_version(base, loader):
    push(base, 1)
    with managing(loader) as manager:
        manager.reload(config(("half", base)))
        with manager.acquire("half") as model:
            push(base, 2)
            wait_for(lambda: states(manager) == {2: "AVAILABLE", 1: "UNLOADING"})
            assert model.version == 1
            model.run({}, [])
            assert latest(manager) == 2
        wait_for(lambda: states(manager)[1] == "END")


def test_a_broken_version_ends_with_its_error_and_the_old_one_keeps_serving(base, clock, loader):
    push(base, 1)
    loader.broken.add(2)
    with managing(loader) as manager:
        manager.reload(config(("half", base), ("clock", clock.base)))
        push(base, 2)
        wait_for(lambda: states(manager) == {2: "END", 1: "AVAILABLE"})
        [entry] = manager.status("half", version=2).model_version_status
        assert entry.status.error_code == 3  # INVALID_ARGUMENT
        assert entry.status.error_message == "version 2 is broken"
        clock.wait_for_poll(manager)
        assert states(manager) == {2: "END", 1: "AVAILABLE"}
        assert latest(manager) == 1
        push(base, 3)
        wait_for(lambda: states(manager) == {3: "AVAILABLE", 2: "END", 1: "END"})


def test_a_broken_version_that_is_pushed_again_is_loaded_again(base, clock, loader):
    push(base, 1)
    push(base, 2)
    loader.broken.add(2)
    with managing(loader) as manager:
        both = ("half", base), ("clock", clock.base)
        manager.reload(config(*both, extra="model_version_policy { all {} }"))
        wait_for(lambda: states(manager) == {2: "END", 1: "AVAILABLE"})
        unpush(base, 2)
        loader.broken.clear()
        clock.wait_for_poll(manager)
        push(base, 2)
        wait_for(lambda: states(manager) == {2: "AVAILABLE", 1: "AVAILABLE"})


def test_a_version_is_loading_while_it_is_retried(base, loader):
    push(base, 1)
    with managing(loader, max_num_retries=1_000_000) as manager:
        manager.reload(config(("half", base)))
        loader.broken.add(2)
        push(base, 2)
        wait_for(lambda: loader.num_attempts > 4)
        assert states(manager) == {2: "LOADING", 1: "AVAILABLE"}
        loader.broken.clear()
        wait_for(lambda: states(manager) == {2: "AVAILABLE", 1: "END"})
        assert manager.status("half", version=2).model_version_status[0].status.error_code == 0


def test_a_version_that_is_retried_makes_way_for_a_newer_one(base, loader):
    push(base, 1)
    with managing(loader, max_num_retries=5, retry_interval_s=60) as manager:
        manager.reload(config(("half", base)))
        loader.broken.add(2)
        push(base, 2)
        wait_for(lambda: loader.num_attempts == 2)
        push(base, 3)
        wait_for(lambda: states(manager) == {3: "AVAILABLE", 2: "END", 1: "END"})


def test_a_version_that_fails_does_not_hold_up_another_model(base, tmp_path, loader):
    push(base, 1)
    push(tmp_path / "other", 10)
    with managing(loader, max_num_retries=5, retry_interval_s=60) as manager:
        manager.reload(config(("half", base), ("other", tmp_path / "other")))
        loader.broken.add(2)
        push(base, 2)
        wait_for(lambda: states(manager).get(2) == "LOADING")
        push(tmp_path / "other", 11)
        wait_for(lambda: latest(manager, "other") == 11)


def test_any_other_exception_of_a_loader_is_an_error_of_the_version(base, loader):
    push(base, 1)

    def load(name, version, folder):
        raise TypeError("no such op")

    manager = VersionManager(load, ManagerOptions(max_num_retries=0))
    with pytest.raises(ServingError, match="due to error: UNKNOWN: TypeError: no such op"):
        manager.reload(config(("half", base)))
    manager.stop()


def test_a_folder_without_its_last_file_is_not_touched(base, clock, loader):
    push(base, 1)
    with managing(loader) as manager:
        manager.reload(config(("half", base), ("clock", clock.base)))
        (base / "2" / "variables").mkdir(parents=True)
        clock.wait_for_poll(manager)
        assert states(manager) == {1: "AVAILABLE"}
        (base / "2" / "saved_model.pbtxt").touch()
        (base / "2" / "saved_model.pb").touch()
        wait_for(lambda: latest(manager) == 2)


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        ("latest { num_versions: 2 }", {2, 3}),
        ("all {}", {1, 2, 3}),
        ("specific { versions: 1 versions: 9 }", {1}),
    ],
)
def test_policies(base, loader, policy, served):
    for version in (1, 2, 3):
        push(base, version)
    with managing(loader) as manager:
        manager.reload(config(("half", base), extra=f"model_version_policy {{ {policy} }}"))
        wait_for(lambda: states(manager) == dict.fromkeys(served, "AVAILABLE"))
        assert latest(manager) == max(served)


def test_an_empty_base_path_unloads_everything(base, loader):
    push(base, 1)
    with managing(loader) as manager:
        manager.reload(config(("half", base)))
        unpush(base, 1)
        wait_for(lambda: states(manager) == {1: "END"})
        assert not manager.is_ready()
        push(base, 1)
        wait_for(lambda: states(manager) == {1: "AVAILABLE"})


def test_a_base_path_that_is_gone_leaves_all_models_as_they_are(base, tmp_path, loader, caplog):
    push(base, 1)
    push(tmp_path / "other", 1)
    with managing(loader) as manager:
        manager.reload(config(("half", base), ("other", tmp_path / "other")))
        base.rename(tmp_path / "moved")
        unpush(tmp_path / "other", 1)
        push(tmp_path / "other", 2)
        wait_for(lambda: "Could not find base path" in caplog.text)
        assert (states(manager), states(manager, "other")) == ({1: "AVAILABLE"}, {1: "AVAILABLE"})
        (tmp_path / "moved").rename(base)
        wait_for(lambda: states(manager, "other") == {2: "AVAILABLE", 1: "END"})


def test_without_a_version_the_start_waits(base, loader, caplog):
    base.mkdir()
    served: list[int] = []

    def start() -> None:
        manager.reload(config(("half", base)))
        served.append(latest(manager))

    with managing(loader) as manager:
        starting = threading.Thread(target=start)
        starting.start()
        wait_for(lambda: "No versions found" in caplog.text)
        assert starting.is_alive()
        push(base, 1)
        starting.join(10)
    assert served == [1]


def test_a_start_that_waits_can_be_stopped(base, loader, caplog):
    base.mkdir()
    caught: list[ServingError] = []

    def start() -> None:
        with pytest.raises(ServingError) as error:
            manager.reload(config(("half", base)))
        caught.append(error.value)

    with managing(loader) as manager:
        starting = threading.Thread(target=start)
        starting.start()
        # By then `reload` holds the lock that `stop` takes, until it waits for the model.
        wait_for(lambda: "No versions found" in caplog.text)
        manager.stop()
        starting.join(10)
    assert caught[0].code is grpc.StatusCode.CANCELLED


def test_a_start_with_a_broken_model_fails_and_names_it(base, loader):
    push(base, 7)
    loader.broken.add(7)
    with managing(loader) as manager, pytest.raises(ServingError) as caught:
        manager.reload(config(("half", base)))
    assert caught.value.code is grpc.StatusCode.UNKNOWN
    assert caught.value.message == (
        "1 servable(s) did not become available: {{{name: half version: 7} due to error: "
        "INVALID_ARGUMENT: version 7 is broken}, }"
    )


def test_with_an_interval_of_zero_a_reload_polls(base, loader):
    push(base, 1)
    with managing(loader, poll_wait_s=0) as manager:
        manager.reload(config(("half", base)))
        push(base, 2)
        manager.reload(config(("half", base)))
        wait_for(lambda: states(manager) == {2: "AVAILABLE", 1: "END"})


class TestReload:
    def test_models_come_and_go(self, base, tmp_path, loader):
        push(base, 1)
        push(tmp_path / "new", 5)
        with managing(loader) as manager:
            manager.reload(config(("half", base)))
            manager.reload(config(("new", tmp_path / "new")))
            assert latest(manager, "new") == 5
            wait_for(lambda: states(manager) == {1: "END"})
            with pytest.raises(ServingError, match=r"Latest\(half\)"):
                manager.acquire("half")

    def test_another_policy_takes_effect(self, base, loader):
        push(base, 1)
        push(base, 2)
        with managing(loader) as manager:
            manager.reload(config(("half", base)))
            policy = "model_version_policy { specific { versions: 1 } }"
            manager.reload(config(("half", base), extra=policy))
            wait_for(lambda: states(manager) == {2: "END", 1: "AVAILABLE"})

    def test_a_new_model_that_is_broken_is_named(self, base, tmp_path, loader):
        push(base, 1)
        push(tmp_path / "new", 5)
        loader.broken.add(5)
        with managing(loader) as manager:
            manager.reload(config(("half", base)))
            with pytest.raises(ServingError, match=r"^1 model\(s\) did not become available"):
                manager.reload(config(("half", base), ("new", tmp_path / "new")))
            assert latest(manager) == 1

    def test_a_wrong_config_changes_nothing(self, base, loader):
        push(base, 1)
        with managing(loader) as manager:
            manager.reload(config(("half", base)))
            with pytest.raises(ServingError, match="multiple times"):
                manager.reload(config(("half", base), ("half", base)))
            with pytest.raises(ServingError, match="Cannot transition"):
                manager.reload(ModelServerConfig())
            assert latest(manager) == 1

    def test_an_empty_first_config_is_followed_by_another(self, base, loader):
        push(base, 1)
        with managing(loader) as manager:
            manager.reload(ModelServerConfig())
            assert not manager.is_ready()
            manager.reload(config(("half", base)))
            assert manager.is_ready()

    def test_a_hung_model_is_not_ready(self, base, loader):
        push(base, 1)
        push(base.parent / "other", 1)
        with managing(loader) as manager:
            manager.reload(config(("half", base), ("other", base.parent / "other")))
            loader.loaded[-1].hung = True
            name = loader.loaded[-1].name
            assert manager.readiness() == {"half": True, "other": True, name: False}
            assert not manager.is_ready()
            loader.loaded[-1].hung = False
            assert manager.is_ready()

    def test_a_reload_waits_until_its_deadline(self, base, loader):
        base.mkdir()  # without a version the wait would not end
        with managing(loader) as manager:
            with (
                deadline_at(time.monotonic() + 0.05),
                pytest.raises(ServingError, match="Timed out") as caught,
            ):
                manager.reload(config(("half", base)))
            assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED

    def test_a_stop_waits_for_a_load_that_hangs_until_the_end_of_the_grace(self, base, loader):
        push(base, 1)
        loader.gate.clear()
        with managing(loader) as manager, ThreadPoolExecutor(1) as pool:
            reloading = pool.submit(manager.reload, config(("half", base)))
            wait_for(lambda: loader.num_attempts == 1)
            started_s = time.monotonic()
            manager.stop(0.2)
            assert time.monotonic() - started_s < 5
            loader.gate.set()
            assert "stopping" in str(reloading.exception(10))

    def test_request_logging_is_refused_once_all_else_was_done(self, base, loader):
        push(base, 1)
        with managing(loader) as manager:
            with pytest.raises(ServingError, match="No request-logger-creator"):
                manager.reload(config(("half", base), extra="logging_config {}"))
            assert latest(manager) == 1


class TestLabels:
    ALL = "model_version_policy { all {} }"

    def label(self, base: Path, version: int, label: str = "stable") -> ModelServerConfig:
        labels = f'version_labels {{ key: "{label}" value: {version} }}'
        return config(("half", base), extra=f"{self.ALL} {labels}")

    def test_a_label_is_another_name_of_a_version(self, base, loader):
        push(base, 1)
        push(base, 2)
        with managing(loader) as manager:
            manager.reload(config(("half", base), extra=self.ALL))
            wait_for(lambda: states(manager) == {2: "AVAILABLE", 1: "AVAILABLE"})
            manager.reload(self.label(base, 1))
            with manager.acquire("half", label="stable") as model:
                assert model.version == 1
            [entry] = manager.status("half", label="stable").model_version_status
            assert entry.version == 1
            manager.reload(self.label(base, 2))
            with manager.acquire("half", label="stable") as model:
                assert model.version == 2

    def test_a_version_has_to_be_there_before_its_label(self, base, loader):
        push(base, 1)
        text = "Request to assign label to version 1 of model half, which is not currently"
        with managing(loader) as manager:
            with pytest.raises(ServingError, match=text) as caught:
                manager.reload(self.label(base, 1))
            assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
            manager.reload(config(("half", base), extra=self.ALL))
            manager.reload(self.label(base, 1))
            with pytest.raises(ServingError, match="label to version 2"):
                manager.reload(self.label(base, 2))
            with manager.acquire("half", label="stable") as model:
                assert model.version == 1

    def test_new_labels_may_come_first_where_allowed_but_not_move(self, base, loader):
        push(base, 1)
        with managing(loader, allow_labels_for_unavailable=True) as manager:
            manager.reload(self.label(base, 1))
            with pytest.raises(ServingError, match="label to version 2"):
                manager.reload(self.label(base, 2))
            manager.reload(self.label(base, 2, "canary"))
            with pytest.raises(ServingError, match=r"Specific\(half, 2\)"):
                manager.acquire("half", label="canary")
            with pytest.raises(ServingError, match="label: stable"):
                manager.acquire("half", label="stable")


def test_requests_never_fail_while_versions_change(base, loader):
    push(base, 1)
    stop = threading.Event()
    failures: list[Exception] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                with manager.acquire("half") as model:
                    model.run({}, [])
            except (ServingError, AssertionError) as error:
                failures.append(error)
                return

    with managing(loader, poll_wait_s=0.001) as manager:
        manager.reload(config(("half", base)))
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for version in range(2, 60):
            push(base, version)
            unpush(base, version - 1)
            wait_for(lambda version=version: latest(manager) == version)
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
