import hashlib
import hmac

import pyarrow as pa

from serving.recording.redaction import hash_column, read_salt


def test_all_servers_of_a_model_use_one_private_salt(tmp_path):
    salt = read_salt(tmp_path / "pumps")
    assert len(salt) == 32
    assert read_salt(tmp_path / "pumps") == salt
    assert read_salt(tmp_path / "others") != salt
    [path] = (tmp_path / "pumps").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_equal_values_have_equal_hashes_and_missing_ones_have_none():
    salt = b"s" * 32
    hashes = hash_column(pa.array(["acme", None, "acme", "apex"]), salt).to_pylist()
    assert hashes[0] == hashes[2] == hmac.new(salt, b"acme", hashlib.sha256).hexdigest()
    assert hashes[1] is None
    assert hashes[3] not in {None, hashes[0]}


def test_files_are_hashed_by_their_bytes():
    salt = b"s" * 32
    [file, missing] = hash_column(
        pa.array([b"\xff\x00", None], pa.large_binary()), salt
    ).to_pylist()
    assert file == hmac.new(salt, b"\xff\x00", hashlib.sha256).hexdigest()
    assert missing is None


def test_numbers_and_lists_are_hashed_by_their_text():
    salt = b"s" * 32
    numbers = hash_column(pa.array([1, 2]), salt).to_pylist()
    assert numbers[0] == hmac.new(salt, b"1", hashlib.sha256).hexdigest()
    [signal] = hash_column(pa.array([[1.5, 2.0]]), salt).to_pylist()
    assert signal == hmac.new(salt, b"[1.5, 2.0]", hashlib.sha256).hexdigest()
