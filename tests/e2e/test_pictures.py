"""Pictures in folders by class become a served model that is asked with files."""

import base64
import json
import signal
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image as Pillow

from common.processes import free_ports
from tests.e2e.harness import PROJECT, Faultline

pytestmark = pytest.mark.e2e

CONFIG = """\
name: parts
label: {column: label, positive: cracked}
data:
  path: parts
  recordings: {form: files, media: image, label_from: folder}
  max_bad_rows: 2
split: {train: 0.6, eval: 0.2, test: 0.2}
features:
  image: {kind: image, height: 24, width: 32, channels: 3}
train:
  model: blend
  trees: {rounds: 30, stopping: none}
  epochs: 4
  batch_size: 16
  filters: [8, 16]
  augmentation:
    image: {flip: both, shift_px: 2, noise: 0.01}
"""


def draw_part(random: np.random.Generator, *, is_cracked: bool) -> Pillow.Image:
    """A brown surface, cracked ones with a dark spot."""
    rows, columns = np.mgrid[:36, :48]
    wave = np.sin(rows / random.uniform(3, 6) + random.uniform(0, 6))
    pixels = 120 + 30 * wave[..., None] * np.array([1, 0.9, 0.7])
    pixels += random.normal(0, 8, (36, 48, 3))
    if is_cracked:
        row, column = random.integers(6, 30), random.integers(6, 42)
        pixels[np.hypot(rows - row, columns - column) < 5] *= 0.2
    return Pillow.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_parts(folder: Path) -> None:
    """200 pictures as PNG and JPEG, a fifth cracked; and two files that are no whole pictures."""
    random = np.random.default_rng(5)
    for number in range(200):
        is_cracked = number % 5 == 0
        own = folder / ("cracked" if is_cracked else "good")
        own.mkdir(parents=True, exist_ok=True)
        suffix = "jpg" if number % 2 else "png"
        draw_part(random, is_cracked=is_cracked).save(own / f"part_{number:03d}.{suffix}")
    cut = (folder / "good" / "part_001.jpg").read_bytes()[:500]
    (folder / "good" / "cut.jpg").write_bytes(cut)
    (folder / "good" / "text.png").write_text("not a picture")


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> Faultline:
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp("pictures") / "work")
    write_parts(faultline.cwd / "parts")
    (faultline.cwd / "parts.yaml").write_text(CONFIG)
    done = faultline("run", "--config", "parts.yaml")
    assert done.code == 0, done.out + done.err + faultline.last_log()
    return faultline


def test_pictures_are_blessed_and_pushed_and_damaged_files_set_aside(parts):
    [version] = parts.versions("parts")
    info = json.loads((version / "assets.extra" / "model_info.json").read_text())
    assert info["inputs"] == ["image"]
    [record] = parts.output.glob("data/parts/recordings-*/_recordings.json")
    bad = json.loads(record.read_text(encoding="utf-8"))["bad"]
    assert {Path(one["path"]).name for one in bad} == {"cut.jpg", "text.png"}
    assert "its suffix is .png, but its content is no picture" in str(bad)


def test_the_pages_show_pictures_and_what_decided(parts):
    reports = parts.output / "reports"
    data, errors = (
        (reports / f"{page}-parts.html").read_text(encoding="utf-8") for page in ("data", "errors")
    )
    # 16 of the healthy and 16 of the 24 faulty pictures of train.
    assert data.count('<img src="data:image/jpeg;base64,') == 32
    assert "JPEG RGB" in data
    # Each of the 40 pictures of test, with its overlay.
    assert errors.count('<img src="data:image/jpeg;base64,') == 80


def test_a_server_answers_for_the_file_as_it_is_and_refuses_a_damaged_one(parts):
    grpc_port, rest_port = free_ports(2)
    process = parts.start("serve", "--", f"--port={grpc_port}", f"--rest_api_port={rest_port}")
    url = f"http://localhost:{rest_port}/v1/models/parts"
    try:
        _wait_for(url)
        folder = parts.cwd / "parts"
        cracked, good = (
            [_ask(url, path.read_bytes()) for path in sorted((folder / kind).glob("part_*"))[:20]]
            for kind in ("cracked", "good")
        )
        damaged = _post(url, (folder / "good" / "cut.jpg").read_bytes())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert np.mean(cracked) > np.mean(good) + 0.3
    assert damaged.status_code == 400
    assert "`image` holds no complete PNG, JPEG, BMP or GIF picture" in damaged.json()["error"]


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail(f"no answer from {url}")


def _post(url: str, content: bytes) -> httpx.Response:
    instance = {"image": {"b64": base64.b64encode(content).decode()}}
    return httpx.post(f"{url}:predict", json={"instances": [instance]}, timeout=60)


def _ask(url: str, content: bytes) -> float:
    [prediction] = _post(url, content).json()["predictions"]
    [probability] = prediction["probability"]
    return probability
