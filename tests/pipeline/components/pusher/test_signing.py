"""The keys of a use case, before a run and where its versions are loaded."""

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from common.errors import InputError
from common.signing.keys import read_public_key
from pipeline.components.pusher.signing import (
    check_signing,
    check_trusted,
    make_verifier,
    signing_key,
    trusted_model,
)
from pipeline.components.pusher.version_folder import withdraw_version
from pipeline.config_loading import config_to_record, load_config
from pipeline.production_options.signing import SigningOptions
from tests.signed_versions import make_pair, write_version

CONFIG = """
name: wells
label: {column: failed}
data: {path: data.csv}
features: {pressure: {kind: numeric}}
"""

ENCRYPTED = {"private_key": "keys/model-key.pem", "passphrase": "$PHRASE"}


@pytest.fixture
def config(tmp_path):
    (tmp_path / "wells.yaml").write_text(CONFIG)
    return load_config(tmp_path / "wells.yaml")


@pytest.fixture
def pair(tmp_path):
    return make_pair(tmp_path / "keys")


def _signing(config, **options):
    return replace(config, signing=SigningOptions(**options))


def test_a_use_case_without_keys_signs_nothing_and_trusts_every_version(config, tmp_path):
    assert check_signing(config) == {}
    assert make_verifier(config) is None
    with trusted_model(tmp_path / "7", config) as model:
        assert model == tmp_path / "7"
    check_trusted(tmp_path, 7, config)


def test_what_the_pusher_gets_names_file_variable_and_fingerprint(config, tmp_path, monkeypatch):
    pair = make_pair(tmp_path / "keys", passphrase=b"correct horse")
    monkeypatch.setenv("PHRASE", "correct horse")
    note = check_signing(_signing(config, **ENCRYPTED))
    assert note == {
        "private_key": str(pair.private),
        "passphrase": "PHRASE",
        "fingerprint": read_public_key(pair.public),
    }
    assert signing_key(note).fingerprint == note["fingerprint"]


def test_the_pass_phrase_is_in_no_record(config, tmp_path, monkeypatch):
    make_pair(tmp_path / "keys", passphrase=b"correct horse")
    monkeypatch.setenv("PHRASE", "correct horse")
    signed = _signing(config, **ENCRYPTED)
    assert "horse" not in config_to_record(signed) + json.dumps(check_signing(signed))
    assert '"$PHRASE"' in config_to_record(signed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"private_key": "keys/none.pem"}, r"private key .*none\.pem cannot be read: No such file"),
        ({"private_key": "keys/model-key.pub"}, r"has mode 0644.*chmod 600"),
        ({"private_key": "keys/model-key.pem", "passphrase": "$UNSET"}, "UNSET, which is not set"),
        ({"public_keys": ["keys/none.pub"]}, r"public key .*none\.pub cannot be read"),
        (
            {"private_key": "keys/model-key.pem", "public_keys": ["keys/other.pub"]},
            "which is not among signing.public_keys: .*Nobody would accept the model",
        ),
    ],
)
def test_keys_that_cannot_work_are_an_error_before_the_run(
    config, pair, tmp_path, monkeypatch, options, message
):
    monkeypatch.delenv("UNSET", raising=False)
    make_pair(tmp_path / "keys", "other")
    pair.public.chmod(0o644)
    with pytest.raises(InputError, match=message):
        check_signing(_signing(config, **options))


def test_a_private_key_whose_public_key_is_trusted_is_taken(config, pair, tmp_path):
    make_pair(tmp_path / "keys", "other")
    both = ["keys/other.pub", "keys/model-key.pub"]
    note = check_signing(_signing(config, private_key="keys/model-key.pem", public_keys=both))
    assert note["fingerprint"] == read_public_key(pair.public)


def test_a_key_that_was_replaced_during_the_run_does_not_sign(config, pair, tmp_path):
    note = check_signing(_signing(config, private_key="keys/model-key.pem"))
    make_pair(tmp_path / "keys")
    with pytest.raises(InputError, match=r"was replaced during the run.*Nothing was pushed"):
        signing_key(note)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "signing names no key"),
        ({"public_keys": ["a.pub"], "passphrase": "$P"}, "signing.private_key is not"),
        ({"private_key": "a.pem", "passphrase": "secret"}, "passphrase"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        SigningOptions(**options)


def test_a_signed_version_is_loaded_from_a_copy(config, pair, tmp_path):
    base = tmp_path / "serving" / "wells"
    version = write_version(base, 7, pair.read())
    trusting = _signing(config, public_keys=["keys/model-key.pub"])
    with trusted_model(version, trusting) as model:
        assert (model.name, model == version) == ("7", False)
        assert (model / "saved_model.pb").read_text() == "graph"
    check_trusted(base, 7, trusting)
    withdraw_version(base, 7)
    check_trusted(base, 7, trusting)


def test_a_version_that_the_config_does_not_trust_is_refused(config, pair, tmp_path):
    base = tmp_path / "serving" / "wells"
    version = write_version(base, 7, None)
    trusting = _signing(config, public_keys=["keys/model-key.pub"])
    message = r"trusts signed models only .*has no signature.*Push the model again"
    with pytest.raises(InputError, match=message), trusted_model(version, trusting):
        pass
    with pytest.raises(InputError, match=message):
        check_trusted(base, 7, trusting)
