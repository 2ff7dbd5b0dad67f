"""The real processes of a scenario on the loopback: gateway, servers, clients; and the labels."""

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from common.errors import StepFailedError
from common.processes import child_process, free_ports, last_words, log_lines, wait_until
from pipeline.config import Config
from production.collection.delivery import deliver_labels
from production.collection.label_files import LabelSource
from production.collection.records import OK, read_records
from production.gateway.processes import running_pids
from production.simulation.traffic import LABEL, RATE, Day
from production.simulation.workspace import MODEL, Workspace, command, environment
from serving.client import Client, Predictions, ServingClientError

_START_S, _ANSWER_S, _RECORD_S = 180.0, 10.0, 10.0
_NUM_CLIENTS = 4
# Clients ask again until the service is back.
_RETRY_S, _MAX_ATTEMPTS = 0.25, 80
_POLL_S = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What clients got for the requests of a day.

    Attributes:
        request_ids: Ids of the requests, in their order.
        decisions: Decision of each, int64 `[n]`.
        num_failures: Attempts that got no answer; clients asked again until they got one.
    """

    request_ids: list[str]
    decisions: NDArray[np.int64]
    num_failures: int = 0


class Site:
    """Gateway, servers and clients of a scenario, while the context is open."""

    def __init__(self, workspace: Workspace, config: Config) -> None:
        """Starts nothing yet.

        Args:
            workspace: The folders.
            config: The use case.
        """
        self.folder = workspace.output
        self.log = workspace.root / "gateway.log"
        self._workspace, self._config = workspace, config
        self._stack = ExitStack()
        self._num_sent = 0

    def __enter__(self) -> "Site":
        """Starts the gateway, and waits until it answers.

        Raises:
            StepFailedError: It does not start.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.unlink(missing_ok=True)
        grpc_port, rest_port = free_ports(2)
        flags = (f"--port={grpc_port}", f"--rest_api_port={rest_port}", "--grace=2")
        output, path = str(self.folder.root), str(self._workspace.config_path)
        arguments = command(
            "serve", "--gateway", "--config", path, "--output", output, "--", *flags
        )
        try:
            process = self._stack.enter_context(
                child_process(arguments, log=self.log, env=environment())
            )
            if not wait_until(process, lambda: self.has_said("Serving "), timeout_s=_START_S):
                raise StepFailedError(f"The gateway does not start:\n{last_words(self.log)}")
            client = Client(
                f"grpc://127.0.0.1:{grpc_port}", model=MODEL, timeout_s=_ANSWER_S, attempts=1
            )
            self._client = self._stack.enter_context(client)
            self._clients = self._stack.enter_context(ThreadPoolExecutor(_NUM_CLIENTS))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def has_said(self, words: str) -> bool:
        """Whether the gateway has printed a line with these words."""
        return any(words in line for line in log_lines(self.log))

    def send(self, day: Day, *, at_noon: Callable[[], object] = lambda: None) -> Answers:
        """Sends the requests of a day, one by one, until each is answered.

        Args:
            day: The day.
            at_noon: Called while half of the requests have been sent.
        """
        sender = _Sender(self._client, day)
        noon = len(day.keys) // 2
        first = list(self._clients.map(sender.send, range(noon)))
        event = threading.Thread(target=at_noon)
        event.start()
        answers = [*first, *self._clients.map(sender.send, range(noon, len(day.keys)))]
        event.join()
        self._num_sent += len(answers)
        return Answers(
            request_ids=[request_id for request_id, _, _ in answers],
            decisions=np.array([decision for _, decision, _ in answers], np.int64),
            num_failures=sum(failures for _, _, failures in answers),
        )

    def predict(self, rows: pa.Table) -> Predictions:
        """Sends rows in one request."""
        return self._client.predict(rows)

    def await_records(self) -> int:
        """Waits until all answers are recorded; returns the number of those that are lost."""
        deadline = time.monotonic() + _RECORD_S
        while (num_recorded := self.num_recorded()) < self._num_sent:
            if time.monotonic() > deadline:
                num_lost = self._num_sent - num_recorded
                self._num_sent = num_recorded
                return num_lost
            time.sleep(_POLL_S)
        return 0

    def num_recorded(self) -> int:
        """Returns the number of recorded answers that clients got."""
        collected = self.folder.collected(MODEL)
        batches = read_records(collected, columns=["answered", "status"])
        return sum(
            int(pc.sum(pc.and_(batch["answered"], pc.equal(batch["status"], OK))).as_py() or 0)
            for batch in batches
        )

    def report_labels(self, day: Day, answers: Answers) -> None:
        """Delivers the labels of a day; without any, nothing happens."""
        has_label = day.labels >= 0
        if not has_label.any():
            return
        ids = np.array(answers.request_ids)[has_label]
        path = self._workspace.root / "labels.csv"
        rates = day.numbers(RATE)[has_label]
        table = pa.table({"request_id": ids, LABEL: day.labels[has_label], RATE: rates})
        csv.write_csv(table, path)
        source = LabelSource(
            data=str(path), id_column="request_id", label_column=LABEL, others=(RATE,)
        )
        deliver_labels(self._config, self.folder, source)

    def pids(self) -> Mapping[str, int]:
        """Returns the process ids of `stable`, `candidate` and `envoy`, as far as they run."""
        return running_pids(self.folder.gateway(MODEL))

    def kill(self, name: str) -> None:
        """Kills a process of the gateway."""
        os.kill(self.pids()[name], signal.SIGKILL)

    def fill_disk(self, *, is_full: bool) -> None:
        """Makes all further writes of the servers fail, or succeed again.

        A limit on the size of their files stands in for the disk.
        """
        for name, pid in self.pids().items():
            if name != "envoy":
                _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                soft = 0 if is_full else hard
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


@dataclass(frozen=True)
class _Sender:
    """Sends the requests of a day one by one."""

    client: Client
    day: Day

    def send(self, place: int) -> tuple[str, int, int]:
        """Sends one row until it is answered; returns the id, the decision and the failures."""
        row, key = self.day.features.slice(place, 1), str(self.day.keys[place])
        for attempt in range(_MAX_ATTEMPTS):
            request_id = f"day{self.day.number}-{place}-{attempt}"
            try:
                answer = self.client.predict(row, key=key, request_id=request_id)
            except ServingClientError:
                time.sleep(_RETRY_S)
            else:
                return request_id, int(answer["decision"].item()), attempt
        raise StepFailedError(f"A request got no answer in {_MAX_ATTEMPTS} attempts.")
