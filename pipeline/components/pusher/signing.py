"""The keys of a use case: the one that the Pusher signs with, and those that are trusted."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from common.errors import InputError
from common.signing.keys import PrivateKey, read_passphrase, read_private_key
from common.signing.verification import SignatureError, Verifier
from pipeline.components.pusher.version_folder import withdrawn_folder
from pipeline.config import Config

_PATH, _VARIABLE, _FINGERPRINT = "private_key", "passphrase", "fingerprint"


def check_signing(config: Config) -> dict[str, str]:
    """Checks, before a run, that what it pushes can be signed and will be accepted.

    Returns:
        What the Pusher gets under `signing`: the key's file, the variable of its pass phrase, and
        its fingerprint, with which a new key counts as a new parameter; empty without a key.

    Raises:
        InputError: A key cannot be used, or the public keys do not have that of the private one.
    """
    if config.signing is None:
        return {}
    options = config.signing.located(config.folder)
    trusted = Verifier([Path(path) for path in options.public_keys]).keys
    if options.private_key is None:
        return {}
    key = read_private_key(Path(options.private_key), read_passphrase(options.variable))
    if trusted and key.fingerprint not in trusted:
        listed = ", ".join(f"{path} ({name[:12]})" for name, path in trusted.items())
        raise InputError(
            f"signing.private_key {key.path} is the key {key.fingerprint[:12]}, which is not among "
            f"signing.public_keys: {listed}. Nobody would accept the model. Add its public key, or "
            "name the private key of one of these."
        )
    return {
        _PATH: str(key.path),
        _VARIABLE: options.variable or "",
        _FINGERPRINT: key.fingerprint,
    }


def signing_key(note: Mapping[str, str] | None) -> PrivateKey | None:
    """Returns the key to sign with; None to push without a signature.

    Args:
        note: What `check_signing` returned.

    Raises:
        InputError: The key cannot be used, or is not the one that was checked before the run.
    """
    if not note:
        return None
    key = read_private_key(Path(note[_PATH]), read_passphrase(note[_VARIABLE] or None))
    if key.fingerprint != note[_FINGERPRINT]:
        raise InputError(
            f"The private key {key.path} was replaced during the run: it is {key.fingerprint[:12]} "
            f"instead of {note[_FINGERPRINT][:12]}. Nothing was pushed. Run again."
        )
    return key


def make_verifier(config: Config) -> Verifier | None:
    """Returns the verifier of a use case's versions; None if the config trusts no keys.

    Raises:
        InputError: A public key cannot be used.
    """
    if config.signing is None or not config.signing.public_keys:
        return None
    options = config.signing.located(config.folder)
    return Verifier([Path(path) for path in options.public_keys])


@contextmanager
def trusted_model(version: Path, config: Config) -> Iterator[Path]:
    """Yields the folder to load a pushed version from.

    It is the version itself if the config trusts no keys, else a private copy whose signature fits.

    Args:
        version: The version's folder.
        config: The use case.

    Raises:
        InputError: The signature is missing or does not fit.
    """
    verifier = make_verifier(config)
    if verifier is None:
        yield version
        return
    try:
        with verifier.verified_copy(version) as copy:
            yield copy
    except SignatureError as error:
        raise InputError(refusal(error)) from error


def check_trusted(base: Path, version: int, config: Config) -> None:
    """Checks that a config trusts a pushed version, in service or withdrawn.

    What is loaded later may have changed since; the server that loads it checks it again.

    Args:
        base: Base path of the served model.
        version: Its version.
        config: The use case; one that trusts no keys takes any version.

    Raises:
        InputError: The signature is missing or does not fit.
    """
    verifier = make_verifier(config)
    if verifier is None:
        return
    withdrawn = withdrawn_folder(base, version)
    folder = withdrawn if withdrawn.is_dir() else base / str(version)
    try:
        verifier.verify(folder, name=base.name)
    except SignatureError as error:
        raise InputError(refusal(error)) from error


def refusal(error: SignatureError) -> str:
    """Returns what a person reads whose config refuses a version."""
    return (
        f"The config trusts signed models only (signing.public_keys), and {error}. Push the model "
        "again with `faultline run` and signing.private_key, or trust another key."
    )
