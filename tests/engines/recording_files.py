"""Recordings of forms that the use cases of the engines' tests do not have, with their YAML."""

from pathlib import Path

import numpy as np

from pipeline.onboarding import initialise

_NUM_FILES = 6


def write_array_files(folder: Path) -> Path:
    """Writes files with many recordings in parts, form `rows`; returns the YAML's path."""
    random = np.random.default_rng(5)
    (folder / "arrays").mkdir(parents=True)
    for number in range(_NUM_FILES):
        labels = np.arange(60) % 4 == 0
        signals = _sines(random, labels, 32)
        np.savez(
            folder / "arrays" / f"a{number}.npz",
            X_train=signals[:40],
            y_train=labels[:40],
            X_test=signals[40:],
            y_test=labels[40:],
            fs=50.0,
        )
    config = _initialise(folder / "arrays" / "a0.npz", folder)
    text = config.read_text(encoding="utf-8")
    assert "arrays/a0.npz" in text
    config.write_text(text.replace("arrays/a0.npz", "arrays/*.npz"), encoding="utf-8")
    return config


def write_scope_files(folder: Path) -> Path:
    """Writes CSV files of three rigs; lines before the table, one more in some, state the rate."""
    random = np.random.default_rng(6)
    for number, (is_faulty, samples) in enumerate(_labelled_sines(random, 96, 40)):
        place = folder / "scope" / f"rig_{number % 3}" / ("fault" if is_faulty else "ok")
        place.mkdir(parents=True, exist_ok=True)
        rate = 1000 if number % 8 else 2000
        rows = [f"{x:.4f},{2 * x:.4f}" for x in samples]
        block = ["Model,MSO4", *(["Note,late"] if number % 5 == 0 else [])]
        block += [f"Sample Interval,{1 / rate:g}", "", "CH1,CH2", "V,A"]
        (place / f"{number:03d}.csv").write_text("\n".join([*block, *rows, ""]))
    return _initialise(folder / "scope", folder)


def _labelled_sines(
    random: np.random.Generator, num: int, length: int
) -> list[tuple[bool, np.ndarray[tuple[int], np.dtype[np.float64]]]]:
    labels = np.arange(num) % 4 == 0
    return list(zip(labels.tolist(), _sines(random, labels, length), strict=True))


def _sines(
    random: np.random.Generator, is_faulty: np.ndarray[tuple[int], np.dtype[np.bool_]], length: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Returns a sine with noise for each label, twice as high where it is faulty."""
    phases = random.uniform(0, 6, len(is_faulty))[:, None]
    height = np.where(is_faulty, 2.0, 1.0)[:, None]
    noise = random.normal(0, 0.1, (len(is_faulty), length))
    return height * np.sin(np.arange(length) / 4 + phases) + noise


def _initialise(data: Path, folder: Path) -> Path:
    report = initialise(
        str(data), label=None, positive=None, name=None, project_dir=folder, force=False
    )
    return report.config_path
