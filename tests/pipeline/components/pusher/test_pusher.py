import json
from pathlib import Path

import pytest
from tfx.proto import pusher_pb2
from tfx.types import channel_utils
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing, PushedModel
from tfx.utils import proto_utils

from common.digests import file_digest
from common.errors import InputError
from common.signing.verification import Verifier
from pipeline.components.pusher.component import Executor, Pusher
from pipeline.components.pusher.facts import describe
from pipeline.components.pusher.version_folder import model_digest
from tests.signed_versions import make_pair


def _push(
    folder: Path,
    *,
    blessed: bool,
    destination: str = "",
    choice: str = "",
    answers: bool = True,
    withdrawn: dict | None = None,
    signing: dict | None = None,
) -> PushedModel:
    model = Model()
    model.uri = str(folder / "model")
    saved = folder / "model" / "Format-Serving"
    saved.mkdir(parents=True)
    (saved / "saved_model.pb").write_text("graph")
    blessing = ModelBlessing()
    blessing.set_int_custom_property("blessed", int(blessed))
    if choice:
        blessing.set_string_custom_property("on_inconclusive", choice)
    infra = InfraBlessing()
    infra.set_int_custom_property("blessed", int(answers))
    pushed = PushedModel()
    pushed.uri = str(folder / "pushed")
    base = destination or str(folder / "serving")
    where = pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=base)
    )
    Executor().Do(
        {"model": [model], "model_blessing": [blessing], "infra_blessing": [infra]},
        {"pushed_model": [pushed]},
        {
            "push_destination": proto_utils.proto_to_json(where),
            "custom_config": json.dumps({"withdrawn": withdrawn or {}} | (signing or {})),
        },
    )
    return pushed


def test_a_blessed_model_is_pushed_and_archived_and_the_artifact_says_where(tmp_path):
    pushed = _push(tmp_path, blessed=True)
    [version] = (tmp_path / "serving").iterdir()
    assert (version / "saved_model.pb").read_text() == "graph"
    assert (tmp_path / "pushed" / "saved_model.pb").read_text() == "graph"
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_version") == version.name
    assert pushed.get_string_custom_property("pushed_destination") == str(version)


NOTES = {"withdrawn_version": "serving/7", "withdrawn_by": "Ada", "withdrawn_why": "alarms"}


def _digest(folder: Path) -> str:
    """Of the files that `_push` makes."""
    (folder / "same").mkdir(parents=True)
    (folder / "same" / "saved_model.pb").write_text("graph")
    return model_digest(folder / "same")


def test_a_model_that_was_withdrawn_is_not_pushed_again_and_the_artifact_says_why(tmp_path):
    (tmp_path / "serving" / "6").mkdir(parents=True)
    withdrawn = {"serving": {_digest(tmp_path): NOTES}}
    pushed = _push(tmp_path, blessed=True, withdrawn=withdrawn)
    assert [path.name for path in (tmp_path / "serving").iterdir()] == ["6"]
    assert pushed.get_int_custom_property("pushed") == 0
    assert {key: pushed.get_string_custom_property(key) for key in NOTES} == NOTES


@pytest.mark.parametrize("name", ["serving", "other"])
def test_another_model_or_name_is_pushed_as_usual(tmp_path, name):
    digest = "0" * 64 if name == "serving" else _digest(tmp_path)
    pushed = _push(tmp_path, blessed=True, withdrawn={name: {digest: NOTES}})
    assert pushed.get_int_custom_property("pushed") == 1


def test_a_model_that_is_served_and_was_withdrawn_under_another_number_stays_pushed(tmp_path):
    served = tmp_path / "serving" / "6"
    served.mkdir(parents=True)
    (served / "saved_model.pb").write_text("graph")
    pushed = _push(tmp_path, blessed=True, withdrawn={"serving": {_digest(tmp_path): NOTES}})
    assert pushed.get_string_custom_property("pushed_version") == "6"


def test_a_withdrawn_shadow_is_not_pushed_again_and_is_no_shadow(tmp_path):
    withdrawn = {"serving_shadow": {_digest(tmp_path): NOTES}}
    pushed = _push(tmp_path, blessed=False, choice="shadow", withdrawn=withdrawn)
    assert not (tmp_path / "serving_shadow").exists()
    assert not pushed.has_custom_property("shadow")
    assert pushed.get_int_custom_property("pushed") == 0


def test_a_refused_model_leaves_what_is_served_alone(tmp_path):
    (tmp_path / "serving" / "7").mkdir(parents=True)
    pushed = _push(tmp_path, blessed=False)
    assert [path.name for path in (tmp_path / "serving").iterdir()] == ["7"]
    assert pushed.get_int_custom_property("pushed") == 0
    assert not pushed.has_custom_property("pushed_version")


def test_an_inconclusive_model_goes_beside_the_served_one_where_that_is_wanted(
    tmp_path,
):
    (tmp_path / "serving" / "7").mkdir(parents=True)
    pushed = _push(tmp_path, blessed=False, choice="shadow")
    assert [path.name for path in (tmp_path / "serving").iterdir()] == ["7"]
    [version] = (tmp_path / "serving_shadow").iterdir()
    assert (version / "saved_model.pb").is_file()
    assert pushed.get_int_custom_property("shadow") == 1
    assert pushed.get_string_custom_property("pushed_destination") == str(version)


@pytest.mark.parametrize(("choice", "answers"), [("keep", True), ("ask", True), ("shadow", False)])
def test_else_it_goes_nowhere(tmp_path, choice, answers):
    pushed = _push(tmp_path, blessed=False, choice=choice, answers=answers)
    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "serving").exists()
    assert not (tmp_path / "serving_shadow").exists()


def test_a_destination_on_another_machine_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must be a folder of this machine, got 'gs://bucket'"):
        _push(tmp_path, blessed=True, destination="gs://bucket")


def test_the_component_runs_this_executor_under_tfxs_name():
    pusher = Pusher(
        model=channel_utils.as_channel([Model()]),
        push_destination=pusher_pb2.PushDestination(),
    )
    assert pusher.id == "Pusher"
    assert pusher.executor_spec.executor_class is Executor


def _signing(pair):
    note = {"private_key": str(pair.private), "passphrase": ""}
    return {"signing": note | {"fingerprint": pair.read().fingerprint}}


def test_a_signed_push_records_the_key_and_the_signature(tmp_path):
    pair = make_pair(tmp_path / "keys")
    pushed = _push(tmp_path, blessed=True, signing=_signing(pair))
    [version] = (tmp_path / "serving").iterdir()
    assert pushed.get_string_custom_property("signer") == pair.read().fingerprint
    digest = file_digest(version / "model.sig")
    assert pushed.get_string_custom_property("signature_digest") == digest
    Verifier([pair.public]).verify(version)
    key = pair.read().fingerprint[:12]
    assert describe([pushed.mlmd_artifact]).text == f"version {version.name}, signed by key {key}"
    assert not (tmp_path / "pushed" / "model.sig").exists()


def test_a_shadow_is_signed_under_its_own_name(tmp_path):
    pair = make_pair(tmp_path / "keys")
    _push(tmp_path, blessed=False, choice="shadow", signing=_signing(pair))
    [version] = (tmp_path / "serving_shadow").iterdir()
    assert Verifier([pair.public]).verify(version).subject == f"serving_shadow@{version.name}"


def test_a_key_that_is_gone_at_the_push_pushes_nothing(tmp_path):
    pair = make_pair(tmp_path / "keys")
    signing = _signing(pair)
    pair.private.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        _push(tmp_path, blessed=True, signing=signing)
    assert not (tmp_path / "serving").exists()
