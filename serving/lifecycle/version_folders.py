"""Which versions of a model lie in its base path."""

import re
from collections.abc import Container

from serving.errors import ServingError, invalid_argument
from serving.runtime.tensorflow_c import file_exists, list_folder

_NUMBER = re.compile(r"-?[0-9]+")
_INT64 = range(-(2**63), 2**63)
# The model's pusher writes this file last; without it the version is still being written.
_LAST_WRITTEN = ("saved_model.pb", "saved_model.pbtxt")


def find_versions(name: str, base_path: str, *, known: Container[int] = ()) -> dict[int, str]:
    """Returns the folder of each version that is complete.

    Args:
        name: Name of the model, for the error.
        base_path: Path or URI; its children named by a number are the versions.
        known: Versions that were complete before, and so need no second look.

    Raises:
        ServingError: The base path is not there.
    """
    try:
        children = {child.split("/", 1)[0] for child in list_folder(base_path)}
        numbered = [c for c in sorted(children) if _NUMBER.fullmatch(c) and int(c) in _INT64]
        return {
            int(child): folder
            for child in numbered
            if _is_complete(folder := f"{base_path.rstrip('/')}/{child}") or int(child) in known
        }
    except ServingError as error:
        raise invalid_argument(
            f"Could not find base path {base_path} for servable {name} with error {error.message}"
        ) from error


def _is_complete(folder: str) -> bool:
    return any(file_exists(f"{folder}/{file}") for file in _LAST_WRITTEN)
