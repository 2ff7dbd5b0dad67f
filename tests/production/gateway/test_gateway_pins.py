"""The models config files of the servers behind the gateway."""

import pytest

from common.output_folder import OutputFolder
from production.gateway import pins, supervisor
from production.gateway.members import GatewaySpec
from production.gateway.pins import PinnedServer, PinState, VersionState, models_config
from production.gateway.supervisor import Supervisor
from production.gateway.traffic import Arm, Pin

A, B = Pin(base="m", version=1), Pin(base="m", version=2)
SHADOW = Pin(base="m_shadow", version=3)
SERVED, LOADING = VersionState(state="AVAILABLE"), VersionState(state="LOADING")
ENDED = VersionState(state="END")
BROKEN = VersionState(state="END", error="UNKNOWN: no saved_model.pb")


@pytest.fixture
def server(tmp_path):
    return PinnedServer("m", OutputFolder(tmp_path), tmp_path / "candidate.config")


def words(server):
    """The config file in one line."""
    return " ".join(server.config_file.read_text().split())


def pinned(server, *numbers, labels):
    versions = " ".join(f"versions: {number}" for number in numbers)
    label = f'version_labels {{ key: "candidate" value: {labels} }}'
    return f"{{ specific {{ {versions} }} }}" in words(server) and label in words(server)


@pytest.mark.tensorflow
def test_the_config_is_tensorflow_servings(tmp_path):
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    folder = tmp_path / 'a "b" é 🔥'
    text = models_config("m", folder, {2, 1}, labelled=1)
    [model] = text_format.Parse(text, ModelServerConfig()).model_config_list.config
    assert (model.name, model.base_path) == ("m", str(folder))
    assert list(model.model_version_policy.specific.versions) == [1, 2]
    assert dict(model.version_labels) == {"stable": 1, "candidate": 1}


def test_a_server_starts_with_one_version_and_both_labels(server):
    server.pin(A)
    assert pinned(server, 1, labels=1)
    server.observe(None)
    assert server.state is PinState.LOADING
    server.observe({1: SERVED})
    assert server.state is PinState.SERVING


def test_labels_follow_once_the_new_version_serves(server):
    server.pin(A)
    server.observe({1: SERVED})
    server.pin(B)
    assert pinned(server, 1, 2, labels=1)
    server.observe({1: SERVED, 2: LOADING})
    assert pinned(server, 1, 2, labels=1)
    server.observe({1: SERVED, 2: SERVED})
    assert pinned(server, 2, labels=2)
    assert server.state is PinState.LOADING  # requests still reach version 1
    server.observe({1: ENDED, 2: SERVED})
    assert server.state is PinState.SERVING


def test_a_version_of_another_folder_is_loaded_without_labels_first(server, tmp_path):
    server.pin(A)
    server.observe({1: SERVED})
    server.pin(SHADOW)
    assert f'base_path: "{tmp_path}/serving/m_shadow"' in words(server)
    assert "version_labels" not in words(server)
    server.observe({1: SERVED, 3: LOADING})
    assert "version_labels" not in words(server)
    server.observe({1: ENDED, 3: SERVED})
    assert pinned(server, 3, labels=3)
    assert server.state is PinState.SERVING


def test_a_version_that_does_not_load_is_told_after_the_server_has_read_its_file(
    server, monkeypatch
):
    server.pin(A)
    server.observe({1: SERVED})
    server.pin(B)
    # The failure may be of an earlier rollout of the same version.
    server.observe({1: SERVED, 2: BROKEN})
    assert (server.state, server.error) == (PinState.LOADING, "")
    monkeypatch.setattr(pins, "_POLLED_S", 0.0)
    server.observe({1: SERVED, 2: BROKEN})
    assert (server.state, server.error) == (PinState.FAILED, "UNKNOWN: no saved_model.pb")
    assert pinned(server, 1, 2, labels=1)


def test_the_way_back_starts_from_what_serves(server):
    server.pin(A)
    server.observe({1: SERVED})
    server.pin(B)
    server.observe({1: SERVED, 2: SERVED})
    server.pin(A)
    assert pinned(server, 1, labels=1)
    # The server had already unloaded version 1, and would refuse a label of it.
    server.observe({1: ENDED, 2: SERVED})
    assert pinned(server, 1, 2, labels=2)
    server.observe({1: SERVED, 2: SERVED})
    assert pinned(server, 1, labels=1)
    server.observe({1: SERVED, 2: ENDED})
    assert server.state is PinState.SERVING


def test_a_server_that_does_not_answer_is_loading(server):
    server.pin(A)
    server.observe({1: SERVED})
    server.observe(None)
    assert server.state is PinState.LOADING
    assert pinned(server, 1, labels=1)


def test_the_file_is_written_only_when_it_changes(server):
    server.pin(A)
    before = server.config_file.stat().st_mtime_ns
    server.observe({1: SERVED})
    server.pin(A)
    assert server.config_file.stat().st_mtime_ns == before


def test_a_file_that_cannot_be_written_is_not_tried_again_before_others_have_their_turn(
    tmp_path, monkeypatch
):
    tries = []

    def full(*_):
        tries.append(1)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PinnedServer, "observe", full)
    monkeypatch.setattr(supervisor, "_ASK_LOADING_S", 60.0)
    watched = Supervisor(GatewaySpec(model="m", folder=OutputFolder(tmp_path)), lambda: None)
    with pytest.raises(OSError, match="No space left"):
        watched._ask(Arm.STABLE)
    watched._ask(Arm.STABLE)
    assert len(tries) == 1
