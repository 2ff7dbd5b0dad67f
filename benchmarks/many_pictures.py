"""Peak memory of a run on gigabytes of pictures.

Writes simulated specimens as PNG files of 512 by 512 pixels, an eighth with a dark spot, and
runs the pipeline on them in one process, one epoch of a network at 64 by 64 pixels. Prints a line
for each step and the whole run's peak of resident memory, Beam included.

    python -m benchmarks.many_pictures --megabytes 5000
"""

import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from benchmarks.child import run_module

_SIZE_PX = 512
_NUM_GRAINS = 16
_FAULTY_EVERY = 8

_CONFIG = """\
name: specimens
label: {column: label, positive: faulty}
data:
  path: specimens
  recordings: {form: files, media: image, label_from: folder}
split: {train: 0.6, eval: 0.2, test: 0.2}
features:
  image: {kind: image, height: 64, width: 64, channels: 1}
train: {model: network, epochs: 1}
"""


def write_pictures(folder: Path, megabytes: int) -> tuple[int, float]:
    """Writes pictures below a folder until they have this size; returns their number and MB.

    Noise of the sensor, which does not compress, makes the files large and different.
    """
    generator = np.random.default_rng(0)
    grains = [_draw_grains(generator) for _ in range(_NUM_GRAINS)]
    for name in ("good", "faulty"):
        (folder / name).mkdir(parents=True)
    number, written = 0, 0
    while written < megabytes * 1e6:
        is_faulty = number % _FAULTY_EVERY == 0
        noise = generator.integers(-24, 25, (_SIZE_PX, _SIZE_PX), dtype=np.int16)
        pixels = grains[number % _NUM_GRAINS] + noise
        if is_faulty:
            row, column = generator.integers(64, _SIZE_PX - 64, 2)
            pixels[row - 48 : row + 48, column - 48 : column + 48] -= 80
        path = folder / ("faulty" if is_faulty else "good") / f"{number:06}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, compress_level=1)
        written += path.stat().st_size
        number += 1
    return number, written / 1e6


def _draw_grains(generator: np.random.Generator) -> Any:
    blocks = generator.integers(100, 200, (_SIZE_PX // 32, _SIZE_PX // 32), dtype=np.int16)
    return np.kron(blocks, np.ones((32, 32), np.int16))


def measure(folder: Path) -> dict[str, Any]:
    """Runs the pipeline in a process of its own; returns what `measured_run` prints."""
    places = (folder / "specimens.yaml", folder / "output")
    return dict(run_module("benchmarks.measured_run", *map(str, places)))


@click.command()
@click.option("--megabytes", default=5_000, help="Size of the files.", show_default=True)
def main(megabytes: int) -> None:
    """Writes the pictures, runs the pipeline and prints what each step took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        number, size_mb = write_pictures(folder / "specimens", megabytes)
        (folder / "specimens.yaml").write_text(_CONFIG)
        print(f"{number:,} pictures, {size_mb:,.0f} MB", flush=True)
        run = measure(folder)
    for step, used in run["steps"].items():
        print(f"{step}: {used['cpu_seconds']:.0f} s of CPU, peak so far {used['peak_mb']:,.0f} MB")
    peak_mb = max(used["peak_mb"] for used in run["steps"].values())
    print(f"{run['rows']:,} examples, peak of the whole run {peak_mb:,.0f} MB")


if __name__ == "__main__":
    main()
