"""The config of the served use case, where the command line names none."""

import json
import shlex
from pathlib import Path

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.components.pusher.version_folder import served_versions
from pipeline.config import SHADOW_SUFFIX

PROJECT_DIR = Path(__file__).resolve().parents[2]


def default_config(folder: OutputFolder) -> Path:
    """Returns the config of the only served use case, in `configs/` here or in the project.

    Raises:
        InputError: As `find_served_config`.
    """
    return find_served_config(folder, [Path("configs"), PROJECT_DIR / "configs"])


def find_served_config(folder: OutputFolder, config_dirs: list[Path]) -> Path:
    """Returns the config of the only use case that is served from an output folder.

    Args:
        folder: The output folder.
        config_dirs: Folders that may hold the config, in the order of preference.

    Raises:
        InputError: No use case is served, or several are, or the config is in none of the folders.
    """
    root = folder.serving("x").parent
    bases = [base for base in root.iterdir() if base.is_dir()] if root.is_dir() else []
    served = {base.name.removesuffix(SHADOW_SUFFIX) for base in bases if served_versions(base)}
    if not served:
        raise InputError(f"No model was pushed below {root}. Name the use case with --config.")
    if len(served) > 1:
        names = ", ".join(sorted(served))
        raise InputError(f"Several use cases are served: {names}. Choose one with --config.")
    [name] = served
    files = dict.fromkeys([_recorded_file(folder, name), f"{name}.yaml"])
    paths = [config_dir / file for config_dir in config_dirs for file in files if file]
    existing = next((path for path in paths if path.is_file()), None)
    if existing is None:
        listed = ", ".join(shlex.quote(str(path)) for path in paths)
        raise InputError(f"No config of `{name}` at {listed}. Name it with --config.")
    return existing


def _recorded_file(folder: OutputFolder, name: str) -> str | None:
    """Returns the file name of the config that the latest run of a use case recorded."""
    summaries = sorted(folder.run("x").parent.glob(f"*-{name}*/summary.json"), reverse=True)
    for path in summaries:
        stamp = json.loads(path.read_text(encoding="utf-8"))["provenance"]
        if stamp.get("use_case") == name:
            return str(stamp["config_file"])
    return None
