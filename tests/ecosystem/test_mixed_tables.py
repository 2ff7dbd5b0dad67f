"""A table with a picture, a sound and a trace in each row: from `init` to a served request."""

import base64
import csv
import json
import math
import time

import httpx
import numpy as np
import pytest
import soundfile
from PIL import Image
from ruamel.yaml import YAML

from common.processes import free_ports
from tests.e2e.harness import PROJECT, Faultline

pytestmark = pytest.mark.ecosystem

_DEADLINE_S = 300


def write_parts(folder, num_rows, seed):
    """Writes `parts.csv` and its files: a fault is a bright spot, a tone, and a step at once."""
    rng = np.random.default_rng(seed)
    for name in ("photos", "sounds", "traces"):
        (folder / name).mkdir(parents=True)
    rows = []
    for number in range(num_rows):
        is_faulty = number % 4 == 0
        pixels = rng.integers(60, 110, (12, 16)).astype(np.uint8)
        pixels[4:8, 6:10] += np.uint8(100 * is_faulty)
        Image.fromarray(pixels).save(folder / f"photos/{number}.png")
        tone = 0.4 * np.sin(np.arange(800) * 2) * is_faulty
        soundfile.write(folder / f"sounds/{number}.wav", 0.1 * rng.normal(size=800) + tone, 4_000)
        trace = rng.normal(size=20) + 4 * is_faulty * (np.arange(20) > 10)
        np.save(folder / f"traces/{number}.npy", trace.astype(np.float32))
        files = [f"photos/{number}.png", f"sounds/{number}.wav", f"traces/{number}.npy"]
        # Each ninth row lacks one of its files.
        files = ["" if number % 9 == 3 * place else file for place, file in enumerate(files)]
        rows.append([number, f"{rng.normal(20, 2):.2f}", *files, int(is_faulty)])
    with (folder / "parts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["nr", "temp", "photo", "sound", "trace", "faulty"], *rows])


@pytest.mark.timeout(2400)
def test_a_table_that_names_files_is_trained_served_and_predicted(tmp_path):
    faultline = Faultline(PROJECT, tmp_path / "work")
    faultline.cwd.mkdir()
    write_parts(faultline.cwd / "data", 200, seed=0)
    write_parts(faultline.cwd / "new", 40, seed=1)
    (faultline.cwd / "new/photos/2.png").write_bytes(b"no picture")
    done = faultline.in_fork("init", "data/parts.csv")
    assert done.code == 0, done.out + done.err
    yaml, path = YAML(), faultline.cwd / "configs/parts.yaml"
    config = yaml.load(path)
    assert set(config["data"]["path_columns"]) == {"photo", "sound", "trace"}
    config["train"] = {"model": "network", "epochs": 8, "batch_size": 16, "learning_rate": 0.005}
    config["data"]["max_bad_rows"] = 1  # of the new rows
    yaml.dump(config, path)

    done = faultline.in_fork("run", "--config", "configs/parts.yaml")

    assert done.code == 0, done.out + done.err + faultline.last_log()
    assert "200 rows, 50 positive" in done.out
    assert "of 200 rows have no file in `photo`" in done.out
    grpc_port, rest_port = free_ports(2)
    process = faultline.start("serve", "--", f"--port={grpc_port}", f"--rest_api_port={rest_port}")
    try:
        model = f"http://127.0.0.1:{rest_port}/v1/models/parts"
        wait_until_available(process, model)
        check_predictions(faultline, grpc_port)
        check_request(faultline, model)
    finally:
        process.terminate()
        process.communicate(timeout=_DEADLINE_S)


def wait_until_available(process, model):
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline
        try:
            if "AVAILABLE" in httpx.get(model).text:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)


def check_predictions(faultline, port):
    server = f"grpc://127.0.0.1:{port}"
    options = ("--config", "configs/parts.yaml", "--id", "nr", "--output-file", "p.csv")
    done = faultline.in_fork("predict", "new/parts.csv", "--server", server, *options)
    assert done.code == 0, done.out + done.err
    assert "column `photo`: `photos/2.png`: " in done.out + done.err
    with (faultline.cwd / "p.csv").open() as file:
        answers = {int(row["nr"]): float(row["probability"]) for row in csv.DictReader(file)}
    assert sorted(answers) == [number for number in range(40) if number != 2]
    faulty = [p for number, p in answers.items() if number % 4 == 0]
    healthy = [p for number, p in answers.items() if number % 4]
    assert np.mean(faulty) > 2 * np.mean(healthy)


def check_request(faultline, model):
    """A request with the files of a faulty row, and one without its trace."""
    new = faultline.cwd / "new"

    def content(name):
        return {"b64": base64.b64encode((new / name).read_bytes()).decode()}

    whole = {
        "temp": 20.0,
        "photo": content("photos/4.png"),
        "sound": content("sounds/4.wav"),
        "trace": np.load(new / "traces/4.npy").tolist(),
    }
    # JSON has no NaN; TensorFlow Serving's parser takes the word.
    text = json.dumps({"instances": [whole, {**whole, "trace": [math.nan] * 20}]})
    answer = httpx.post(f"{model}:predict", content=text, timeout=60)
    assert answer.status_code == 200, answer.text
    first, without_trace = (one["probability"][0] for one in answer.json()["predictions"])
    assert first > 0.5
    assert 0 < without_trace < 1
