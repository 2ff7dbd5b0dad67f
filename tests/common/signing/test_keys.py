import hashlib
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from common.errors import InputError
from common.guards import redaction
from common.guards.redaction import redact_text
from common.signing import keys
from common.signing.keys import read_passphrase, read_private_key, read_public_key
from tests.signed_versions import make_pair


def test_the_fingerprint_is_the_sha256_of_the_public_keys_text(tmp_path):
    pair = make_pair(tmp_path)
    expected = hashlib.sha256(pair.public.read_bytes()).hexdigest()
    assert read_public_key(pair.public) == expected == pair.read().fingerprint


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_each_curve_of_the_format_is_taken(tmp_path, curve):
    pair = make_pair(tmp_path, curve=curve)
    assert pair.read().fingerprint == read_public_key(pair.public)


def test_an_encrypted_key_is_read_with_its_pass_phrase_which_is_not_shown(tmp_path):
    pair = make_pair(tmp_path, passphrase=b"correct horse")
    key = read_private_key(pair.private, b"correct horse")
    assert key.fingerprint == read_public_key(pair.public)
    assert "horse" not in repr(key)


@pytest.mark.parametrize(
    ("passphrase", "given", "message"),
    [
        (b"correct horse", None, "is encrypted, and signing.passphrase names no"),
        (b"correct horse", b"wrong horse", "or the pass phrase is wrong"),
        (None, b"correct horse", "is not encrypted, but signing.passphrase gives"),
    ],
)
def test_a_wrong_pass_phrase_is_an_error_that_does_not_tell_it(
    tmp_path, passphrase, given, message
):
    pair = make_pair(tmp_path, passphrase=passphrase)
    with pytest.raises(InputError, match=message) as caught:
        read_private_key(pair.private, given)
    assert "horse" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o601])
def test_a_private_key_that_others_can_use_is_refused(tmp_path, mode):
    folder = tmp_path / "my keys"
    folder.mkdir()
    pair = make_pair(folder)
    pair.private.chmod(mode)
    with pytest.raises(InputError, match=rf"has mode {mode:04o}.*expected 0600.*chmod 600 '/.*'`"):
        pair.read()


def test_a_key_that_only_its_owner_can_read_is_taken(tmp_path):
    pair = make_pair(tmp_path)
    pair.private.chmod(0o400)
    assert pair.read().path == pair.private


def _rsa_key(path: Path) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    return path


def test_keys_of_another_kind_are_named(tmp_path):
    with pytest.raises(InputError, match="is of the kind RSAPublicKey"):
        read_private_key(_rsa_key(tmp_path / "rsa.pem"), None)
    pair = make_pair(tmp_path, curve=ec.SECP256K1())
    with pytest.raises(InputError, match="is of the kind secp256k1; expected an elliptic curve"):
        pair.read()
    with pytest.raises(InputError, match="is of the kind secp256k1"):
        read_public_key(pair.public)


def test_a_file_that_is_no_key_is_an_error(tmp_path):
    other = tmp_path / "other.pem"
    other.write_text("no key")
    other.chmod(0o600)
    with pytest.raises(InputError, match="is no private key in PEM form"):
        read_private_key(other, None)
    with pytest.raises(InputError, match="is no public key in PEM form"):
        read_public_key(other)


def test_a_missing_file_is_named_with_its_role(tmp_path):
    missing = tmp_path / "missing.pem"
    with pytest.raises(
        InputError, match=r"private key .*missing\.pem cannot be read: No such file"
    ):
        read_private_key(missing, None)
    with pytest.raises(InputError, match=r"public key .*missing\.pem cannot be read: No such file"):
        read_public_key(missing)


def test_a_private_key_where_the_public_one_belongs_is_refused(tmp_path):
    pair = make_pair(tmp_path)
    with pytest.raises(InputError, match="holds a private key, where the public one is needed"):
        read_public_key(pair.private)


def test_the_pass_phrase_is_in_the_environment_variable_and_hidden_in_messages(monkeypatch):
    monkeypatch.setattr(redaction, "_known", set())
    monkeypatch.setenv("PHRASE", "correct horse")
    assert read_passphrase("PHRASE") == b"correct horse"
    assert redact_text("the correct horse is shown") == "the … is shown"
    assert read_passphrase(None) is None
    monkeypatch.setenv("PHRASE", "")
    with pytest.raises(InputError, match="variable PHRASE, which is not set"):
        read_passphrase("PHRASE")


def test_missing_libraries_are_named_with_the_command_that_installs_them(monkeypatch, tmp_path):
    monkeypatch.setattr(keys, "_PACKAGES", ("cryptography", "no_such_library"))
    with pytest.raises(InputError, match=re.escape("no_such_library is not installed.")):
        read_public_key(tmp_path / "key.pub")
