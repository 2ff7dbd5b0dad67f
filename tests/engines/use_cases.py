"""The use cases as the engines' tests run them: their own data and features, little training."""

import re
from pathlib import Path

from datasets import materialise

PROJECT = Path(__file__).resolve().parents[2]
# In several files, so that engines have something to spread and to merge.
_TAXI_FILES = 3


def write_signals(folder: Path) -> Path:
    """Writes the YAML of the signals; returns its path."""
    return _write_config("signals", folder, {})


def write_taxi(folder: Path) -> Path:
    """Writes the taxi trips as several CSV files, and their YAML; returns its path."""
    data = folder / "trips"
    data.mkdir(parents=True)
    header, *rows = Path(materialise("taxi", folder, {})).read_text().splitlines(keepends=True)
    for number in range(_TAXI_FILES):
        part = [header, *rows[number::_TAXI_FILES]]
        (data / f"part-{number}.csv").write_text("".join(part))
    return _write_config("taxi", folder, {"dataset: taxi": f"path: {data}"})


WRITE = {"signals": write_signals, "taxi": write_taxi}


def _write_config(name: str, folder: Path, changes: dict[str, str]) -> Path:
    text = (PROJECT / "configs" / f"{name}.yaml").read_text(encoding="utf-8")
    schema = f"../schema/{name}.pbtxt"
    for old, new in {schema: str(PROJECT / "schema" / f"{name}.pbtxt"), **changes}.items():
        assert old in text, f"configs/{name}.yaml no longer says `{old}`"
        text = text.replace(old, new)
    text, found = re.subn(r"epochs: \d+", "epochs: 2", text)
    assert found == 1
    path = folder / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
