"""Columns that must not be stored: left out, or replaced by a keyed hash of each value."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

SALT_FILE = "salt"
_SALT_BYTES = 32


def read_salt(folder: Path) -> bytes:
    """Returns the salt of a model's hashes, made by whichever server needs it first.

    With one salt, equal values have equal hashes in the files of all servers. Without the salt,
    trying all possible values does not reveal a hashed one.

    Args:
        folder: Folder of the model.

    Raises:
        OSError: The salt can be neither read nor written.
    """
    path = folder / SALT_FILE
    folder.mkdir(parents=True, exist_ok=True)
    incoming = path.with_name(f"{SALT_FILE}-{secrets.token_hex(8)}")
    incoming.touch(0o600, exist_ok=False)
    try:
        incoming.write_bytes(secrets.token_bytes(_SALT_BYTES))
        path.hardlink_to(incoming)  # unlike a rename, it fails if there is a salt
    except FileExistsError:
        pass
    finally:
        incoming.unlink()
    return path.read_bytes()


def hash_text(value: bytes, salt: bytes) -> str:
    """Returns the keyed hash of a value, 64 hexadecimal digits.

    References:
        HMAC with SHA-256: RFC 2104, RFC 6234.
    """
    return hmac.new(salt, value, hashlib.sha256).hexdigest()


def hash_column(column: pa.Array, salt: bytes) -> pa.Array:
    """Returns a column of hashes; a missing value stays missing."""
    return pa.array(_hashes(column.to_pylist(), salt), pa.string())


def _hashes(values: Iterable[object], salt: bytes) -> Iterable[str | None]:
    for value in values:
        if value is None:
            yield None
        elif isinstance(value, bytes):
            yield hash_text(value, salt)
        else:
            yield hash_text((value if isinstance(value, str) else repr(value)).encode(), salt)
