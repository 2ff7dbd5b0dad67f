"""The folder that a version is loaded from, where the server loads signed models only."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from common.signing.verification import Problem, SignatureError, Verifier
from serving.errors import FinalError, ServingError, failed_precondition

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SignedModels:
    """Lets versions load whose signature fits their files.

    Attributes:
        verifier: The trusted keys.
        on_check: Called after each check with the model and the result: `OK` or a `Problem`.
    """

    verifier: Verifier
    on_check: Callable[[str, str], None] = lambda *_: None

    @contextmanager
    def verified(self, model: str, folder: str) -> Iterator[str]:
        """Yields a private copy of a version's folder, whose signature fits; removed at the end.

        Args:
            model: Name of the model, for metrics.
            folder: The version's folder.

        Raises:
            FinalError: The signature is missing or does not fit: no retry will mend it.
            ServingError: The folder cannot be read or copied, or is not on this machine.
        """
        if "://" in folder:
            raise failed_precondition(
                f"{folder} is not on this machine; with --require_signed_models, a base path is a "
                "folder of this machine"
            )
        started = time.monotonic()
        try:
            with self.verifier.verified_copy(Path(folder)) as copy:
                self.on_check(model, "OK")
                took_s = time.monotonic() - started
                logger.info("The signature of %s is valid; checked in %.3f s", folder, took_s)
                with _named_as(folder, str(copy)):
                    yield str(copy)
        except SignatureError as error:
            self.on_check(model, error.problem)
            raise _refused(error) from error


def _refused(error: SignatureError) -> ServingError:
    if error.problem is Problem.UNREADABLE:
        return ServingError(grpc.StatusCode.UNAVAILABLE, str(error))
    return FinalError(
        grpc.StatusCode.FAILED_PRECONDITION, f"Only signed models are served, and {error}"
    )


@contextmanager
def _named_as(folder: str, copy: str) -> Iterator[None]:
    """Lets errors name the version's folder instead of its copy, which is gone when they appear."""
    try:
        yield
    except ServingError as error:
        error.message = error.message.replace(copy, folder)
        raise
