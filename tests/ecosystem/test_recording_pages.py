"""The commands and programs on the pages of recordings and streams, executed as they are printed.

The ports of the server are others, so that a server of this machine is not asked instead.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import soundfile

from serving.client import Client
from tests.docs.page_blocks import blocks
from tests.docs.test_recording_blocks import BLOCKS
from tests.ecosystem.test_page_commands import execute

pytestmark = pytest.mark.ecosystem

_SHELL, _PYTHON = "sh -eu", f"{sys.executable} -"
_LONGEST_START_S = 120
_NUM, _LENGTH, _NUM_STREAMS = 200, 32, 40
_IS_FAULTY = np.arange(_NUM) % 4 == 0


def block(page: str, language: str, words: str) -> str:
    """Returns the block of a page with some words."""
    [text] = [text for own, text in blocks(language) if own == page and words in text]
    return text


def waves(length: int = _LENGTH) -> np.ndarray[Any, Any]:
    """Returns sines with noise, twice as high where they are faulty, float64 [200, length]."""
    random = np.random.default_rng(7)
    phases = random.uniform(0, 6, _NUM)[:, None]
    clean = np.where(_IS_FAULTY, 2.0, 1.0)[:, None] * np.sin(np.arange(length) / 4 + phases)
    return clean + random.normal(0, 0.1, clean.shape)


def write_csv(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]))


def write_files(folder: Path) -> None:
    """Writes a file for each recording, in the three layouts of the first commands."""
    labels = ["file,worn"]
    for number, (is_faulty, samples) in enumerate(zip(_IS_FAULTY, waves(), strict=True)):
        lines = ["t,acc", *(f"{n / 10:.1f},{x:.4f}" for n, x in enumerate(samples))]
        state = "fault" if is_faulty else "ok"
        write_csv(folder / "clips" / state / f"{number}.csv", lines)
        write_csv(folder / "runs" / f"{number}.csv", lines)
        labels.append(f"{number}.csv,{int(is_faulty)}")
        if number < 9:
            write_csv(folder / "new_clips" / f"n{number}.csv", lines)
    write_csv(folder / "table.csv", labels)


def write_streams(folder: Path, name: str) -> list[str]:
    """Writes streams with a label for each sample; returns their events as rows."""
    random, events = np.random.default_rng(8), []
    for number in range(_NUM_STREAMS):
        values, flags = random.normal(0, 0.2, 600), np.zeros(600, int)
        for start in range(100, 600, 200):
            flags[start : start + 48] = 1
            events.append(f"s{number},{start * 300},{(start + 47) * 300}")
        rows = [
            f"{n * 300},{x + 3 * y:.3f},{y}"
            for n, (x, y) in enumerate(zip(values, flags, strict=True))
        ]
        write_csv(folder / name / f"s{number}.csv", ["timestamp,value,label", *rows])
    return events


def write_arrays(folder: Path) -> None:
    """Writes files with many recordings."""
    x, y = waves(), _IS_FAULTY.astype(int)
    np.savez(folder / "all.npz", X=x, y=y)
    np.savez(folder / "parts.npz", X_train=x[:120], y_train=y[:120], X_test=x[120:], y_test=y[120:])
    with h5py.File(folder / "groups.h5", "w") as file:
        for number, samples in enumerate(x):
            group = file.create_group(f"run_{number}")
            group["acc"] = samples
            group.attrs["fault"] = int(y[number])
    np.save(folder / "X.npy", x)
    np.save(folder / "y.npy", y)
    lines = ["\t".join([str(1 + int(f)), *map(str, own)]) for f, own in zip(y, x, strict=True)]
    write_csv(folder / "Ecg_TRAIN.tsv", lines)


def test_the_first_commands_of_the_page_make_configs_a_run_and_predictions(tmp_path):
    write_files(tmp_path)
    events = write_streams(tmp_path, "streams")
    for file in (tmp_path / "streams").iterdir():  # without labels in the files
        rows = [row.rpartition(",")[0] for row in file.read_text().split()]
        write_csv(file, rows)
    write_csv(tmp_path / "events.csv", ["recording,start,end", *events])
    execute(_SHELL, block("docs/recordings.md", "sh", "faultline init clips/"), tmp_path)
    assert "form: stream" in (tmp_path / "configs/streams.yaml").read_text()
    assert "labels: " in (tmp_path / "configs/runs.yaml").read_text()
    assert list((tmp_path / "predictions").glob("*.parquet"))


def test_files_with_many_recordings_are_found(tmp_path):
    write_arrays(tmp_path)
    for line in block("docs/recordings.md", "sh", "faultline init all.npz").splitlines():
        printed = execute(_SHELL, line, tmp_path)
        assert "Found: 200 recordings in" in printed
    assert "parts: [train, test]" in (tmp_path / "configs/parts.yaml").read_text()
    assert "groups: true" in (tmp_path / "configs/groups.yaml").read_text()


def write_sounds(folder: Path) -> None:
    random, lines = np.random.default_rng(9), ["file,failed"]
    (folder / "spoken_digits").mkdir()
    for number, failed in enumerate(_IS_FAULTY):
        tone = failed * np.sin(np.arange(2_000) * 0.7)
        samples = 0.05 * random.normal(size=2_000) + 0.2 * tone
        soundfile.write(folder / "spoken_digits" / f"{number}.wav", samples, 8_000)
        lines.append(f"{number}.wav,{int(failed)}")
    write_csv(folder / "spoken_digits" / "labels.csv", lines)
    (folder / "four.wav").write_bytes((folder / "spoken_digits" / "4.wav").read_bytes())


STREAMS = """\
name: streams
{page}
features:
  value: {{kind: signal, num_samples: 24, sampling_rate_hz: 0.0033333333}}
train: {{epochs: 8, batch_size: 32}}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with pushed models of the pages' use cases, and the ports of their server."""
    folder = tmp_path_factory.mktemp("served")
    write_sounds(folder)
    write_streams(folder, "recordings")
    page = next(text for _, text in BLOCKS if "form: stream" in text)
    (folder / "streams.yaml").write_text(STREAMS.format(page=page))
    commands = [
        "faultline init spoken_digits",
        "faultline run --config configs/spoken_digits.yaml",
        "faultline run --config streams.yaml",
    ]
    execute(_SHELL, "\n".join(commands), folder)
    ports = {old: str(_free_port()) for old in ("8500", "8501")}
    command = ["faultline", "serve", "--", f"--port={ports['8500']}"]
    server = subprocess.Popen(
        [str(Path(sys.executable).parent / command[0]), *command[1:],
         f"--rest_api_port={ports['8501']}"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        execute(_SHELL, _wait_for(ports["8501"]), folder)
        yield folder, ports
    finally:
        server.terminate()
        server.wait(60)


def _free_port() -> int:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return int(own.getsockname()[1])


def _wait_for(port: str) -> str:
    lines = [
        f"until curl -s http://127.0.0.1:{port}/v1/models/{model} | grep -q AVAILABLE; "
        "do sleep 1; done"
        for model in ("spoken_digits", "streams")
    ]
    return f"timeout {_LONGEST_START_S} sh -c '{'; '.join(lines)}'"


def with_ports(text: str, ports: dict[str, str]) -> str:
    for old, new in ports.items():
        text = text.replace(f":{old}", f":{new}")
    return text


def test_a_sound_is_sent_by_curl_and_by_the_client(served):
    folder, ports = served
    curl = block("docs/recordings.md", "sh", '"b64"')
    [one] = json.loads(execute(_SHELL, with_ports(curl, ports), folder))["predictions"]
    client = block("docs/recordings.md", "python", "wav")
    printed = execute(_PYTHON, with_ports(client, ports), folder)
    twice = [float(text) for text in printed.replace("[", " ").replace("]", " ").split()]
    assert twice == pytest.approx([one["probability"][0]] * 2, abs=1e-6)


def test_whole_recordings_are_answered_as_predict_does(served):
    folder, ports = served
    command = (
        "faultline predict recordings --config streams.yaml --output-file p.csv "
        f"--server grpc://127.0.0.1:{ports['8500']}"
    )
    execute(_SHELL, command, folder)
    windows, alarms = pd.read_csv(folder / "p.csv"), pd.read_csv(folder / "p-alarms.csv")
    names = windows["recording"].unique()
    with Client(f"grpc://127.0.0.1:{ports['8500']}", model="streams") as client:
        for name in names:
            values = pd.read_csv(folder / "recordings" / f"{name}.csv")["value"].tolist()
            recording = {"value": values, "num_samples": 600, "sampling_rate_hz": 1 / 300}
            answer = client.predict([recording], signature="serving_recording")
            own, raised = (one[one["recording"] == name] for one in (windows, alarms))
            scores = np.float32(answer["probability"]).ravel()
            assert scores.tolist() == np.float32(own["probability"]).tolist()
            starts = np.asarray(answer["alarm_start_s"]).ravel()
            assert starts.tolist() == pytest.approx(raised["start"].tolist())
    assert len(names) == _NUM_STREAMS


def test_a_whole_recording_is_sent_by_the_client_and_by_curl(served):
    folder, ports = served
    client = block("docs/streams.md", "python", "serving_recording")
    highest = execute(_PYTHON, with_ports(client, ports), folder).split()[0].strip("[]")
    curl = block("docs/streams.md", "sh", "serving_recording")
    [one] = json.loads(execute(_SHELL, with_ports(curl, ports), folder))["predictions"]
    assert one["max_probability"] == pytest.approx(float(highest), abs=1e-6)
    assert one["num_windows"] == 4  # 24 of 60 samples, half of them further: from 0, 12, 24, 36
