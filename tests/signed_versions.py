"""Key pairs, and version folders signed with them."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from common.signing.keys import PrivateKey, read_private_key
from common.signing.signatures import sign_folder, subject_of

FILES = {"saved_model.pb": "graph", "variables/variables.index": "weights"}


@dataclass(frozen=True)
class KeyPair:
    """The files of a pair of keys."""

    private: Path
    public: Path

    def read(self) -> PrivateKey:
        """Returns the private key, which is not encrypted."""
        return read_private_key(self.private, None)


def make_pair(
    folder: Path,
    name: str = "model-key",
    *,
    passphrase: bytes | None = None,
    curve: ec.EllipticCurve | None = None,
) -> KeyPair:
    """Writes a new pair of keys."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    )
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    private.chmod(0o600)
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return KeyPair(private, public)


def write_version(base: Path, version: int, key: PrivateKey | None) -> Path:
    """Writes a version of a model of no content, signed if there is a key; returns its folder."""
    draft = base / f".draft-{version}" / subject_of(base.name, version)
    for name, text in FILES.items():
        (draft / name).parent.mkdir(parents=True, exist_ok=True)
        (draft / name).write_text(text)
    if key is not None:
        sign_folder(draft, key)
    return draft.rename(base / str(version))
