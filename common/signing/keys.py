"""Elliptic-curve keys in PEM files, and the fingerprints that name them."""

import hashlib
import importlib.util
import os
import shlex
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import InputError
from common.guards.redaction import learn_secrets

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

_CURVES = ("secp256r1", "secp384r1", "secp521r1")  # those that OpenSSF's format knows
_PACKAGES = ("model_signing", "cryptography", "OpenSSL")
_MAKE = "docs/signed_models.md shows the two openssl commands that make a pair of keys."
# Installs the locked version of a package.
_INSTALL = ".venv/bin/uv pip install -c requirements.lock model-signing pyopenssl"


@dataclass(frozen=True, kw_only=True)
class PrivateKey:
    """A private key that was read once, and can sign.

    Attributes:
        path: Its PEM file.
        passphrase: Its pass phrase; None for a key that is not encrypted.
        public_pem: The public key of the pair, in PEM form.
    """

    path: Path
    passphrase: bytes | None = field(repr=False)
    public_pem: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key in PEM form, as signatures name it."""
        return hashlib.sha256(self.public_pem).hexdigest()


def check_signing_installed() -> None:
    """Checks that the libraries for signatures are installed.

    Raises:
        InputError: One is missing; the message says how to install it.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"Signatures need the extra `signing`; {', '.join(missing)} is not installed. In the "
            f"checkout, run `{_INSTALL}`."
        )


def read_private_key(path: Path, passphrase: bytes | None) -> PrivateKey:
    """Returns a private key that only its owner can read.

    Args:
        path: The PEM file.
        passphrase: Its pass phrase; None for a key that is not encrypted.

    Raises:
        InputError: The file is missing, readable for others, no key on a curve that the format
            knows, or the pass phrase is wrong.
    """
    check_signing_installed()
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _read(path, "private")
    _check_mode(path)
    try:
        key: Any = load_pem_private_key(content, passphrase)
    except TypeError as error:
        raise InputError(_passphrase_problem(path, passphrase)) from error
    except ValueError as error:
        problem = (
            "is no private key in PEM form, or the pass phrase is wrong"
            if passphrase is not None
            else "is no private key in PEM form"
        )
        raise InputError(f"The key {path} {problem}. {_MAKE}") from error
    public = _public_pem(path, getattr(key, "public_key", lambda: None)())
    return PrivateKey(path=path.absolute(), passphrase=passphrase, public_pem=public)


def read_public_key(path: Path) -> str:
    """Returns the fingerprint of a public key.

    Args:
        path: The PEM file.

    Raises:
        InputError: The file is missing, or no public key on a curve that the format knows.
    """
    check_signing_installed()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = _read(path, "public")
    if b"PRIVATE KEY" in content:
        raise InputError(
            f"{path} holds a private key, where the public one is needed: whoever checks models "
            f"must not be able to sign them. Extract it: openssl pkey -in {_quoted(path)} "
            f"-pubout -out {_quoted(path.with_suffix('.pub'))}"
        )
    try:
        key: Any = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"The key {path} is no public key in PEM form. {_MAKE}") from error
    return hashlib.sha256(_public_pem(path, key)).hexdigest()


def _read(path: Path, kind: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The {kind} key {path} cannot be read: {error.strerror}. {_MAKE}"
        ) from error


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _check_mode(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError(
            f"The private key {path} has mode {mode:04o}, so that others than its owner can use "
            f"it; expected 0600. Run `chmod 600 {_quoted(path)}`, and make a new pair if others "
            "may have read it."
        )


def _passphrase_problem(path: Path, passphrase: bytes | None) -> str:
    if passphrase is None:
        return (
            f"The private key {path} is encrypted, and signing.passphrase names no environment "
            "variable with its pass phrase. Set `signing.passphrase: $NAME`, and the variable NAME."
        )
    return (
        f"The private key {path} is not encrypted, but signing.passphrase gives a pass phrase. "
        "Remove `signing.passphrase`, or encrypt the key."
    )


def _public_pem(path: Path, key: "EllipticCurvePublicKey | Any") -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        kind = key.curve.name if isinstance(key, EllipticCurvePublicKey) else type(key).__name__
        raise InputError(
            f"The key {path} is of the kind {kind}; expected an elliptic curve P-256, P-384 or "
            f"P-521. {_MAKE}"
        )
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read_passphrase(variable: str | None) -> bytes | None:
    """Returns the pass phrase in an environment variable; None where none is named.

    From then on, logs and messages hide it.

    Args:
        variable: Name of the environment variable.

    Raises:
        InputError: The variable is not set.
    """
    if variable is None:
        return None
    value = os.environ.get(variable)
    if not value:
        raise InputError(
            f"signing.passphrase names the environment variable {variable}, which is not set. Set "
            "it to the pass phrase of signing.private_key."
        )
    learn_secrets([f"passphrase={value}"])
    return value.encode()
