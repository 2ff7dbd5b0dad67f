import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common.signing import verification
from common.signing.signatures import SIGNATURE_FILE, read_statement
from common.signing.verification import Problem, SignatureError, Verifier
from tests.signed_versions import FILES, KeyPair, make_pair, write_version


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> dict[str, KeyPair]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: make_pair(folder, name) for name in ("ours", "theirs")}


@pytest.fixture
def base(tmp_path) -> Path:
    return tmp_path / "serving" / "signals"


@pytest.fixture
def signed(base, keys) -> Path:
    return write_version(base, 7, keys["ours"].read())


@pytest.fixture
def verifier(keys) -> Verifier:
    return Verifier([keys["ours"].public])


def _refusal(verifier: Verifier, version: Path) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        verifier.verify(version)
    return caught.value


def test_a_signed_version_is_verified_and_names_key_version_and_files(verifier, signed, keys):
    statement = verifier.verify(signed)
    assert statement.fingerprint == keys["ours"].read().fingerprint
    assert statement.subject == "signals@7"
    assert statement.files.keys() == FILES.keys()


def test_any_of_several_keys_may_have_signed(base, keys):
    verifier = Verifier([pair.public for pair in keys.values()])
    for version, pair in enumerate(keys.values(), 1):
        verifier.verify(write_version(base, version, pair.read()))


def test_the_copy_is_private_has_the_signed_files_and_is_removed(verifier, signed):
    with verifier.verified_copy(signed) as copy:
        assert {name: (copy / name).read_text() for name in FILES} == FILES
        assert copy.name == "7"
        assert copy.parent.stat().st_mode & 0o777 == 0o700
    assert not copy.parent.exists()


def test_a_file_that_changes_after_the_check_is_not_what_is_loaded(verifier, signed):
    with verifier.verified_copy(signed) as copy:
        (signed / "saved_model.pb").write_text("other")
        assert (copy / "saved_model.pb").read_text() == "graph"


def test_a_file_that_changes_while_it_is_copied_is_noticed(verifier, signed, monkeypatch):
    copy_file = verification._copy_file

    def change_first(source: Path, target: Path, name: str, **options: int) -> None:
        if name == "variables/variables.index":
            (source / name).write_text("Weights")
        copy_file(source, target, name, **options)

    monkeypatch.setattr(verification, "_copy_file", change_first)
    assert "content of variables/variables.index changed" in str(_refusal(verifier, signed))


def _change_byte(version: Path) -> None:
    content = bytearray((version / "saved_model.pb").read_bytes())
    content[0] ^= 1
    (version / "saved_model.pb").write_bytes(content)


def _link(version: Path) -> None:
    index = version / "variables" / "variables.index"
    index.rename(version.parent / "elsewhere")
    index.symlink_to(version.parent / "elsewhere")


def _link_folder(version: Path) -> None:
    (version / "variables").rename(version.parent / "elsewhere")
    (version / "variables").symlink_to(version.parent / "elsewhere")


def _pipe(version: Path) -> None:
    (version / "saved_model.pb").unlink()
    os.mkfifo(version / "saved_model.pb")


def _hide_file(version: Path) -> None:
    (version / ".git").mkdir()
    (version / ".git" / "config").write_text("x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_change_byte, "the content of saved_model.pb changed"),
        (lambda v: (v / "assets.txt").write_text("x"), "assets.txt was added"),
        (_hide_file, ".git/config was added"),
        (lambda v: (v / "variables" / "variables.index").unlink(), "variables.index is missing"),
        (_link, "variables/variables.index in .* is a symbolic link"),
        (_link_folder, "variables in .* is a symbolic link"),
        (_pipe, "saved_model.pb is not a regular file"),
    ],
)
def test_changed_files_are_refused(verifier, signed, change, message):
    change(signed)
    error = _refusal(verifier, signed)
    assert error.problem is Problem.CHANGED
    with pytest.raises(SignatureError, match=message):
        raise error


def test_a_version_without_a_signature_is_refused(verifier, base):
    error = _refusal(verifier, write_version(base, 7, None))
    assert error.problem is Problem.MISSING
    assert str(error).endswith("has no signature: there is no model.sig")


def test_the_signature_of_another_version_is_refused(verifier, base, keys, signed):
    other = write_version(base, 8, keys["ours"].read())
    shutil.copy(other / SIGNATURE_FILE, signed / SIGNATURE_FILE)
    error = _refusal(verifier, signed)
    assert error.problem is Problem.OTHER_MODEL
    assert str(error).endswith("is that of signals@8, not of signals@7")


def test_an_older_version_under_a_higher_number_is_refused(verifier, signed):
    newest = signed.rename(signed.with_name("9"))
    assert "is that of signals@7, not of signals@9" in str(_refusal(verifier, newest))


def test_the_version_of_another_model_is_refused(verifier, signed):
    other = signed.parents[1] / "taxi" / "7"
    shutil.copytree(signed, other)
    assert "is that of signals@7, not of taxi@7" in str(_refusal(verifier, other))
    assert verifier.verify(other, name="signals").subject == "signals@7"


def test_another_key_is_refused(verifier, base, keys):
    error = _refusal(verifier, write_version(base, 7, keys["theirs"].read()))
    assert error.problem is Problem.UNKNOWN_KEY
    assert f"key {keys['theirs'].read().fingerprint[:12]}, which is not trusted" in str(error)


def test_another_key_that_claims_to_be_ours_is_refused(verifier, base, keys):
    version = write_version(base, 7, keys["theirs"].read())
    names = [keys[name].read().fingerprint for name in ("theirs", "ours")]
    signature = version / SIGNATURE_FILE
    signature.write_text(signature.read_text().replace(*names))
    assert _refusal(verifier, version).problem is Problem.INVALID


def test_a_statement_that_was_edited_is_refused(verifier, base, keys, signed):
    """The files of another version with a signature whose payload was made to fit them."""
    other = write_version(base, 8, keys["theirs"].read())
    ours, theirs = (json.loads((v / SIGNATURE_FILE).read_text()) for v in (signed, other))
    payload = theirs["dsseEnvelope"]["payload"]
    ours["dsseEnvelope"]["payload"] = payload
    (other / SIGNATURE_FILE).write_text(json.dumps(ours))
    assert _refusal(verifier, other).problem is Problem.INVALID


@pytest.mark.parametrize("text", ["", "{}", "[]", "\x00", '{"dsseEnvelope": 3}', "[" * 100_000])
def test_what_is_no_signature_is_refused(verifier, signed, text):
    (signed / SIGNATURE_FILE).write_text(text)
    error = _refusal(verifier, signed)
    assert error.problem is Problem.INVALID
    assert "is no signature of a model" in str(error)


def test_a_subject_without_a_name_is_no_signature(verifier, signed):
    signature = json.loads((signed / SIGNATURE_FILE).read_text())
    payload = json.loads(base64.b64decode(signature["dsseEnvelope"]["payload"]))
    payload["subject"] = [5]
    signature["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    (signed / SIGNATURE_FILE).write_text(json.dumps(signature))
    error = _refusal(verifier, signed)
    assert error.problem is Problem.INVALID
    assert "is no signature of a model" in str(error)


def test_a_signature_that_leaves_files_out_is_refused(verifier, signed, keys):
    from model_signing.hashing import Config as Hashing
    from model_signing.signing import Config

    folder = signed.rename(signed.with_name("signals@7"))
    (folder / SIGNATURE_FILE).unlink()
    hashing = Hashing().set_ignored_paths(paths=[SIGNATURE_FILE, "saved_model.pb"])
    Config().set_hashing_config(hashing).use_elliptic_key_signer(
        private_key=keys["ours"].private
    ).sign(folder, folder / SIGNATURE_FILE)
    error = _refusal(verifier, folder.rename(signed))
    assert error.problem is Problem.INVALID
    assert "does not state the SHA-256 of every file" in str(error)


def test_a_public_key_that_was_replaced_since_the_start_is_not_trusted(base, keys, tmp_path):
    public = tmp_path / "key.pub"
    shutil.copy(keys["ours"].public, public)
    verifier = Verifier([public])
    shutil.copy(keys["theirs"].public, public)
    by_theirs = write_version(base, 8, keys["theirs"].read())
    assert _refusal(verifier, by_theirs).problem is Problem.UNKNOWN_KEY


def test_a_folder_that_is_gone_is_unreadable(verifier, base):
    assert _refusal(verifier, base / "7").problem is Problem.UNREADABLE


def test_nothing_is_left_of_a_refused_copy(verifier, signed, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(verification.tempfile, "tempdir", str(scratch))
    _change_byte(signed)
    _refusal(verifier, signed)
    assert list(scratch.iterdir()) == []


def test_the_format_is_that_of_the_openssf_program(signed, keys):
    """`model_signing verify key` accepts the version, and refuses it after a change."""
    program = Path(sys.executable).with_name("model_signing")
    command = [program, "verify", "key", signed, "--signature", signed / SIGNATURE_FILE]
    command += ["--public_key", keys["ours"].public]
    assert "succeeded" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    _change_byte(signed)
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_a_statement_names_the_digest_of_each_file(signed):
    # printf graph | sha256sum
    digest = "eef93e1d14482804277fca0172464032d1a4fdbcc338524059fa1e861454ad4d"
    assert read_statement(signed / SIGNATURE_FILE).files["saved_model.pb"] == digest
