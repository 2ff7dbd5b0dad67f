"""Checks a model folder against its signature, on a private copy of its files.

Whoever can write into the folder can also change a file between a check and a load. What is checked
is therefore a copy that only this account can read and write, and the copy is what is loaded.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from common.digests import file_digest
from common.signing.keys import read_public_key
from common.signing.signatures import (
    SIGNATURE_FILE,
    Statement,
    hashing_config,
    read_statement,
    subject_of,
)

# A signature has some hundred bytes for each file that it covers.
_MAX_SIGNATURE_BYTES = 64 << 20


class Problem(StrEnum):
    """Why a signature was refused, as metrics name it."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    UNKNOWN_KEY = "unknown_key"
    OTHER_MODEL = "other_model"
    INVALID = "invalid"
    CHANGED = "changed"


class SignatureError(Exception):
    """A model's signature is missing or does not fit; the message says what was found.

    Attributes:
        problem: The kind of problem.
    """

    def __init__(self, problem: Problem, message: str) -> None:
        super().__init__(message)
        self.problem = problem


class Verifier:
    """Verifies model folders by a set of public keys, any of which may have signed.

    Attributes:
        keys: The file of each public key by its fingerprint.
    """

    def __init__(self, public_keys: Sequence[Path]) -> None:
        """Reads the keys.

        Args:
            public_keys: PEM files, at least one.

        Raises:
            InputError: One cannot be read, or is no public key.
        """
        self.keys: Mapping[str, Path] = {
            read_public_key(path): path.absolute() for path in public_keys
        }

    @contextmanager
    def verified_copy(self, folder: Path, *, name: str | None = None) -> Iterator[Path]:
        """Yields a private copy of a version's folder whose signature fits; removed at the end.

        Args:
            folder: The version's folder; its name is the version.
            name: Name of the model that the signature must name; by default that of the folder
                above.

        Raises:
            SignatureError: The signature is missing, by a key that is not trusted, of another
                version, or does not fit the files.
        """
        subject = subject_of(name or folder.parent.name, int(folder.name))
        with tempfile.TemporaryDirectory(prefix="faultline-model-") as private:
            copy = Path(private) / folder.name
            statement = self._copy(folder, copy, subject)
            self._verify(folder, copy, statement)
            yield copy

    def verify(self, folder: Path, *, name: str | None = None) -> Statement:
        """Returns what the signature of a version's folder states, once it fits the files.

        What is loaded from the folder later may have changed since: load a `verified_copy`.

        Args:
            folder: As of `verified_copy`.
            name: As of `verified_copy`.

        Raises:
            SignatureError: As of `verified_copy`.
        """
        with self.verified_copy(folder, name=name) as copy:
            return read_statement(copy / SIGNATURE_FILE)

    def _copy(self, folder: Path, copy: Path, subject: str) -> Statement:
        """Copies a folder if its file names and its signature's claims fit."""
        try:
            names = _list_files(folder)
            if SIGNATURE_FILE not in names:
                raise SignatureError(
                    Problem.MISSING, f"{folder} has no signature: there is no {SIGNATURE_FILE}"
                )
            copy.mkdir(mode=0o700)
            _copy_file(folder, copy, SIGNATURE_FILE, max_bytes=_MAX_SIGNATURE_BYTES)
            statement = _read_statement(folder, copy)
            self._check_claims(folder, statement, subject)
            _check_names(folder, names - {SIGNATURE_FILE}, statement.files.keys())
            for name in sorted(statement.files):
                _copy_file(folder, copy, name)
        except OSError as error:
            raise SignatureError(
                Problem.UNREADABLE,
                f"{error.filename or folder} cannot be read or copied: {error.strerror or error}",
            ) from error
        return statement

    def _check_claims(self, folder: Path, statement: Statement, subject: str) -> None:
        if statement.fingerprint not in self.keys:
            trusted = ", ".join(fingerprint[:12] for fingerprint in self.keys)
            raise SignatureError(
                Problem.UNKNOWN_KEY,
                f"{folder} is signed by the key {statement.fingerprint[:12]}, which is not "
                f"trusted; trusted: {trusted}",
            )
        if statement.subject != subject:
            raise SignatureError(
                Problem.OTHER_MODEL,
                f"the signature in {folder} is that of {statement.subject}, not of {subject}",
            )

    def _verify(self, folder: Path, copy: Path, statement: Statement) -> None:
        from cryptography.exceptions import InvalidSignature
        from model_signing.verifying import Config

        config = Config().set_hashing_config(hashing_config())
        config.use_elliptic_key_verifier(public_key=self.keys[statement.fingerprint])
        try:
            config.verify(copy, copy / SIGNATURE_FILE)
        except InvalidSignature as error:
            raise SignatureError(
                Problem.INVALID,
                f"the signature in {folder} was not made by the key {statement.fingerprint[:12]}, "
                "or was changed",
            ) from error
        except (ValueError, KeyError, TypeError, IndexError) as error:
            changed = [
                f"the content of {name} changed"
                for name, digest in sorted(statement.files.items())
                if file_digest(copy / name) != digest
            ]
            if changed:
                raise _changed(folder, changed) from error
            raise SignatureError(
                Problem.INVALID, f"the signature in {folder} cannot be verified: {error}"
            ) from error


def _list_files(folder: Path) -> frozenset[str]:
    """Returns the files below a folder, named relative to it.

    Raises:
        SignatureError: There is a symbolic link.
    """
    names: set[str] = set()
    for place, folders, files in os.walk(folder, onerror=_raise):
        for name in (*folders, *files):
            path = Path(place, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink():
                raise SignatureError(
                    Problem.CHANGED,
                    f"{relative} in {folder} is a symbolic link, which no signature covers",
                )
        names.update(Path(place, name).relative_to(folder).as_posix() for name in files)
    return frozenset(names)


def _raise(error: OSError) -> None:
    raise error


def _read_statement(folder: Path, copy: Path) -> Statement:
    try:
        return read_statement(copy / SIGNATURE_FILE)
    except ValueError as error:
        raise SignatureError(
            Problem.INVALID, f"{folder / SIGNATURE_FILE} is no signature of a model: {error}"
        ) from error


def _check_names(folder: Path, found: Set[str], signed: Set[str]) -> None:
    missing, added = sorted(signed - found), sorted(found - signed)
    changes = [f"{name} is missing" for name in missing] + [f"{name} was added" for name in added]
    if changes:
        raise _changed(folder, changes)


def _changed(folder: Path, changes: Sequence[str]) -> SignatureError:
    more = f" and {len(changes) - 3} more differences" if len(changes) > 3 else ""
    return SignatureError(
        Problem.CHANGED,
        f"{folder} is not what was signed: {', '.join(changes[:3])}{more}",
    )


def _copy_file(source: Path, target: Path, name: str, *, max_bytes: int | None = None) -> None:
    """Copies one regular file; a link or a pipe that took its place is an error."""
    # O_NONBLOCK: opening a pipe would wait for its other end.
    descriptor = os.open(source / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or (max_bytes and status.st_size > max_bytes):
            raise SignatureError(
                Problem.CHANGED, f"{source / name} is not a regular file of a plausible size"
            )
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("xb") as copied:
            shutil.copyfileobj(file, copied, 1 << 20)
