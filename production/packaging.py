"""Build contexts of container images that serve one pushed version."""

import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from common.errors import InputError, StepFailedError
from common.output_folder import OutputFolder
from pipeline.components.pusher.version_folder import model_digest, served_versions
from pipeline.config import SHADOW_SUFFIX
from production.gateway.traffic import Pin
from production.rollout.actions import open_journal
from production.rollout.candidates import Candidate
from production.rollout.state import label

BASE_IMAGE = "faultline-serving"
# The server of the image runs as another user than the one who packs.
_FOLDER_MODE, _FILE_MODE = 0o755, 0o644


@dataclass(frozen=True, kw_only=True)
class Context:
    """A build context.

    Attributes:
        version: The version, as `NAME/VERSION`.
        verdict: The gate's verdict on it: `BLESSED` or `APPROVED`.
        digest: SHA-256 of the names and content of its files.
        folder: The folder of the context, with the Dockerfile.
    """

    version: str
    verdict: str
    digest: str
    folder: Path


def served_pin(output: OutputFolder, model: str) -> Pin:
    """Returns the version of a model that is served: its rollouts' stable one, or the newest."""
    state = open_journal(output, model).state()
    if state is not None:
        return state.stable
    return Pin(base=model, version=served_versions(output.serving(model))[-1])


def check_packable(candidate: Candidate) -> None:
    """Checks that a version may be served to everybody.

    Raises:
        InputError: It was pushed beside the served model because the gate could not tell.
    """
    if not candidate.is_judged or candidate.pin.base.endswith(SHADOW_SUFFIX):
        raise InputError(
            f"{label(candidate.pin)} is a shadow model with the verdict {candidate.verdict}, and "
            "an image serves all clients. Package a BLESSED version, or have this model approved "
            "first: faultline approve"
        )


def check_target(folder: Path) -> None:
    """Checks that a build context can be written to a folder.

    Raises:
        InputError: It exists and is not an empty folder.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"{folder} is not a folder. Name a new or an empty folder with -o.")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(
            f"{folder} is not empty, and a build context is written whole. Name a new folder with "
            "-o, or empty this one."
        )


def write_context(model: Path, candidate: Candidate, folder: Path, *, base_image: str) -> Context:
    """Writes a build context: a Dockerfile and the model. The folder appears with all its files.

    Args:
        model: The version's folder, or a checked copy of it.
        candidate: The version.
        folder: Where the context goes; a new or an empty folder.
        base_image: The image of the Dockerfile's target `serving`.

    Raises:
        InputError: The folder cannot be written or has files, or the model has a link.
        StepFailedError: The model changed while it was copied.
    """
    check_target(folder)
    check_image_name(base_image)
    draft = folder.absolute().with_name(f".{folder.absolute().name}-{uuid.uuid4().hex}")
    try:
        digest = _copy_model(model, candidate.pin, draft)
        context = Context(
            version=label(candidate.pin),
            verdict=candidate.verdict,
            digest=digest,
            folder=folder.absolute(),
        )
        (draft / "Dockerfile").write_text(dockerfile(context, base_image), encoding="utf-8")
        draft.rename(context.folder)  # an empty folder is replaced
    except OSError as error:
        raise InputError(
            f"Cannot write the build context {folder}: {error.strerror or error}. Name another "
            "folder with -o."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return context


def _copy_model(source: Path, pin: Pin, draft: Path) -> str:
    """Copies a version below `models/NAME`, readable for everybody; returns its digest."""
    copy = draft / "models" / pin.base / str(pin.version)
    if link := next((path for path in source.rglob("*") if path.is_symlink()), None):
        raise InputError(
            f"{label(pin)} has a link, {link.relative_to(source)}, which Pusher never writes: what "
            "it points to may be no part of the model. Push the model again."
        )
    shutil.copytree(source, copy)
    digest = model_digest(copy)
    if digest != model_digest(source):
        raise StepFailedError(
            f"{label(pin)} changed while it was copied. Nothing was written; package it again."
        )
    for place, _, files in os.walk(draft):
        Path(place).chmod(_FOLDER_MODE)
        for file in files:
            Path(place, file).chmod(_FILE_MODE)
    return digest


def check_image_name(name: str) -> None:
    """Checks that a name of an image can be written into a Dockerfile.

    Raises:
        InputError: It is empty or has white space or a variable.
    """
    if not name or any(letter.isspace() or letter in "$\\\"'" for letter in name):
        raise InputError(
            f"{name!r} is not the name of an image. Expected NAME, NAME:TAG or NAME@DIGEST, "
            "without white space, quotes, `\\` and `$`."
        )


def dockerfile(context: Context, base_image: str) -> str:
    """Returns the Dockerfile of a build context."""
    return f"""\
# {context.version}, {context.verdict}. Written by `faultline package`; see docs/serverless.md.
FROM {base_image}
LABEL faultline.version="{context.version}" \\
      faultline.verdict="{context.verdict}" \\
      faultline.digest="sha256:{context.digest}"
COPY models /models
# The model of an image does not change: it is looked for once, and loads or never will.
CMD ["--file_system_poll_wait_seconds=0", "--max_num_load_retries=0"]
"""
