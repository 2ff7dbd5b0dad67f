"""Finding versions on disk, one poll at a time."""

import os
from pathlib import Path

import pytest

from serving.errors import ServingError
from serving.lifecycle.model_config import ModelSettings, VersionPolicy
from serving.lifecycle.version_poller import VersionPoller, find_versions
from serving.lifecycle.version_records import Version
from serving.lifecycle.version_registry import VersionRegistry
from tests.serving.lifecycle.fakes import SteppedCondition, push, unpush


class Stepper:
    """A poller that polls once for each call of `poll`.

    Attributes:
        wanted: What it reported, in order: model and numbers of its versions.
    """

    def __init__(self, poll_wait_s: float = 0) -> None:
        self.registry = VersionRegistry()
        self.condition = self.registry.changed = SteppedCondition()
        self.wanted: list[tuple[str, set[int]]] = []
        self.poller = VersionPoller(
            self.registry,
            lambda name, folders: self.wanted.append((name, set(folders))),
            poll_wait_s=poll_wait_s,
        )

    def poll(self, **base_paths: Path) -> None:
        settings = {
            name: ModelSettings(name=name, base_path=str(base)) for name, base in base_paths.items()
        }
        self.poller.follow(settings)
        assert self.condition.waits.acquire(timeout=10)

    def stop(self) -> None:
        with self.registry.changed:
            self.registry.is_stopping = True
            self.registry.changed.notify_all()
        self.poller.thread.join(10)
        assert not self.poller.thread.is_alive()


@pytest.fixture
def stepper():
    stepper = Stepper()
    yield stepper
    stepper.stop()


@pytest.fixture
def base(tmp_path) -> Path:
    return tmp_path / "half"


def test_versions_are_folders_named_by_an_int64(base):
    for name in (1, "00000123", "-4", "notes", "12x", "1_000", "1.5", str(2**63)):
        push(base, name)
    assert find_versions("half", f"{base}/") == {
        1: f"{base}/1",
        123: f"{base}/00000123",
        -4: f"{base}/-4",
    }


def test_a_version_is_complete_once_its_graph_is_written(base):
    (base / "1" / "variables").mkdir(parents=True)
    assert find_versions("half", str(base)) == {}
    (base / "1" / "saved_model.pbtxt").touch()
    assert find_versions("half", str(base)) == {1: f"{base}/1"}


def test_a_version_that_was_complete_is_not_checked_again(base):
    (base / "1").mkdir(parents=True)
    assert find_versions("half", str(base), known={1}) == {1: f"{base}/1"}


def test_a_missing_base_path_is_an_error(base):
    with pytest.raises(ServingError, match=f"^Could not find base path {base} for servable half"):
        find_versions("half", str(base))


def put_file(path: Path) -> None:
    path.touch()


def put_link_to_nothing(path: Path) -> None:
    path.symlink_to("nothing")


def put_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def put_pipe(path: Path) -> None:
    os.mkfifo(path)


ODD_CHILDREN = [put_file, put_link_to_nothing, put_link_to_itself, put_pipe]


@pytest.mark.parametrize("put", ODD_CHILDREN)
def test_a_child_that_is_no_readable_folder_is_a_version_that_will_fail(base, put):
    push(base, 1)
    put(base / "20261126")
    assert find_versions("half", str(base)) == {1: f"{base}/1", 20261126: f"{base}/20261126"}


@pytest.mark.parametrize("put", ODD_CHILDREN)
def test_an_odd_child_of_one_model_does_not_stop_the_others(base, tmp_path, stepper, put):
    push(base, 1)
    put(base / "2")
    push(tmp_path / "other", 1)
    stepper.poll(half=base, other=tmp_path / "other")
    push(tmp_path / "other", 2)
    stepper.poll(half=base, other=tmp_path / "other")
    assert stepper.wanted == [("half", {2}), ("other", {1}), ("half", {2}), ("other", {2})]


def test_a_file_whose_name_is_no_text_is_no_version(base):
    push(base, 1)
    (Path(os.fsdecode(bytes(base) + b"/\xff\xfe"))).touch()
    assert find_versions("half", str(base)) == {1: f"{base}/1"}


def test_a_base_path_that_is_a_file_stops_only_its_own_model(base, tmp_path, stepper, caplog):
    push(base, 1)
    (tmp_path / "other").touch()
    stepper.poll(half=base, other=tmp_path / "other")
    assert stepper.wanted == [("half", {1})]
    [message] = caplog.messages
    assert "Could not find base path" in message
    assert "Not a directory" in message


def test_each_poll_reports_the_versions_that_the_policy_chooses(base, stepper):
    push(base, 1)
    push(base, 2)
    stepper.poll(half=base)
    unpush(base, 2)
    stepper.poll(half=base)
    assert stepper.wanted == [("half", {2}), ("half", {1})]


def test_a_policy_may_choose_several_versions(base, stepper):
    push(base, 1)
    push(base, 2)
    settings = ModelSettings(name="half", base_path=str(base), policy=VersionPolicy())
    stepper.poller.follow({"half": settings})
    assert stepper.condition.waits.acquire(timeout=10)
    assert stepper.wanted == [("half", {1, 2})]


def test_a_known_version_is_reported_without_its_graph(base, stepper):
    (base / "1").mkdir(parents=True)
    stepper.registry.versions["half"] = {1: Version(f"{base}/1")}
    stepper.poll(half=base)
    assert stepper.wanted == [("half", {1})]


def test_an_interval_of_zero_polls_only_when_asked(base, stepper):
    push(base, 1)
    stepper.poll(half=base)
    stepper.poll(half=base)
    assert stepper.condition.timeouts == [None, None]  # it waits without a limit


def test_the_interval_is_the_wait_between_two_polls(base):
    push(base, 1)
    stepper = Stepper(poll_wait_s=600.0)
    stepper.poll(half=base)
    stepper.stop()
    assert stepper.condition.timeouts == [600.0]


def test_a_missing_base_path_leaves_all_models_unchanged_and_is_logged_once(
    base, tmp_path, stepper, caplog
):
    push(base, 1)
    for _ in range(3):
        stepper.poll(half=base, other=tmp_path / "other")
    assert stepper.wanted == []
    [message] = caplog.messages
    assert message.startswith("The served versions are unchanged: Could not find base path")
    push(tmp_path / "other", 1)
    stepper.poll(half=base, other=tmp_path / "other")
    assert stepper.wanted == [("half", {1}), ("other", {1})]


def test_an_empty_base_path_is_reported_and_logged_each_time_it_becomes_empty(
    base, stepper, caplog
):
    base.mkdir()
    stepper.poll(half=base)
    stepper.poll(half=base)
    push(base, 1)
    stepper.poll(half=base)
    unpush(base, 1)
    stepper.poll(half=base)
    assert [numbers for _, numbers in stepper.wanted] == [set(), set(), {1}, set()]
    expected = f"No versions found under {base}. A version is a folder named by a number"
    assert len(caplog.messages) == 2
    assert all(message.startswith(expected) for message in caplog.messages)
