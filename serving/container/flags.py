"""The server's flags by the environment variables of a container."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from serving.flags import FlagError

PORT, MODEL_NAME, MODEL_BASE_PATH = "PORT", "MODEL_NAME", "MODEL_BASE_PATH"
_DEFAULT_PORT = "8080"
_DEFAULT_BASE_PATH = "/models"
_MODELS_CONFIG = "models.config"
# Platforms kill a container ten seconds after SIGTERM.
_GRACE_S = 9
_SESSION_CONFIG = Path(__file__).with_name("session.config")
# With these, no model is looked for: it is named, or no server is asked for.
_MODEL_FLAGS = ("--model_config_file", "--model_base_path", "--help", "--version")


def server_flags(environment: Mapping[str, str], arguments: Sequence[str]) -> list[str]:
    """Returns the flags of the server.

    Args:
        environment: The environment variables.
        arguments: Flags on the command line, which win.

    Raises:
        FlagError: PORT is no port, or there is no model, or there are several and none is named.
    """
    port = environment.get(PORT) or _DEFAULT_PORT
    if not port.isdecimal() or not 1 <= int(port) <= 65_535:
        raise FlagError(f"{PORT} must be a port between 1 and 65535, got {port!r}")
    names = {argument.partition("=")[0].replace("--", "-", 1) for argument in arguments}
    is_given = any(flag.replace("--", "-", 1) in names for flag in _MODEL_FLAGS)
    models = [] if is_given else model_flags(environment)
    return [
        "--host=0.0.0.0",
        f"--rest_api_port={port}",
        "--port=0",
        "--single_port",
        f"--grace={_GRACE_S}",
        f"--tensorflow_session_config_file={_SESSION_CONFIG}",
        *models,
        *arguments,
    ]


def model_flags(environment: Mapping[str, str]) -> list[str]:
    """Returns the flags that name the models in `MODEL_BASE_PATH`.

    Raises:
        FlagError: There is no model, or there are several and `MODEL_NAME` names none.
    """
    folder = Path(environment.get(MODEL_BASE_PATH) or _DEFAULT_BASE_PATH).absolute()
    if (folder / _MODELS_CONFIG).is_file():
        return [f"--model_config_file={folder / _MODELS_CONFIG}"]
    name = environment.get(MODEL_NAME) or _only_model(folder)
    if not (folder / name).is_dir():
        raise FlagError(
            f"{MODEL_NAME} is {name}, but there is no folder {folder / name}. Mount the folder of "
            f"the models on {folder}, or correct the name."
        )
    return [f"--model_name={name}", f"--model_base_path={folder / name}"]


def _only_model(folder: Path) -> str:
    models = sorted(
        base.name
        for base in (folder.iterdir() if folder.is_dir() else ())
        if base.is_dir() and any(version.name.isdecimal() for version in base.iterdir())
    )
    if not models:
        raise FlagError(
            f"No model in {folder}: expected {folder}/NAME/VERSION/saved_model.pb. Bake one in by "
            f"`faultline package NAME/VERSION`, or mount a folder such as output/serving there."
        )
    if len(models) > 1:
        raise FlagError(
            f"Several models in {folder}: {', '.join(models)}. Set {MODEL_NAME} to one of them, or "
            f"name all of them in {folder / _MODELS_CONFIG}."
        )
    return models[0]
