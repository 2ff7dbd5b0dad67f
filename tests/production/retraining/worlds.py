"""An output folder with a served model, recorded requests and labels; runs that train nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
from ml_metadata.metadata_store import MetadataStore

from common.errors import InputError, StepFailedError
from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.config_loading import load_config
from production.collection.labels import add_labels, make_labels
from production.retraining.actions import begin
from production.retraining.journal import Journal, current_of, retrainings_of
from production.retraining.retrainer import Retrainer, Tools
from production.retraining.state import Result, Retraining, Trigger
from production.retraining.training_run import Order
from tests.production.collection.recorded import NOON, batch_of, record, write_closed
from tests.production.rollout.pushes import new_store, push

CHAMPION, CHALLENGER = 100, 200
CONFIG = """\
name: wells
label: {column: faulty, positive: 1}
data: {path: "spans/{SPAN}/*.csv", window: 3}
features:
  x: {kind: numeric}
automation: {level: LEVEL}
retraining:
  triggers:
    labels: {rows: 10, positives: 3}
  min_labels: {rows: 4, positives: 1}
"""
BY_ADA = Trigger(name="person", by="Ada", why="a test")
PUSHED = Result(
    outcome="pushed", words="version 200 was pushed", run_id="run-wells-200", version=CHALLENGER
)


@dataclass
class FakeRuns:
    """Runs with the result that the test sets.

    Attributes:
        result: The result of each; None while it runs.
        num_signals: How many of them a signal ends.
        orders: What was started, in order.
        num_stopped: How many were stopped.
        on_start: What a start does besides.
    """

    result: Result | None = PUSHED
    num_signals: int = 0
    orders: list[Order] = field(default_factory=list)
    num_stopped: int = 0
    on_start: Callable[[], object] = lambda: None

    def start(self, order: Order) -> "FakeRun":
        """Starts one."""
        self.orders.append(order)
        self.on_start()
        return FakeRun(self, is_killed=len(self.orders) <= self.num_signals)


@dataclass
class FakeRun:
    """One of them."""

    runs: FakeRuns
    is_killed: bool
    cpu_s: float = 60.0

    def result(self) -> Result | None:
        """Returns its result."""
        if self.is_killed:
            raise StepFailedError("A signal ended the run (exit code -9).")
        return self.runs.result

    def stop(self) -> None:
        """Counts."""
        self.runs.num_stopped += 1


class World:
    """The served version 100 of `wells`, with labelled requests that no span has yet.

    Args:
        root: The working folder.
        level: Level of the automation.
    """

    def __init__(self, root: Path, *, level: int = 3) -> None:
        self.root, self.folder = root, OutputFolder(root / "output")
        self.folder.root.mkdir(parents=True)
        self.config_path = root / "wells.yaml"
        self.config_path.write_text(CONFIG.replace("LEVEL", str(level)))
        (root / "spans" / "1").mkdir(parents=True)
        (root / "spans" / "1" / "wells.csv").write_text("x,faulty\n1.0,1\n2.0,0\n")
        self.store = new_store(self.folder)
        push(self.store, self.folder, CHAMPION)
        self.now: datetime = NOON
        self.lines: list[str] = []
        self.runs = FakeRuns()
        self.num_asked = 0
        self.is_store_up = True

    @property
    def config(self) -> Config:
        """The use case."""
        return load_config(self.config_path)

    def ask(self, *labels: int | None) -> None:
        """Records one request for each label; None is a request without a label."""
        collected = self.folder.collected("wells")
        ids = [f"q{self.num_asked + number}" for number in range(len(labels))]
        self.num_asked += len(labels)
        records = [record(name, model="wells", x=float(number)) for number, name in enumerate(ids)]
        batch = batch_of(records, {"x": pa.float32()})
        write_closed(collected, [batch], stem=f"stable-{self.num_asked}")
        known = [(name, str(one)) for name, one in zip(ids, labels, strict=True) if one is not None]
        names, words = zip(*known, strict=True)
        add_labels(collected, make_labels(names, words), source="a test")

    def retrainer(self) -> Retrainer:
        """Returns a new one, as of a process that has just started."""
        tools = Tools(
            open_store=self._open_store,
            start_run=self.runs.start,
            say=self.lines.append,
            now=lambda: self.now,
        )
        return Retrainer(self.config, self.config_path, self.folder, tools)

    def _open_store(self) -> MetadataStore:
        if not self.is_store_up:
            raise InputError("The metadata server cannot be reached.")
        return self.store

    def begin(self) -> None:
        """Begins a retraining as a person does."""
        begin(self.journal(), BY_ADA, champion=CHAMPION, is_approved=True)

    def journal(self) -> Journal:
        """Returns the journal, at the world's time."""
        return Journal(self.folder.retraining("wells"), now=lambda: self.now)

    def latest(self) -> Retraining:
        """Returns the last retraining."""
        return retrainings_of(self.journal().read())[-1]

    def carry_out(self, retrainer: Retrainer | None = None, *, most: int = 20) -> Retraining:
        """Lets a retrainer work until no retraining is in progress; returns the last one."""
        worker = retrainer or self.retrainer()
        for _ in range(most):
            if not worker.carry_on():
                break
        assert current_of(self.journal().read()) is None, self.lines
        return self.latest()

    def pass_days(self, days: float) -> None:
        """Lets time pass."""
        self.now += timedelta(days=days)
