"""The trees of an exported model as XGBoost knows them, for explanations."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import xgboost

from models.trees.inputs import TreeColumn

TREES_FILE = "assets.extra/trees.ubj"
COLUMNS_FILE = "assets.extra/tree_columns.json"


def write_trees(folder: Path, booster: xgboost.Booster, columns: Sequence[TreeColumn]) -> None:
    """Writes the trees and the names of their columns into an exported model.

    Args:
        folder: The SavedModel.
        booster: The trees.
        columns: Their inputs.
    """
    path = folder / TREES_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(booster.save_raw("ubj"))
    text = json.dumps([asdict(column) for column in columns], indent=2) + "\n"
    (folder / COLUMNS_FILE).write_text(text, encoding="utf-8")


def read_trees(folder: Path) -> tuple[xgboost.Booster, list[TreeColumn]] | None:
    """Returns the trees of an exported model and their columns; None if it has none.

    Args:
        folder: The SavedModel.
    """
    path = folder / TREES_FILE
    if not path.exists():
        return None
    booster = xgboost.Booster(model_file=bytearray(path.read_bytes()))
    columns = json.loads((folder / COLUMNS_FILE).read_text(encoding="utf-8"))
    return booster, [TreeColumn(**column) for column in columns]
