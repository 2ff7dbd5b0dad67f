"""Settings of the cluster that the tasks of a pipeline on Kubeflow need."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from common.errors import InputError

# Names of Kubernetes' objects.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_IMAGE_HOME = PurePosixPath("/app")


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A volume claim and where containers see it.

    Attributes:
        claim: Name of the PersistentVolumeClaim.
        path: Its folder in containers.
    """

    claim: str
    path: str

    @classmethod
    def parse(cls, text: str) -> "Volume":
        """Returns the volume of `CLAIM=PATH`.

        Raises:
            InputError: It has another form.
        """
        claim, _, path = text.partition("=")
        if not _NAME.fullmatch(claim) or not _is_folder(path):
            raise InputError(
                f"--volume must be CLAIM=PATH, such as faultline=/data, got {text!r}. CLAIM is the "
                "name of a PersistentVolumeClaim and PATH its folder in containers."
            )
        return cls(claim=claim, path=path.rstrip("/"))

    def holds(self, path: str) -> bool:
        """Whether a path is in the volume."""
        return PurePosixPath(path).is_relative_to(self.path)


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A key of a Kubernetes secret as an environment variable.

    Attributes:
        variable: The environment variable.
        name: Name of the secret.
        key: Key in it.
    """

    variable: str
    name: str
    key: str

    @classmethod
    def parse(cls, text: str) -> "Secret":
        """Returns the secret of `VARIABLE=NAME:KEY`.

        Raises:
            InputError: It has another form.
        """
        variable, _, place = text.partition("=")
        name, _, key = place.partition(":")
        if not (_VARIABLE.fullmatch(variable) and _NAME.fullmatch(name) and _KEY.fullmatch(key)):
            raise InputError(
                "--secret must be VARIABLE=NAME:KEY: an environment variable, and a Kubernetes "
                "secret with the key that holds its value. The value itself is never part of a "
                "specification."
            )
        return cls(variable=variable, name=name, key=key)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the tasks need to know of the cluster.

    Attributes:
        image: The image with Faultline.
        config: The config file in the image or in a volume.
        output: The output folder of runs, in a volume.
        metadata_url: Location of ML Metadata; empty for that of the config.
        volumes: Volumes of all containers.
        secrets: Environment variables of all containers, from Kubernetes secrets.
    """

    image: str
    config: str
    output: str
    metadata_url: str
    volumes: tuple[Volume, ...]
    secrets: tuple[Secret, ...]


def check_output(output: str, volumes: tuple[Volume, ...]) -> str:
    """Returns the folder for all output of runs.

    Raises:
        InputError: It is a bucket, or in no volume.
    """
    if "://" in output:
        raise InputError(
            f"--artifacts must be a folder in a volume, got {output}. Components read and write "
            "artifacts as files, and runs lock the folder, which buckets do not offer. Mount a "
            "ReadWriteMany volume, and copy what is pushed to the bucket if you need it there."
        )
    if not _is_folder(output):
        raise InputError(
            f"--artifacts must be an absolute path in containers without `..`, such as "
            f"/data/output, got {output}."
        )
    if not any(volume.holds(output) for volume in volumes):
        given = ", ".join(f"{one.claim}={one.path}" for one in volumes) or "none"
        raise InputError(
            f"--artifacts {output} is in no volume (given: {given}), so that no task would see "
            "what another wrote. Give the claim of a ReadWriteMany volume with --volume CLAIM=PATH."
        )
    return output.rstrip("/")


def _is_folder(path: str) -> bool:
    """Whether a path is absolute, below the root, and leaves no folder that it names."""
    return path.startswith("/") and path.strip("/") != "" and ".." not in PurePosixPath(path).parts


def config_in_image(config_path: Path, project_dir: Path) -> str:
    """Returns where the image has a config of this project.

    Raises:
        InputError: The config is not part of the project.
    """
    path = config_path.resolve()
    if not path.is_relative_to(project_dir.resolve()):
        raise InputError(
            f"{config_path} is not in {project_dir}, of which the image has a copy. Say with "
            "--config-in-image where containers find it: in the image or in a volume."
        )
    return str(_IMAGE_HOME / path.relative_to(project_dir.resolve()).as_posix())
