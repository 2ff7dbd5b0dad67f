"""The use cases as the engines' tests run them: their own data and features, little training."""

import re
from pathlib import Path

import numpy as np

from datasets import materialise
from pipeline.onboarding import initialise

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


def write_micrographs(folder: Path) -> Path:
    """Writes the YAML of a few hundred pictures; returns its path."""
    fewer = {"num_healthy: 1500": "num_healthy: 240", "num_faulty: 100": "num_faulty: 60"}
    return _write_config("micrographs", folder, fewer)


def write_sounds(folder: Path) -> Path:
    """Writes the YAML of a few hundred sounds, for a network alone; returns its path."""
    fewer = {"num_healthy: 1200": "num_healthy: 200", "num_faulty: 120": "num_faulty: 60"}
    return _write_config("sounds", folder, {**fewer, "model: auto": "model: network"})


def write_long_table(folder: Path) -> Path:
    """Writes recordings below each other in one table, and the YAML that `init` makes of it."""
    random, lines = np.random.default_rng(3), ["pump,time_s,flow,stuck"]
    for pump in range(240):
        is_stuck = pump % 4 == 0
        flow = np.sin(np.arange(32) / 4 + random.uniform(0, 6)) * (0.3 if is_stuck else 1.0)
        flow += random.normal(0, 0.1, 32)
        lines += [f"p{pump},{i / 10:.1f},{x:.3f},{int(is_stuck)}" for i, x in enumerate(flow)]
    (folder / "pumps.csv").write_text("\n".join(lines) + "\n")
    return _initialise(folder / "pumps.csv", "stuck", folder)


def write_streams(folder: Path) -> Path:
    """Writes streams with a label for each sample, and the YAML that `init` makes of them."""
    random = np.random.default_rng(4)
    (folder / "motors").mkdir(parents=True)
    for motor in range(8):
        current = np.sin(np.arange(2400) / 9) + random.normal(0, 0.2, 2400)
        is_worn = np.zeros(2400, int)
        for start in range(300, 2400, 400):
            is_worn[start : start + 60] = 1
        current += 2.0 * is_worn
        lines = [f"{i},{x:.3f},{y}" for i, (x, y) in enumerate(zip(current, is_worn, strict=True))]
        text = "\n".join(["seconds,current,is_worn", *lines]) + "\n"
        (folder / "motors" / f"m{motor}.csv").write_text(text)
    return _initialise(folder / "motors", "is_worn", folder)


WRITE = {
    "signals": write_signals,
    "taxi": write_taxi,
    "micrographs": write_micrographs,
    "sounds": write_sounds,
    "long_table": write_long_table,
    "streams": write_streams,
}


def _initialise(data: Path, label: str, folder: Path) -> Path:
    report = initialise(
        str(data), label=label, positive="1", name=None, project_dir=folder, force=False
    )
    text = report.config_path.read_text(encoding="utf-8")
    text = re.sub(r"model: \w+", "model: network", text, count=1)
    report.config_path.write_text(_shorten(text), encoding="utf-8")
    return report.config_path


def _write_config(name: str, folder: Path, changes: dict[str, str]) -> Path:
    text = (PROJECT / "configs" / f"{name}.yaml").read_text(encoding="utf-8")
    schema = f"../schema/{name}.pbtxt"
    for old, new in {schema: str(PROJECT / "schema" / f"{name}.pbtxt"), **changes}.items():
        assert old in text, f"configs/{name}.yaml no longer says `{old}`"
        text = text.replace(old, new)
    path = folder / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_shorten(text), encoding="utf-8")
    return path


def _shorten(text: str) -> str:
    """Trains for two epochs: what is compared is the data."""
    text, found = re.subn(r"epochs: \d+", "epochs: 2", text)
    assert found == 1
    return text
