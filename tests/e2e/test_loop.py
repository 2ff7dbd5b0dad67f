"""The loop with nobody touching it: serve, drift, alarm, retrain, canary, promotion."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from common.metadata import open_store, sqlite_connection
from common.output_folder import OutputFolder
from common.processes import free_ports
from pipeline.lineage import lineage_of
from production.monitoring.alarms.book import AlarmBook
from production.monitoring.report import read_reports
from production.retraining.actions import open_journal as open_retrainings
from production.retraining.journal import retrainings_of
from production.retraining.state import Retraining
from production.rollout.actions import open_journal
from production.rollout.journal import Entry
from serving.client import Client
from tests.e2e.harness import Faultline

pytestmark = pytest.mark.e2e

CONFIG = """\
name: wells
label: {column: faulty, positive: 1}
data: {path: "spans/{SPAN}/*.csv", window: 2}
features:
  pressure: {kind: numeric, unit: bar}
  flow: {kind: numeric}
split: {train: 0.5, eval: 0.2, test: 0.3}
validation: {drift: warn}
train: {epochs: 5, batch_size: 64, learning_rate: 0.01, hidden_units: [8]}
cost: {missed_fault: 3, false_alarm: 1}
gate: {max_cost_rise: 0.5}
monitoring:
  chunk: {rows: 300, per_year: 60}
  false_alarms_per_year: 12
  labels_after_days: 0
retraining:
  triggers: {cost_per_day: 1}
  min_labels: {rows: 500, positives: 100}
rollout:
  start: on_push
  steps:
    - {percent: 1, min_requests: 50, min_time_s: 1}
    - {percent: 40, min_requests: 50, min_time_s: 1}
automation:
  level: full_automation
  limits: {alarm_change: 0.3, differing: 0.4, latency_ratio: 50, min_pairs: 100, min_keys: 5}
gateway: {grpc_port: GRPC, rest_port: REST}
"""
KEYS = [f"well {number}" for number in range(30)]
_TIMEOUT_S = 240.0


def draw(random: np.random.Generator, num_rows: int, mean: float) -> NDArray[np.float64]:
    """float64 [rows, 3]: pressure, flow and label; a high pressure is a fault, with some noise."""
    pressure, flow = random.normal(mean, 1.0, num_rows), random.normal(size=num_rows)
    faulty = random.random(num_rows) < 1 / (1 + np.exp(-2.5 * (pressure - 2.5)))
    return np.column_stack([pressure, flow, faulty])


class Plant:
    """Wells that ask the gateway all the time, and whose state is known some time later."""

    def __init__(self, cwd: Path, ports: tuple[int, int]) -> None:
        self.cwd, self._url = cwd, f"grpc://127.0.0.1:{ports[0]}"
        self._random = np.random.default_rng(1)
        self._mean, self.pause_s = 0.0, 0.01
        self._is_stopped = threading.Event()
        self.labels: list[tuple[str, int]] = []
        self.versions: list[int] = []
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_stopped.set()
        self._thread.join(30)

    def drift(self) -> None:
        """From now on, the pressure is higher."""
        self._mean = 2.0

    def _ask(self) -> None:
        with Client(self._url, model="wells") as client:
            while not self._is_stopped.is_set():
                [[pressure, flow, faulty]] = draw(self._random, 1, self._mean)
                name = f"q{len(self.labels)}"
                key = KEYS[len(self.labels) % len(KEYS)]
                row = {"pressure": float(pressure), "flow": float(flow)}
                try:
                    client.predict([row], request_id=name, key=key)
                except Exception:  # noqa: BLE001 - the gateway ends with a loop that is killed
                    time.sleep(0.5)
                    continue
                self.labels.append((name, int(faulty)))
                time.sleep(self.pause_s)

    def write_labels(self, path: Path, first: int) -> None:
        lines = [f"{name},{faulty}\n" for name, faulty in self.labels[first:]]
        path.write_text("".join(["id,faulty\n", *lines]))


@pytest.fixture
def faultline(project: Path, tmp_path: Path) -> Faultline:
    made = Faultline(project, tmp_path / "work")
    (made.cwd / "spans" / "1").mkdir(parents=True)
    rows = draw(np.random.default_rng(0), 3_000, 0.0)
    lines = [f"{pressure:.4f},{flow:.4f},{int(faulty)}\n" for pressure, flow, faulty in rows]
    path = made.cwd / "spans" / "1" / "wells.csv"
    path.write_text("".join(["pressure,flow,faulty\n", *lines]))
    return made


@pytest.fixture
def ports(faultline: Faultline) -> tuple[int, int]:
    grpc, rest = free_ports(2)
    text = CONFIG.replace("GRPC", str(grpc)).replace("REST", str(rest))
    (faultline.cwd / "wells.yaml").write_text(text)
    return grpc, rest


@pytest.fixture
def plant(faultline: Faultline, ports: tuple[int, int]) -> Iterator[Plant]:
    made = Plant(faultline.cwd, ports)
    yield made
    made.stop()


class Loop:
    """`faultline loop --serve`, and what it wrote."""

    def __init__(self, faultline: Faultline) -> None:
        self._faultline = faultline
        self.folder = OutputFolder(faultline.output)
        self.lines: list[str] = []
        self.start()

    def start(self) -> None:
        arguments = ("loop", "--serve", "--every", "2", "--config", "wells.yaml")
        self.process = self._faultline.start(*arguments)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait(self, what: str, is_true: Callable[[], object]) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        while not is_true():
            assert time.monotonic() < deadline, (what, self.lines, self._gateway_log())
            assert self.process.poll() is None, (what, self.lines, self.process.stderr.read())
            time.sleep(0.1)

    def _gateway_log(self) -> str:
        path = self.folder.root / "gateway" / "loop.log"
        return path.read_text()[-2000:] if path.exists() else ""

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join(60)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code

    def retrainings(self) -> list[Retraining]:
        return retrainings_of(open_retrainings(self.folder, "wells").read())

    def rollout(self) -> list[Entry]:
        return list(open_journal(self.folder, "wells").read())


@pytest.fixture
def loop(faultline: Faultline, ports: tuple[int, int]) -> Iterator[Loop]:
    done = faultline.in_fork("run", "--config", "wells.yaml")
    assert done.code == 0, done.err + faultline.last_log()
    made = Loop(faultline)
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGTERM)


def _answers(ports: tuple[int, int]) -> bool:
    try:
        with Client(f"grpc://127.0.0.1:{ports[0]}", model="wells") as client:
            client.predict([{"pressure": 0.0, "flow": 0.0}])
    except Exception:  # noqa: BLE001 - it is not there yet
        return False
    return True


def test_drift_ends_in_a_new_model_with_nobody_touching_it(faultline, loop, plant, ports):
    [old] = [int(path.name) for path in faultline.versions()]
    loop.wait("the gateway answers", lambda: _answers(ports))
    plant.start()
    place = loop.folder.monitoring("wells")
    loop.wait("a quiet chunk", lambda: read_reports(place))
    assert AlarmBook(place).open_alarms() == []

    plant.drift()
    first = len(plant.labels)
    loop.wait("an alarm", lambda: AlarmBook(place).open_alarms())
    loop.wait("enough answers", lambda: len(plant.labels) > first + 700)
    plant.pause_s = 0.1  # the training needs the processor
    plant.write_labels(faultline.cwd / "labels.csv", first)
    command = ("labels", "labels.csv", "--id", "id", "--label", "faulty")
    done = faultline(*command, "--config", "wells.yaml")
    assert done.code == 0, done.err

    loop.wait("a training", lambda: any(one.attempt for one in loop.retrainings()))
    # A kill in the middle of the training: the next loop trains again, on the same span.
    loop.end(signal.SIGKILL)
    loop.start()
    loop.wait("a push", lambda: loop.retrainings()[0].result)
    retraining = loop.retrainings()[0]
    assert retraining.result.outcome == "pushed", (retraining.result.words, faultline.last_log())
    assert (retraining.trigger.name, retraining.champion, retraining.attempt) == ("cost", old, 2)
    new = retraining.result.version
    plant.pause_s = 0.02

    loop.wait(
        "a promotion",
        lambda: (
            loop.rollout()[-1].note.event == "advance"
            and loop.rollout()[-1].state.stable.version == new
        ),
    )
    assert {entry.note.by for entry in loop.rollout()} == {"faultline"}
    with Client(f"grpc://127.0.0.1:{ports[0]}", model="wells") as client:
        assert client.predict([{"pressure": 0.0, "flow": 0.0}]) is not None
    _check_records(loop, retraining, faultline.cwd)
    plant.stop()
    assert loop.end(signal.SIGTERM) == 128 + signal.SIGTERM


def _check_records(loop: Loop, retraining: Retraining, cwd: Path) -> None:
    """Lineage names trigger, evidence and data; each label is in the span once."""
    assert retraining.data.span == "2"
    text = (cwd / "spans" / "2" / "collected.csv").read_text()
    assert len(text.splitlines()) == retraining.data.num_rows + 1 > 500
    store = open_store(sqlite_connection(loop.folder.root / "metadata.db"))
    node = lineage_of(store, f"wells/{retraining.result.version}")
    facts = [
        child.facts for run in node.children for child in run.children if child.kind == "retraining"
    ]
    assert [one["trigger"] for one in facts] == ["cost"]
    assert facts[0]["data"]["rows"] == retraining.data.num_rows
    alarms = set(facts[0]["evidence"]["cost"]["alarms"])
    assert alarms <= {
        state.alarm.id for state in AlarmBook(loop.folder.monitoring("wells")).states()
    }
    assert json.dumps(node.to_json())
