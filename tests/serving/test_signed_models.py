"""A server that loads signed versions only, with real models."""

import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from common.signing.keys import PrivateKey
from common.signing.signatures import SIGNATURE_FILE, sign_folder, subject_of
from common.signing.verification import Verifier
from serving.errors import ServingError, invalid_argument
from serving.lifecycle.signed_models import SignedModels
from serving.options import ServerOptions
from serving.server import ModelServer
from tests.serving.lifecycle.fakes import wait_for
from tests.signed_versions import KeyPair, make_pair

_METRIC = "faultline_model_signature_checks_total"


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> KeyPair:
    return make_pair(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def push(models, tmp_path, keys) -> Callable[..., Path]:
    """Pushes x / 2 + 2 as a version, signed unless it is said otherwise."""

    def push_version(
        version: int,
        change: Callable[[Path], object] = lambda _: None,
        key: PrivateKey | None = None,
    ) -> Path:
        draft = tmp_path / "drafts" / subject_of("half", version)
        shutil.copytree(models / "half_plus_two" / "1", draft)
        sign_folder(draft, key or keys.read())
        change(draft)
        (tmp_path / "half").mkdir(exist_ok=True)
        return draft.rename(tmp_path / "half" / str(version))

    return push_version


@pytest.fixture
def options(tmp_path, keys) -> ServerOptions:
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    return ServerOptions(
        port=0,
        rest_api_port=-1,
        model_name="half",
        model_base_path=str(tmp_path / "half"),
        file_system_poll_wait_seconds=0.05,
        monitoring_config_file=str(monitoring),
        require_signed_models=True,
        model_public_key=str(keys.public),
    )


class _Served:
    """What a server says of the model `half`."""

    def __init__(self, server: ModelServer) -> None:
        self._url = f"http://127.0.0.1:{server.rest_port}"

    def predict(self) -> float:
        body = {"instances": [2.0]}
        answer = httpx.post(f"{self._url}/v1/models/half:predict", json=body).json()
        return float(answer["predictions"][0])

    def status(self, version: int) -> dict[str, str]:
        """The state and the error of a version."""
        entries = httpx.get(f"{self._url}/v1/models/half").json()["model_version_status"]
        found = [entry for entry in entries if entry["version"] == str(version)]
        return {"state": found[0]["state"], **found[0]["status"]} if found else {"state": ""}

    def checks(self) -> dict[str, int]:
        """The number of checks by result."""
        text = httpx.get(f"{self._url}/monitoring/prometheus/metrics").text
        lines = [line for line in text.splitlines() if line.startswith(_METRIC)]
        return {line.split('result="')[1].split('"')[0]: int(line.split()[-1]) for line in lines}


def _change_byte(folder: Path) -> None:
    path = folder / "saved_model.pb"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_signed_version_is_served_from_a_copy_and_a_changed_one_is_not(options, push):
    push(1)
    with ModelServer(options) as server:
        served = _Served(server)
        assert served.predict() == 3.0  # 2 / 2 + 2
        push(2, _change_byte)
        wait_for(lambda: served.status(2)["state"] == "END")
        assert served.status(2)["error_code"] == "FAILED_PRECONDITION"
        message = served.status(2)["error_message"]
        assert message.startswith("Only signed models are served, and ")
        assert message.endswith(
            "half/2 is not what was signed: the content of saved_model.pb changed"
        )
        assert served.status(1)["state"] == "AVAILABLE"
        assert served.predict() == 3.0
        push(3)
        wait_for(lambda: served.status(3)["state"] == "AVAILABLE")
        assert served.checks() == {"OK": 2, "changed": 1}


def test_unsigned_foreign_and_swapped_versions_leave_the_old_one_serving(options, push, tmp_path):
    signed = push(1)
    theirs = make_pair(tmp_path / "theirs").read()
    with ModelServer(options) as server:
        served = _Served(server)
        changes: list[Callable[[], object]] = [
            lambda: push(2, lambda folder: (folder / SIGNATURE_FILE).unlink()),
            lambda: push(3, key=theirs),
            lambda: push(4, lambda folder: shutil.copy(signed / SIGNATURE_FILE, folder)),
            lambda: shutil.copytree(signed, tmp_path / "half" / "5"),
            lambda: push(6, lambda folder: (folder / "more").touch()),
        ]
        for version, change in enumerate(changes, 2):
            change()
            wait_for(lambda version=version: served.status(version)["state"] == "END")
        assert served.predict() == 3.0
        assert served.checks() == {
            "OK": 1,
            "missing": 1,
            "unknown_key": 1,
            "other_model": 2,
            "changed": 1,
        }


def test_a_server_without_a_valid_version_does_not_start_and_says_why(options, push):
    push(1, lambda folder: (folder / SIGNATURE_FILE).unlink())
    with pytest.raises(ServingError, match=r"Only signed models are served, and .* no signature"):
        ModelServer(options).start()


def test_a_key_that_cannot_be_read_ends_the_start(options, push, tmp_path):
    push(1)
    (tmp_path / "other.pub").write_text("no key")
    wrong = ServerOptions(
        model_base_path=options.model_base_path,
        require_signed_models=True,
        model_public_key=str(tmp_path / "other.pub"),
    )
    with pytest.raises(ServingError, match=r"--model_public_key: .* is no public key"):
        ModelServer(wrong).start()


def test_an_error_of_the_load_names_the_version_not_its_copy(push, keys):
    folder = push(1)
    signed = SignedModels(verifier=Verifier([keys.public]))
    with (
        pytest.raises(ServingError) as caught,
        signed.verified("half", str(folder)) as copy,
    ):
        raise invalid_argument(f"{copy}/saved_model.pb is damaged")
    assert caught.value.message == f"{folder}/saved_model.pb is damaged"


def test_a_base_path_elsewhere_is_refused(keys):
    signed = SignedModels(verifier=Verifier([keys.public]))
    with (
        pytest.raises(ServingError, match=r"gs://models/half/1 is not on this machine"),
        signed.verified("half", "gs://models/half/1"),
    ):
        pass
