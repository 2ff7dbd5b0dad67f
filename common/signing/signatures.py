"""Signs a model folder, and reads what a signature states.

A signature is a file in the folder that it signs: a Sigstore bundle with the digest of every other
file, as the OpenSSF `model-signing` library writes it. Its subject is `NAME@VERSION`, so that a
signed folder cannot take the place of another version or of another model.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.digests import file_digest
from common.signing.keys import PrivateKey

SIGNATURE_FILE = "model.sig"
PREDICATE = "https://model_signing/signature/v1.0"
_SERIALIZATION = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What a signature states; nothing of it is proven before the signature is verified.

    Attributes:
        fingerprint: SHA-256 of the public key that it names.
        subject: The folder that it signs, `NAME@VERSION`.
        files: SHA-256 of each signed file by its name, relative to the folder.
    """

    fingerprint: str
    subject: str
    files: Mapping[str, str]


def subject_of(name: str, version: int) -> str:
    """Returns the subject of the signature of a model's version."""
    return f"{name}@{version}"


def sign_folder(folder: Path, key: PrivateKey) -> str:
    """Writes the signature of a folder's files into it.

    Args:
        folder: The model; the name of the folder becomes the subject.
        key: The key to sign with.

    Returns:
        SHA-256 of the signature's file.
    """
    from model_signing.signing import Config

    path = folder / SIGNATURE_FILE
    path.unlink(missing_ok=True)
    # The library's type says text, but cryptography takes bytes alone.
    passphrase: Any = key.passphrase
    config = Config().set_hashing_config(hashing_config())
    config.use_elliptic_key_signer(private_key=key.path, password=passphrase).sign(folder, path)
    return file_digest(path)


def hashing_config() -> Any:
    """Returns how the library digests a folder: every file but the signature.

    Its default skips files of git, which an attacker could then add.
    """
    from model_signing.hashing import Config

    config = Config().use_file_serialization(hashing_algorithm="sha256", allow_symlinks=False)
    return config.set_ignored_paths(paths=[SIGNATURE_FILE], ignore_git_paths=False)


def read_statement(path: Path) -> Statement:
    """Returns what a signature states.

    Args:
        path: The signature's file.

    Raises:
        ValueError: It is not a signature of the form that `sign_folder` writes.
    """
    try:
        bundle = json.loads(path.read_bytes())
        fingerprint = bundle["verificationMaterial"]["publicKey"]["hint"]
        payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"], validate=True))
        [subject] = [one["name"] for one in payload["subject"]]
        form = payload["predicate"]["serialization"]
        resources = payload["predicate"]["resources"]
        files = {str(resource["name"]): str(resource["digest"]) for resource in resources}
        ignored = set(form.pop("ignore_paths", ()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if payload.get("predicateType") != PREDICATE:
        raise ValueError(f"the statement is of the type {payload.get('predicateType')!r}")
    if form != _SERIALIZATION or not ignored <= {SIGNATURE_FILE}:
        raise ValueError("it does not state the SHA-256 of every file")
    if not isinstance(fingerprint, str) or not isinstance(subject, str):
        raise ValueError("key or subject is not a text")
    return Statement(fingerprint=fingerprint, subject=subject, files=files)
