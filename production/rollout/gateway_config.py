"""The config that a model's gateway works with, for commands that are given none."""

from dataclasses import replace

from common.errors import InputError
from common.output_folder import OutputFolder, replace_file
from pipeline.config import Config
from pipeline.config_loading import config_from_json, config_to_record

_FILE = "config.json"


def keep_gateway_config(folder: OutputFolder, model: str, config: Config | None) -> None:
    """Keeps the config of a gateway that starts, without secrets; None for the defaults.

    The paths of its keys are absolute: `faultline rollout` checks signatures by them.
    """
    path = folder.rollouts(model) / _FILE
    if config is None:
        path.unlink(missing_ok=True)
        return
    if config.signing is not None:
        config = replace(config, signing=config.signing.located(config.folder))
    replace_file(path, (config_to_record(config) + "\n").encode(), mode=0o600)


def gateway_config(folder: OutputFolder, model: str) -> Config | None:
    """Returns the config of the gateway that runs or ran last; None if it had none.

    Its relative paths, except those of keys, are not those of the file that it was read from.

    Raises:
        InputError: Another version of the project wrote it, or it cannot be read.
    """
    path = folder.rollouts(model) / _FILE
    try:
        return config_from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(
            f"{path} cannot be read, or is of another version of Faultline. Start `faultline serve "
            "--gateway` again, which writes it anew."
        ) from error
