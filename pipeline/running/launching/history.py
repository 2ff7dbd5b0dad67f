"""Detects a metadata store that does not know the results in the artifacts folder."""

import re
from pathlib import Path

from ml_metadata.metadata_store import MetadataStore

from common.errors import InputError

# `STEP/KEY/ID`, with a number behind the id where the folder had been taken.
_OUTPUT = re.compile(r"(\d+)(-\d+)?")


def check_history(store: MetadataStore, root: Path) -> None:
    """Checks that the store has reached every step that wrote results.

    Otherwise it is new, or an older copy. Its history is not that of the results, and only a person
    knows whether the right file can still be restored.

    Args:
        store: The metadata store.
        root: Root of the artifacts of a pipeline.

    Raises:
        InputError: There are results of steps that the store has not reached.
    """
    numbers = (_OUTPUT.fullmatch(path.name) for path in root.glob("*/*/*"))
    highest = max((int(match[1]) for match in numbers if match), default=0)
    if not highest:
        return
    last = max((int(execution.id) for execution in store.get_executions()), default=0)
    if highest > last:
        history = f"knows steps up to number {last}" if last else "knows no run"
        raise InputError(
            f"ML Metadata {history}, but {root} holds results up to number {highest}: the metadata "
            "is new, or an older copy. Restore the newest copy; or move that folder away, and "
            "every step runs again."
        )
