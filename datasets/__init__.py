"""Built-in data sets.

Simulated: quench-heater signals, micrographs, machine sounds. Real: the Chicago taxi trips of TFX.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAMES = ("signals", "taxi", "micrographs", "sounds")
_TAXI_FILE = "examples/chicago_taxi_pipeline/data/big_tipper_label/data.csv"


def materialise(name: str, folder: Path, options: Mapping[str, Any]) -> str:
    """Makes a built-in data set available and returns its location.

    Args:
        name: One of `NAMES`.
        folder: Folder for simulated data; data that match the options are left untouched.
        options: Fields of `options.SignalOptions`, `micrographs.MicrographOptions` or
            `sounds.SoundOptions` of this package; none for taxi.

    Returns:
        The input pattern; `{SPAN}` in it stands for the number of the span. For micrographs and
        sounds: the folder of their files, a sub-folder of `folder`; `labels.csv` is in `folder`.

    Raises:
        ValueError: The name or an option is unknown, or an option's value is wrong.
        FileNotFoundError: The installed TFX has no taxi data.
    """
    from datasets.options import suggest

    if name == "signals":
        return _materialise_signals(folder, options)
    if name == "taxi":
        if options:
            raise ValueError(f"taxi: takes no options, got {', '.join(map(str, options))}")
        return str(_find_taxi())
    if name == "micrographs":
        return _materialise_micrographs(folder, options)
    if name == "sounds":
        return _materialise_sounds(folder, options)
    raise ValueError(f"Unknown data set {name!r}. {suggest(name, NAMES)}")


def _materialise_signals(folder: Path, options: Mapping[str, Any]) -> str:
    from datasets.options import SignalOptions
    from datasets.signals import simulate_span
    from datasets.writing import write_spans

    write_spans(folder, SignalOptions.from_mapping(options), simulate_span)
    return str(folder / "span-{SPAN}" / "*.parquet")


def _materialise_micrographs(folder: Path, options: Mapping[str, Any]) -> str:
    from datasets import micrographs
    from datasets.folders import write_folder

    checked = micrographs.MicrographOptions.read("micrographs", options)
    digest = checked.digest(micrographs.SIMULATOR_VERSION)
    write_folder(folder, name="pictures", digest=digest, examples=micrographs.simulate(checked))
    return str(folder / "pictures")


def _materialise_sounds(folder: Path, options: Mapping[str, Any]) -> str:
    from datasets import sounds
    from datasets.folders import write_folder

    checked = sounds.SoundOptions.read("sounds", options)
    digest = checked.digest(sounds.SIMULATOR_VERSION)
    write_folder(folder, name="recordings", digest=digest, examples=sounds.simulate(checked))
    return str(folder / "recordings")


def _find_taxi() -> Path:
    spec = importlib.util.find_spec("tfx")  # finds the package without importing it
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        if (path := Path(folder) / _TAXI_FILE).is_file():
            return path
    where = f"no {_TAXI_FILE} in {folders[0]}" if folders else "the package tfx is not installed"
    raise FileNotFoundError(f"The taxi data are missing: {where}. Run the set-up again (`make`).")
