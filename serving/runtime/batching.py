"""Batching of concurrent requests into one run, like TensorFlow Serving's BatchingSession.

The request that opens a batch leads it: it waits until the batch is full or its time is up, and
until fewer than `num_batch_threads` batches run; then it runs the batch and wakes the others. A
batch of one request changes no thread. For requests that must not wait (`submit`, for an event
loop), a thread of a pool leads.

Unlike in TensorFlow Serving, a failed run of several requests is repeated for each of them alone,
so that one bad request does not fail the others.
"""

import contextvars
import itertools
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, fields
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.errors import ServingError, failed_precondition, invalid_argument
from serving.protos.config_files import BatchingParameters
from serving.protos.text_files import read_text_proto
from serving.runtime.deadlines import (
    deadline,
    deadline_at,
    lock_timeout,
    remaining_s,
    timed_out,
)
from serving.runtime.runner import Runner
from serving.runtime.tensor_protos import true_bytes

# Padding makes a batch larger than its requests; beyond this they run one by one.
_MAX_PADDING_BYTES = 2**26
# TensorFlow can lose the end of a run. One that is so late gives its slot back.
_LOST_S = 10.0

Feeds = Mapping[str, NDArray[Any]]
Outputs = list[NDArray[Any]]
# Called for each batch with the name of the pool, the rows and the wait of each request, and the
# rows of the batch.
ObserveBatch = Callable[[str, Sequence[int], Sequence[float], int], None]


@dataclass(frozen=True, kw_only=True)
class BatchingOptions:
    """Settings of the batching, named as in the batching file.

    Attributes:
        max_batch_size: Maximum number of rows in a request, and in a batch unless large requests
            are split, > 0.
        batch_timeout_micros: Microseconds that a batch waits to fill up, >= 0.
        max_enqueued_batches: Maximum number of waiting batches, > 0; beyond it, requests fail with
            UNAVAILABLE.
        num_batch_threads: Maximum number of batches of one version that run at a time, > 0.
        allowed_batch_sizes: Increasing sizes to which batches are padded by repeating a row; the
            last is `batch_limit`. Empty for no padding.
        pad_variable_length_inputs: Whether shorter inputs are padded to the longest of the batch.
        enable_large_batch_splitting: Whether a request of more than `max_execution_batch_size`
            rows runs in several batches.
        max_execution_batch_size: Maximum number of rows in a batch if large requests are split;
            0 is `max_batch_size`.
        thread_pool_name: Label of the metrics.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0
    thread_pool_name: str = "batch_threads"

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads"):
            if getattr(self, name) < 1:
                raise invalid_argument(f"{name} must be positive; was {getattr(self, name)}")
        if self.batch_timeout_micros < 0:
            raise invalid_argument(
                f"batch_timeout_micros must be non-negative; was {self.batch_timeout_micros}"
            )
        if not 0 <= self.max_execution_batch_size <= self.max_batch_size:
            raise invalid_argument(
                "max_execution_batch_size must be positive and at most max_batch_size, "
                f"{self.max_batch_size}; was {self.max_execution_batch_size}"
            )
        sizes = self.allowed_batch_sizes
        if any(low >= high for low, high in itertools.pairwise(sizes)):
            raise invalid_argument("allowed_batch_sizes entries must be monotonically increasing")
        if sizes and sizes[-1] != self.batch_limit:
            raise invalid_argument(
                "Last entry in allowed_batch_sizes must match max_batch_size; last entry was "
                f"{sizes[-1]}; expected {self.batch_limit}"
            )

    @property
    def batch_limit(self) -> int:
        """Maximum number of rows in a batch."""
        splits = self.enable_large_batch_splitting and self.max_execution_batch_size
        return self.max_execution_batch_size if splits else self.max_batch_size

    def padded_size(self, size: int) -> int:
        """Returns the number of rows of a batch of `size` rows after padding."""
        return next((allowed for allowed in self.allowed_batch_sizes if allowed >= size), size)


def read_batching_options(file: str) -> BatchingOptions:
    """Returns the options in a batching file, with defaults for the rest; "" is no file.

    Raises:
        ServingError: The file is missing, cannot be parsed, or contradicts itself.
    """
    if not file:
        return BatchingOptions()
    parameters: Any = read_text_proto(file, BatchingParameters)
    plain = {"allowed_batch_sizes", "pad_variable_length_inputs"}
    values: dict[str, Any] = {
        option.name: getattr(parameters, option.name).value
        for option in fields(BatchingOptions)
        if option.name not in plain and parameters.HasField(option.name)
    }
    return BatchingOptions(
        **values,
        allowed_batch_sizes=tuple(parameters.allowed_batch_sizes),
        pad_variable_length_inputs=parameters.pad_variable_length_inputs,
    )


class _Task:
    """One request: its feeds, and its outputs or error once it is finished."""

    __slots__ = ("arrived_s", "deadline_s", "done", "error", "feeds", "future", "outputs", "size")

    def __init__(self, feeds: Feeds, size: int, future: "Future[Outputs] | None" = None) -> None:
        self.feeds = feeds
        self.size = size
        self.arrived_s = time.perf_counter()
        self.deadline_s = deadline()
        self.outputs: Outputs | None = None
        self.error: ServingError | None = None
        self.future = future
        self.done = threading.Lock()
        self.done.acquire()

    def is_expired(self) -> bool:
        """Returns whether nobody waits for the request any more."""
        return self.deadline_s < time.monotonic()

    def finish(self) -> None:
        """Wakes the thread or the future that waits for the request."""
        if self.future is None:
            self.done.release()
        elif self.outputs is not None:
            self.future.set_result(self.outputs)
        else:
            self.future.set_exception(self.error)


class _Batch:
    """Requests that will run together; `full` is released once no more can join."""

    __slots__ = ("full", "size", "tasks")

    def __init__(self) -> None:
        self.tasks: list[_Task] = []
        self.size = 0
        self.full = threading.Lock()
        self.full.acquire()


class _Queue:
    """The waiting batches of one signature; only the last one accepts more rows."""

    def __init__(self, options: BatchingOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._open: _Batch | None = None
        self._num_waiting = 0

    def add(self, task: _Task) -> _Batch | None:
        """Adds a request to a batch; returns the batch if the request opened it."""
        with self._lock:
            opened = None
            batch = self._open
            if batch is None or batch.size + task.size > self._options.batch_limit:
                batch = opened = self._open_next()
            batch.tasks.append(task)
            batch.size += task.size
            if batch.size == self._options.batch_limit:
                batch.full.release()
                self._open = None
            return opened

    def take(self, batch: _Batch) -> None:
        """Closes a batch that is about to run."""
        with self._lock:
            self._num_waiting -= 1
            if self._open is batch:
                self._open = None

    def close_if_expired(self, batch: _Batch) -> bool:
        """Closes a batch whose requests are all past their deadlines; returns whether it is."""
        with self._lock:
            is_expired = all(task.is_expired() for task in batch.tasks)
            if is_expired:
                self._num_waiting -= 1
                if self._open is batch:
                    self._open = None
            return is_expired

    def _open_next(self) -> _Batch:
        limit = self._options.max_enqueued_batches
        if self._num_waiting >= limit:
            raise ServingError(
                grpc.StatusCode.UNAVAILABLE,
                "The batch scheduling queue to which this task was submitted is full; currently "
                f"{self._num_waiting} batches enqueued and max_enqueued_batches is {limit}",
            )
        if self._open is not None:
            self._open.full.release()
        self._open = _Batch()
        self._num_waiting += 1
        return self._open


class BatchingRunner:
    """Runs a graph for several callers in one batch."""

    def __init__(
        self,
        runner: Runner,
        options: BatchingOptions,
        slots: threading.Semaphore,
        leaders: Executor,
        observe: ObserveBatch = lambda _pool, _sizes, _waits_s, _processed_size: None,
    ) -> None:
        """Wraps a runner.

        Args:
            runner: Runs the graph for one batch.
            options: Settings of the batching.
            slots: One slot per batch that may run at a time. No other model shares them: it
                would have to wait for the runs of this one.
            leaders: Threads that lead the batches of `submit`, for the same reason its own.
            observe: Called for each batch that is about to run.
        """
        self._runner = runner
        self._options = options
        self._slots = slots
        self._leaders = leaders
        self._observe = observe
        self._timeout_s = options.batch_timeout_micros / 1e6
        self._queues: dict[tuple[frozenset[str], tuple[str, ...]], _Queue] = {}
        self._numbers = itertools.count()
        self._slot_ends_s: dict[int, float] = {}  # when each batch that runs counts as lost

    def run(self, feeds: Feeds, fetches: Sequence[str]) -> Outputs:
        """Runs the graph together with concurrent calls for the same inputs and outputs.

        Raises:
            ServingError: The request cannot be batched, the queue is full, or the run failed.
        """
        size = self._checked_size(feeds)
        if size == 0:  # there is no row to pad a batch with
            return self._runner.run(feeds, fetches)
        if size > self._options.batch_limit:
            return self._wait(self.submit(feeds, fetches))
        task = _Task(feeds, size)
        queue = self._queue(feeds, fetches)
        batch = queue.add(task)
        if batch is not None:
            self._lead(queue, batch, fetches)
        elif not task.done.acquire(timeout=lock_timeout(remaining_s())):
            raise timed_out()
        if task.outputs is None:
            raise task.error or RuntimeError("a batch ended without outputs and without error")
        return task.outputs

    def submit(self, feeds: Feeds, fetches: Sequence[str]) -> "Future[Outputs]":
        """Like `run`, but returns a future of the outputs or the ServingError.

        Raises:
            ServingError: The request cannot be batched, or the queue is full.
        """
        size = self._checked_size(feeds)
        if size == 0:
            context = contextvars.copy_context()  # with the deadline
            return self._leaders.submit(context.run, self._runner.run, feeds, fetches)
        if size > (limit := self._options.batch_limit):
            parts = [
                {name: array[start : start + limit] for name, array in feeds.items()}
                for start in range(0, size, limit)
            ]
            return _joined([self.submit(part, fetches) for part in parts])
        future: Future[Outputs] = Future()
        queue = self._queue(feeds, fetches)
        batch = queue.add(_Task(feeds, size, future))
        if batch is not None:
            self._leaders.submit(self._lead, queue, batch, fetches)
        return future

    def close(self) -> None:
        """Ends the threads; call it while no run is in progress."""
        self._leaders.shutdown(wait=False)

    @staticmethod
    def _wait(future: "Future[Outputs]") -> Outputs:
        timeout_s = remaining_s()
        try:
            return future.result(None if timeout_s == math.inf else timeout_s)
        except TimeoutError as error:
            raise timed_out() from error

    def _checked_size(self, feeds: Feeds) -> int:
        size = _num_rows(feeds)
        if size > self._options.max_batch_size:
            raise invalid_argument(
                f"Task size {size} is larger than maximum input batch size "
                f"{self._options.max_batch_size}"
            )
        return size

    def _queue(self, feeds: Feeds, fetches: Sequence[str]) -> _Queue:
        key = (frozenset(feeds), tuple(fetches))
        queue = self._queues.get(key)
        return queue or self._queues.setdefault(key, _Queue(self._options))

    def _lead(self, queue: _Queue, batch: _Batch, fetches: Sequence[str]) -> None:
        if self._timeout_s:
            batch.full.acquire(timeout=self._timeout_s)
        try:
            if self._has_slot(queue, batch):
                number = next(self._numbers)
                self._slot_ends_s[number] = _last_deadline_s(batch.tasks) + _LOST_S
                try:
                    if live := _drop_expired(batch.tasks):
                        self._run_batch(live, fetches)
                finally:
                    self._release_slot(number)
        finally:
            for task in batch.tasks:
                if task.outputs is None and task.error is None:
                    task.error = ServingError(grpc.StatusCode.INTERNAL, "The batch was lost")
                task.finish()

    def _has_slot(self, queue: _Queue, batch: _Batch) -> bool:
        """Waits for a slot; returns False once all requests are past their deadlines."""
        while not self._slots.acquire(timeout=min(_LOST_S, _seconds_left(batch.tasks))):
            self._release_slots_of_lost_runs()
            if queue.close_if_expired(batch):
                break
        else:
            queue.take(batch)
            if not all(task.is_expired() for task in batch.tasks):
                return True
            self._slots.release()
        for task in batch.tasks:
            task.error = ServingError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "Run() timeout exceeded while waiting in batching queue",
            )
        return False

    def _release_slot(self, number: int) -> None:
        if self._slot_ends_s.pop(number, None) is not None:
            self._slots.release()

    def _release_slots_of_lost_runs(self) -> None:
        now_s = time.monotonic()
        for number, end_s in tuple(self._slot_ends_s.items()):
            if end_s < now_s:
                self._release_slot(number)

    def _run_batch(self, tasks: Sequence[_Task], fetches: Sequence[str]) -> None:
        try:
            with deadline_at(_last_deadline_s(tasks)):
                self._run_together(tasks, fetches)
        except ServingError as error:
            if len(tasks) == 1 or error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
                for task in tasks:
                    task.error = error
                return
            for task in tasks:
                if _drop_expired([task]):
                    self._run_batch([task], fetches)

    def _run_together(self, tasks: Sequence[_Task], fetches: Sequence[str]) -> None:
        size = sum(task.size for task in tasks)
        padded = self._options.padded_size(size)
        merged = {
            name: self._merge(name, [task.feeds[name] for task in tasks], padded - size)
            for name in tasks[0].feeds
        }
        now_s = time.perf_counter()
        waits_s = [now_s - task.arrived_s for task in tasks]
        sizes = [task.size for task in tasks]
        self._observe(self._options.thread_pool_name, sizes, waits_s, padded)
        outputs = self._runner.run(merged, fetches)
        for output in outputs:
            _check_output(output, padded)
        start = 0
        for task in tasks:
            end = start + task.size
            task.outputs = [output[start:end] for output in outputs]
            start = end

    def _merge(self, name: str, arrays: list[NDArray[Any]], padding: int) -> NDArray[Any]:
        if len(arrays) > 1:
            if self._options.pad_variable_length_inputs:
                arrays = _pad_to_longest(arrays)
            _check_mergeable(name, arrays)
        elif not padding:
            return arrays[0]
        if padding:
            row = arrays[-1][:1]
            _check_padding(padding * true_bytes(row))
            arrays.append(np.broadcast_to(row, (padding, *row.shape[1:])))
        return np.concatenate(arrays)


def _joined(parts: "Sequence[Future[Outputs]]") -> "Future[Outputs]":
    """Returns a future of the concatenated outputs of several, or of the first error."""
    joined: Future[Outputs] = Future()
    countdown = itertools.count(len(parts) - 1, -1)  # `next` is atomic

    def end(_: "Future[Outputs]") -> None:
        if next(countdown):
            return
        failures = [error for part in parts if (error := part.exception()) is not None]
        if failures:
            joined.set_exception(failures[0])
        else:
            outputs = zip(*(part.result() for part in parts), strict=True)
            joined.set_result([np.concatenate(arrays) for arrays in outputs])

    for part in parts:
        part.add_done_callback(end)
    return joined


def _last_deadline_s(tasks: Sequence[_Task]) -> float:
    # A copy: requests may join while the batch waits.
    return max(task.deadline_s for task in tuple(tasks))


def _seconds_left(tasks: Sequence[_Task]) -> float:
    return max(0.0, _last_deadline_s(tasks) - time.monotonic())


def _drop_expired(tasks: Sequence[_Task]) -> list[_Task]:
    """Returns the requests that somebody waits for; the others get their error."""
    live = []
    for task in tasks:
        if task.is_expired():
            task.error = timed_out()
        else:
            live.append(task)
    return live


def _num_rows(feeds: Feeds) -> int:
    if not feeds:
        raise invalid_argument("Batching Run() must have at least one input tensor")
    sizes = set()
    for array in feeds.values():
        if array.ndim == 0:
            raise invalid_argument("Batching Run() input tensors must have at least one dimension")
        sizes.add(array.shape[0])
    if len(sizes) > 1:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    return int(sizes.pop())


def _check_mergeable(name: str, arrays: Sequence[NDArray[Any]]) -> None:
    first = arrays[0]
    for other in arrays[1:]:
        if other.dtype != first.dtype and not other.dtype.kind == first.dtype.kind == "S":
            raise ServingError(
                grpc.StatusCode.INTERNAL,
                f"Tensor concat operation failed: {name} is {first.dtype} and {other.dtype}",
            )
        if other.shape[1:] != first.shape[1:]:
            raise failed_precondition(
                f"Tensors with name '{name}' from different tasks have different shapes and "
                "padding is turned off.Set pad_variable_length_inputs to true, or ensure that "
                "all tensors with the same namehave equal dimensions starting with the first dim."
            )


def _pad_to_longest(arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    if len({array.ndim for array in arrays}) > 1:
        return list(arrays)
    longest = np.max([array.shape[1:] for array in arrays], axis=0)
    num_rows, row_size = sum(map(len, arrays)), math.prod(longest.tolist())
    added = num_rows * row_size - sum(array.size for array in arrays)
    _check_padding(added * max(map(_filler_bytes, arrays)))
    return [_pad(array, tuple(longest)) for array in arrays]


def _pad(array: NDArray[Any], inner: tuple[int, ...]) -> NDArray[Any]:
    """Pads with the first element of the array, which is certainly a valid value."""
    if array.shape[1:] == inner:
        return array
    filler = array.flat[0] if array.size else np.zeros((), array.dtype)[()]
    padded: NDArray[Any] = np.full((len(array), *inner), filler, array.dtype)
    padded[tuple(slice(size) for size in array.shape)] = array
    return padded


def _filler_bytes(array: NDArray[Any]) -> int:
    return true_bytes(array.flat[:1]) if array.size else array.itemsize


def _check_padding(num_bytes: int) -> None:
    if num_bytes > _MAX_PADDING_BYTES:
        raise ServingError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"The padding of a batch would take {num_bytes} bytes; the limit is "
            f"{_MAX_PADDING_BYTES} bytes",
        )


def _check_output(output: NDArray[Any], size: int) -> None:
    if output.ndim == 0:
        raise failed_precondition("Batched output tensor has 0 dimensions")
    if output.shape[0] != size:
        raise failed_precondition(
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension "
            "sizes of the input tensors"
        )
