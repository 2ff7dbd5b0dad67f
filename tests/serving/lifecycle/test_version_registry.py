"""Look-ups of versions and labels."""

import grpc
import pytest
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from serving.errors import ServingError, invalid_argument
from serving.lifecycle.model_config import ModelSettings
from serving.lifecycle.version_records import Lease, Phase, Version
from serving.lifecycle.version_registry import VersionRegistry
from tests.serving.lifecycle.fakes import Model


def ready(number: int) -> Version:
    return Version(f"/half/{number}", phase=Phase.READY, lease=Lease(Model("half", number)))


def labelled(**labels: int) -> list[ModelSettings]:
    return [ModelSettings(name="half", base_path="/half", labels=labels)]


@pytest.fixture
def registry() -> VersionRegistry:
    """The versions 1 and 2 of `half` serve; 3 is loading."""
    registry = VersionRegistry()
    registry.versions["half"] = {2: ready(2), 1: ready(1), 3: Version("/half/3")}
    registry.publish("half")
    for version in (1, 2):
        registry.states.set("half", version, ModelVersionStatus.AVAILABLE)
    registry.states.set("half", 3, ModelVersionStatus.LOADING)
    return registry


def test_without_a_version_the_highest_ready_one_answers(registry):
    with registry.acquire("half") as model:
        assert model.version == 2
    with registry.acquire("half", version=1) as model:
        assert model.version == 1


def test_a_version_that_is_not_ready_is_not_found(registry):
    with pytest.raises(ServingError, match=r"request: Specific\(half, 3\)$") as caught:
        registry.acquire("half", version=3)
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


def test_a_model_without_a_ready_version_does_not_serve(registry):
    assert registry.serves("half")
    registry.versions["half"] = {3: Version("/half/3")}
    registry.publish("half")
    assert not registry.serves("half")
    with pytest.raises(ServingError, match=r"request: Latest\(half\)$"):
        registry.acquire("half")


def test_a_label_names_a_version_for_requests_and_states(registry):
    registry.set_labels(labelled(stable=1))
    with registry.acquire("half", label="stable") as model:
        assert model.version == 1
    [entry] = registry.status("half", label="stable").model_version_status
    assert entry.version == 1
    for look_up in (registry.acquire, registry.status):
        with pytest.raises(ServingError, match="Unrecognized servable version label: canary"):
            look_up("half", label="canary")


def test_only_a_version_that_serves_gets_a_label(registry):
    registry.check_labels(labelled(stable=1, canary=2), allow_unavailable=False)
    with pytest.raises(ServingError, match="label to version 3 of model half") as caught:
        registry.check_labels(labelled(canary=3), allow_unavailable=False)
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION


def test_a_new_label_may_wait_for_its_version_but_an_old_one_does_not_move(registry):
    registry.set_labels(labelled(stable=1))
    registry.check_labels(labelled(stable=1, canary=3), allow_unavailable=True)
    with pytest.raises(ServingError, match="label to version 3"):
        registry.check_labels(labelled(stable=3), allow_unavailable=True)


def test_a_model_failed_once_all_of_its_versions_failed():
    registry = VersionRegistry()
    assert registry.failures("half") == {}
    failed = Version("/half/1", phase=Phase.FAILED, error=invalid_argument("no"))
    registry.versions["half"] = {1: failed, 2: Version("/half/2")}
    assert registry.failures("half") == {}
    del registry.versions["half"][2]
    assert registry.failures("half") == {1: "INVALID_ARGUMENT: no"}
