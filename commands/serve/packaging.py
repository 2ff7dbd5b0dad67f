"""`faultline package`: a pushed version as the build context of an image, or as the image."""

import dataclasses
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape

from commands.queries import open_runs, print_answer
from common.errors import InputError, StepFailedError
from common.output_folder import OutputFolder
from pipeline.config_loading import load_config

ENGINES = ("docker", "podman", "buildah")
_MAX_LINES = 20


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be packed.

    Attributes:
        reference: `NAME/VERSION`; `NAME` alone is the version that is served.
        folder: Where the build context goes; None for a temporary folder.
        image: Name of the image to build; None to build none.
        base_image: The image of the Dockerfile's target `serving`.
        engine: The program that builds images; None for the first one on the path.
        config_path: The YAML whose `signing.public_keys` the version's signature must fit; None
            for the default metadata store and no check of the signature.
        output: The output folder.
    """

    reference: str
    folder: Path | None
    image: str | None
    base_image: str
    engine: str | None
    config_path: Path | None
    output: Path


def package(order: Order, *, as_json: bool) -> int:
    """Packs a version; returns the exit code.

    Raises:
        InputError: The version must not be served, an argument is wrong, or there is no engine.
        StepFailedError: The engine failed.
    """
    from production.packaging import (
        check_image_name,
        check_packable,
        check_target,
        served_pin,
        write_context,
    )
    from production.rollout.candidates import judge, parse_reference

    if order.folder is None and order.image is None:
        raise InputError(
            "Say what to make: -o DIR for a build context, -t IMAGE for an image, or both."
        )
    engine = None
    if order.image is not None:
        check_image_name(order.image)
        engine = find_engine(order.engine)
    if order.folder is not None:
        check_target(order.folder)
    output = OutputFolder(order.output.absolute())
    store = open_runs(order.config_path, order.output)
    model, pin = parse_reference(output, order.reference)
    candidate = judge(store, output, pin or served_pin(output, model))
    check_packable(candidate)
    version = output.serving(candidate.pin.base) / str(candidate.pin.version)
    with (
        _trusted(version, order.config_path) as source,
        tempfile.TemporaryDirectory(prefix="faultline-package-") as scratch,
    ):
        context = write_context(
            source,
            candidate,
            order.folder or Path(scratch) / "context",
            base_image=order.base_image,
        )
        if engine is not None and order.image is not None:
            build_image(engine, context.folder, order.image)
    values = {**dataclasses.asdict(context), "image": order.image}
    if order.folder is None:
        del values["folder"]
    lines = [f"Packed {escape(context.version)}, {context.verdict}, sha256:{context.digest[:12]}"]
    if order.folder is not None:
        lines.append(f"Build context: {escape(str(context.folder))}")
    lines.append(
        f"Image: {escape(order.image)}, built by {engine}"
        if order.image
        else f"Build it: docker build -t IMAGE {escape(shlex.quote(str(context.folder)))}"
    )
    print_answer(values, lambda: "\n".join(lines), as_json=as_json)
    return 0


@contextmanager
def _trusted(version: Path, config_path: Path | None) -> Iterator[Path]:
    """Yields the folder to pack: with a config that trusts keys, a copy whose signature fits."""
    from pipeline.components.pusher.signing import trusted_model

    if config_path is None:
        yield version
        return
    with trusted_model(version, load_config(config_path)) as model:
        yield model


def find_engine(name: str | None) -> str:
    """Returns the program that builds images.

    Args:
        name: Its name; None for the first one on the path.

    Raises:
        InputError: It is not on the path, or none is.
    """
    names = ENGINES if name is None else (name,)
    for engine in names:
        if shutil.which(engine):
            return engine
    raise InputError(
        f"No container engine is on the path: {', '.join(names)}. Install one, or write the "
        "build context with -o DIR and build it elsewhere."
    )


def build_image(engine: str, context: Path, image: str) -> None:
    """Builds an image.

    Raises:
        StepFailedError: The engine failed; the message has its last lines.
    """
    done = subprocess.run(
        [engine, "build", "-t", image, str(context)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        words = "\n".join(done.stdout.splitlines()[-_MAX_LINES:])
        raise StepFailedError(f"{engine} build failed with exit code {done.returncode}:\n{words}")
