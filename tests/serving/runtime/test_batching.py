"""Concurrent requests in one run, with a runner that records its inputs."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from serving.errors import ServingError, invalid_argument
from serving.runtime.batching import BatchingOptions, BatchingRunner, read_batching_options
from serving.runtime.deadlines import deadline, deadline_at, timed_out

FETCHES = ["y:0"]


class DoublingRunner:
    """y = 2 x; fails on a batch with a 13, and holds every run while `gate` is closed."""

    def __init__(self) -> None:
        self.runs: list[dict[str, np.ndarray]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.num_started = threading.Semaphore(0)

    def run(self, feeds, fetches):
        self.runs.append(dict(feeds))
        self.num_started.release()
        assert self.gate.wait(10)
        x = feeds["x:0"]
        if x.dtype != object and np.any(x == 13):
            raise invalid_argument("no 13")
        return [x * 2 if x.dtype != object else x for _ in fetches]


class ConstantRunner:
    """Returns the same array whatever it is fed."""

    def __init__(self, output) -> None:
        self.output = np.asarray(output)

    def run(self, _feeds, fetches):
        return [self.output for _ in fetches]


def batching(
    runner, *, num_slots: int = 1, num_leaders: int | None = None, **options
) -> BatchingRunner:
    slots, leaders = threading.Semaphore(num_slots), ThreadPoolExecutor(num_leaders or num_slots)
    return BatchingRunner(runner, BatchingOptions(**options), slots, leaders)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(32) as pool:
        yield pool


def hold_runs(pool, runner: DoublingRunner, batched: BatchingRunner) -> Future:
    """Starts the run of a single 0, which does not end before the gate opens."""
    runner.gate.clear()
    future = pool.submit(batched.run, {"x:0": np.array([0.0])}, FETCHES)
    assert runner.num_started.acquire(timeout=10)
    return future


def run_together(pool, runner: DoublingRunner, batched: BatchingRunner, *arrays) -> list[Future]:
    """Runs the arrays, which queue in this order while a single 0 runs."""
    first = hold_runs(pool, runner, batched)
    futures = [batched.submit({"x:0": np.asarray(array)}, FETCHES) for array in arrays]
    runner.gate.set()
    first.result(10)
    return futures


def wait_for_queued(batched: BatchingRunner, num_requests: int) -> None:
    """Waits until so many requests are in batches that are not full and do not run yet."""
    deadline = time.monotonic() + 10
    while sum(len(q._open.tasks) for q in batched._queues.values() if q._open) < num_requests:
        assert time.monotonic() < deadline, "the requests did not queue within 10 s"
        time.sleep(0.001)


def test_requests_that_wait_for_a_thread_run_together_and_get_their_own_rows(pool):
    runner = DoublingRunner()
    batched = batching(runner)
    first = hold_runs(pool, runner, batched)
    feeds = [{"x:0": np.array(x)} for x in ([1.0], [2.0, 3.0], [4.0])]
    futures = [pool.submit(batched.run, feed, FETCHES) for feed in feeds]
    wait_for_queued(batched, 3)
    runner.gate.set()
    assert first.result(10)[0].tolist() == [0.0]
    assert [future.result(10)[0].tolist() for future in futures] == [[2.0], [4.0, 6.0], [8.0]]
    # The first alone; then 1 + 2 + 1 rows in one run.
    assert [len(run["x:0"]) for run in runner.runs] == [1, 4]


def test_requests_that_must_not_wait_share_a_run_too_and_with_those_that_do(pool):
    runner = DoublingRunner()
    batched = batching(runner)
    runner.gate.clear()
    first = batched.submit({"x:0": np.array([0.0])}, FETCHES)
    assert runner.num_started.acquire(timeout=10)
    second = batched.submit({"x:0": np.array([1.0])}, FETCHES)
    third = pool.submit(batched.run, {"x:0": np.array([2.0, 3.0])}, FETCHES)
    wait_for_queued(batched, 2)
    assert not first.done()
    runner.gate.set()
    outputs = [future.result(10)[0].tolist() for future in (first, second, third)]
    assert outputs == [[0.0], [2.0], [4.0, 6.0]]
    assert [len(run["x:0"]) for run in runner.runs] == [1, 3]


def test_a_request_that_does_not_wait_gets_its_own_error():
    runner = DoublingRunner()
    batched = batching(runner)
    with pytest.raises(ServingError, match="no 13"):
        batched.submit({"x:0": np.array([13.0])}, FETCHES).result(10)
    assert batched.submit({"x:0": np.zeros((0, 2))}, FETCHES).result(10)[0].shape == (0, 2)


def test_a_batch_takes_no_more_rows_than_allowed(pool):
    runner = DoublingRunner()
    batched = batching(runner, max_batch_size=3)
    futures = run_together(pool, runner, batched, [1.0], [2.0, 3.0], [4.0])
    assert [future.result(10)[0].tolist() for future in futures] == [[2.0], [4.0, 6.0], [8.0]]
    assert [len(run["x:0"]) for run in runner.runs] == [1, 3, 1]


def test_a_batch_is_filled_up_with_the_first_row_of_the_last_request(pool):
    runner = DoublingRunner()
    batched = batching(runner, max_batch_size=8, allowed_batch_sizes=(1, 4, 8))
    futures = run_together(pool, runner, batched, [1.0], [2.0, 3.0])
    assert [future.result(10)[0].tolist() for future in futures] == [[2.0], [4.0, 6.0]]
    assert runner.runs[1]["x:0"].tolist() == [1.0, 2.0, 3.0, 2.0]


def test_a_lone_request_is_filled_up_too():
    runner = DoublingRunner()
    outputs = batching(runner, max_batch_size=4, allowed_batch_sizes=(4,)).run(
        {"x:0": np.array([[1.0, 2.0]])}, FETCHES
    )
    assert outputs[0].tolist() == [[2.0, 4.0]]
    assert runner.runs[0]["x:0"].tolist() == [[1.0, 2.0]] * 4


def test_a_batch_waits_for_its_time_unless_it_is_full(pool):
    runner = DoublingRunner()
    batched = batching(runner, max_batch_size=2, batch_timeout_micros=10_000_000)
    start = time.monotonic()
    futures = [pool.submit(batched.run, {"x:0": np.array([n])}, FETCHES) for n in (1.0, 2.0)]
    assert sorted(future.result(9)[0].item() for future in futures) == [2.0, 4.0]
    assert time.monotonic() - start < 5
    assert len(runner.runs) == 1


def test_an_unfilled_batch_runs_when_its_time_is_up():
    runner = DoublingRunner()
    start = time.monotonic()
    batching(runner, batch_timeout_micros=50_000).run({"x:0": np.array([1.0])}, FETCHES)
    assert 0.05 <= time.monotonic() - start < 5


def test_a_bad_request_fails_alone(pool):
    runner = DoublingRunner()
    futures = run_together(pool, runner, batching(runner), [1.0], [13.0], [3.0])
    assert futures[0].result(10)[0].tolist() == [2.0]
    assert futures[2].result(10)[0].tolist() == [6.0]
    with pytest.raises(ServingError, match="no 13"):
        futures[1].result(10)
    # All three together in vain, then each alone.
    assert [len(run["x:0"]) for run in runner.runs] == [1, 3, 1, 1, 1]


def test_shapes_that_do_not_fit_run_apart(pool):
    runner = DoublingRunner()
    futures = run_together(pool, runner, batching(runner), [[1.0, 1.0]], [[2.0]])
    assert futures[0].result(10)[0].tolist() == [[2.0, 2.0]]
    assert futures[1].result(10)[0].tolist() == [[4.0]]
    assert [run["x:0"].shape for run in runner.runs] == [(1,), (1, 2), (1, 1)]


def test_types_that_do_not_fit_are_never_converted(pool):
    runner = DoublingRunner()
    big = np.array([2**53 + 1])
    futures = run_together(pool, runner, batching(runner), big, [1.5])
    assert futures[0].result(10)[0].item() == 2 * (2**53 + 1)
    assert [str(run["x:0"].dtype) for run in runner.runs[1:]] == ["int64", "float64"]


def test_shorter_inputs_are_filled_up_with_their_first_element(pool):
    runner = DoublingRunner()
    batched = batching(runner, pad_variable_length_inputs=True)
    run_together(pool, runner, batched, [[7.0]], [[1.0, 2.0, 3.0]])[0].result(10)
    assert runner.runs[1]["x:0"].tolist() == [[7.0, 7.0, 7.0], [1.0, 2.0, 3.0]]


def test_texts_are_merged_as_they_are(pool):
    runner = DoublingRunner()
    texts = [np.array([b"a\0"], object), np.array([b"long\xff"], object)]
    futures = run_together(pool, runner, batching(runner), *texts)
    assert [future.result(10)[0].tolist() for future in futures] == [[b"a\0"], [b"long\xff"]]


def test_other_inputs_or_outputs_are_another_batch(pool):
    runner = DoublingRunner()
    batched = batching(runner)
    one = {"x:0": np.array([1.0])}
    futures = [hold_runs(pool, runner, batched)]
    futures.append(pool.submit(batched.run, one, ["y:0", "z:0"]))
    futures.append(pool.submit(batched.run, {**one, "w:0": np.array([1.0])}, FETCHES))
    wait_for_queued(batched, 2)
    runner.gate.set()
    assert [len(future.result(10)) for future in futures] == [1, 2, 1]
    assert len(runner.runs) == 3


def test_a_full_queue_refuses(pool):
    runner = DoublingRunner()
    batched = batching(runner, max_batch_size=1, max_enqueued_batches=1)
    one = {"x:0": np.array([1.0])}
    running = hold_runs(pool, runner, batched)
    waiting = batched.submit(one, FETCHES)
    with pytest.raises(
        ServingError,
        match="queue to which this task was submitted is full; "
        "currently 1 batches enqueued and max_enqueued_batches is 1",
    ) as caught:
        batched.run(one, FETCHES)
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    runner.gate.set()
    assert [future.result(10)[0].item() for future in (running, waiting)] == [0.0, 2.0]
    assert batched.run(one, FETCHES)[0].item() == 2.0


def test_no_more_batches_run_at_a_time_than_there_are_slots(pool):
    runner = DoublingRunner()
    batched = batching(runner, num_slots=2, max_batch_size=1)
    runner.gate.clear()
    one = {"x:0": np.array([1.0])}
    futures = [pool.submit(batched.run, one, FETCHES) for _ in range(5)]
    assert runner.num_started.acquire(timeout=10)
    assert runner.num_started.acquire(timeout=10)
    assert not runner.num_started.acquire(timeout=0.1)
    runner.gate.set()
    assert all(future.result(10) for future in futures)


def expiring(batched: BatchingRunner, x: float, *, after_s: float) -> Future:
    with deadline_at(time.monotonic() + after_s):
        return batched.submit({"x:0": np.array([x])}, FETCHES)


def test_an_expired_request_is_dropped_and_the_others_of_its_batch_run(pool):
    runner = DoublingRunner()
    batched = batching(runner)
    first = hold_runs(pool, runner, batched)
    expired = expiring(batched, 1.0, after_s=0.05)
    patient = expiring(batched, 2.0, after_s=60)
    time.sleep(0.1)
    runner.gate.set()
    assert first.result(10)[0].tolist() == [0.0]
    assert patient.result(10)[0].tolist() == [4.0]
    assert expired.exception(10).code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert runner.runs[1]["x:0"].tolist() == [2.0]


def test_a_batch_of_expired_requests_does_not_run_and_frees_its_place(pool):
    runner = DoublingRunner()
    batched = batching(runner, max_enqueued_batches=1)
    first = hold_runs(pool, runner, batched)
    errors = [expiring(batched, x, after_s=0.05).exception(10) for x in (1.0, 2.0)]
    # The second found the queue empty again, while the slot was still taken.
    assert {str(error) for error in errors} == {
        "Run() timeout exceeded while waiting in batching queue"
    }
    assert {error.code for error in errors} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    runner.gate.set()
    assert first.result(10)[0].tolist() == [0.0]
    assert len(runner.runs) == 1


def test_a_run_that_never_ends_gives_its_slot_back_once(monkeypatch):
    monkeypatch.setattr("serving.runtime.batching._LOST_S", 0.2)
    runner = DoublingRunner()
    batched = batching(runner, num_leaders=4, max_batch_size=1)
    runner.gate.clear()
    lost = expiring(batched, 1.0, after_s=0.05)
    assert runner.num_started.acquire(timeout=10)
    waiting = batched.submit({"x:0": np.array([2.0])}, FETCHES)
    assert not runner.num_started.acquire(timeout=0.1)  # 0.25 s are not over yet
    assert runner.num_started.acquire(timeout=10)
    runner.gate.set()
    assert [future.result(10)[0].item() for future in (lost, waiting)] == [2.0, 4.0]
    # There is still one slot, although the lost run ended in the end.
    runner.gate.clear()
    futures = [batched.submit({"x:0": np.array([3.0])}, FETCHES) for _ in range(2)]
    assert runner.num_started.acquire(timeout=10)
    assert not runner.num_started.acquire(timeout=0.5)
    runner.gate.set()
    assert all(future.result(10) for future in futures)


def test_a_run_without_a_deadline_keeps_its_slot(monkeypatch):
    monkeypatch.setattr("serving.runtime.batching._LOST_S", 0.05)
    runner = DoublingRunner()
    batched = batching(runner, num_leaders=2, max_batch_size=1)
    runner.gate.clear()
    futures = [batched.submit({"x:0": np.array([1.0])}, FETCHES) for _ in range(2)]
    assert runner.num_started.acquire(timeout=10)
    assert not runner.num_started.acquire(timeout=0.3)
    runner.gate.set()
    assert all(future.result(10) for future in futures)


def test_a_thread_waits_for_a_batch_until_its_deadline(pool):
    runner = DoublingRunner()
    batched = batching(runner)
    first = hold_runs(pool, runner, batched)
    leading = batched.submit({"x:0": np.array([1.0])}, FETCHES)
    with (
        deadline_at(time.monotonic() + 0.05),
        pytest.raises(ServingError, match="Timed out waiting for notification"),
    ):
        batched.run({"x:0": np.array([2.0])}, FETCHES)
    runner.gate.set()
    assert [future.result(10)[0].item() for future in (first, leading)] == [0.0, 2.0]


def test_a_batch_runs_until_the_latest_deadline_of_its_requests(pool):
    class Recording(DoublingRunner):
        def run(self, feeds, fetches):
            self.deadline_s = deadline()
            return super().run(feeds, fetches)

    runner = Recording()
    batched = batching(runner)
    first = hold_runs(pool, runner, batched)
    assert runner.deadline_s == float("inf")
    now_s = time.monotonic()
    both = [expiring(batched, x, after_s=after_s) for x, after_s in ((1.0, 30), (2.0, 60))]
    runner.gate.set()
    assert [future.result(10)[0].item() for future in (first, *both)] == [0.0, 2.0, 4.0]
    assert runner.deadline_s == pytest.approx(now_s + 60, abs=5)


def test_a_run_that_times_out_is_not_repeated_for_each_request(pool):
    class TimingOut(DoublingRunner):
        def run(self, feeds, fetches):
            outputs = super().run(feeds, fetches)
            if len(self.runs) > 1:
                raise timed_out()
            return outputs

    runner = TimingOut()
    futures = run_together(pool, runner, batching(runner), [1.0], [2.0])
    codes = [future.exception(10).code for future in futures]
    assert codes == [grpc.StatusCode.DEADLINE_EXCEEDED] * 2
    assert len(runner.runs) == 2


def test_signatures_fill_their_batches_at_the_same_time():
    # Waits of 0.3 s one after the other would add up to 1.2 s.
    batched = batching(DoublingRunner(), num_leaders=4, batch_timeout_micros=300_000)
    started_s = time.monotonic()
    feeds = {"x:0": np.array([1.0])}
    for future in [batched.submit(feeds, [f"y:{number}"]) for number in range(4)]:
        future.result(10)
    assert 0.3 <= time.monotonic() - started_s < 0.9


def test_requests_that_padding_would_make_huge_run_alone(pool):
    # Padded to 20 million columns, the 2 requests of one row each would take 160 MB.
    runner = DoublingRunner()
    batched = batching(runner, pad_variable_length_inputs=True)
    wide = np.zeros((1, 20_000_000), np.float32)
    futures = run_together(pool, runner, batched, wide, np.ones((1, 1), np.float32))
    assert futures[0].result(10)[0].shape == wide.shape
    assert futures[1].result(10)[0].tolist() == [[2.0]]
    assert [run["x:0"].shape for run in runner.runs[1:]] == [(1, 20_000_000), (1, 1)]


def test_a_row_that_is_too_large_to_be_repeated_is_refused():
    # 63 more rows of 2 MB, 126 MB, against a limit of 64 MiB.
    batched = batching(DoublingRunner(), max_batch_size=64, allowed_batch_sizes=(64,))
    with pytest.raises(ServingError, match="126000000 bytes; the limit is 67108864 bytes"):
        batched.run({"x:0": np.zeros((1, 500_000), np.float32)}, FETCHES)


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({}, "must have at least one input tensor"),
        ({"x:0": np.array(1.0)}, "must have at least one dimension"),
        ({"x:0": np.zeros(1), "w:0": np.zeros(2)}, "must have equal 0th-dimension size"),
        ({"x:0": np.zeros(4)}, "Task size 4 is larger than maximum input batch size 3"),
    ],
)
def test_requests_that_cannot_be_batched_are_refused(feeds, message):
    with pytest.raises(ServingError, match=message) as caught:
        batching(DoublingRunner(), max_batch_size=3).run(feeds, FETCHES)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (1.0, "Batched output tensor has 0 dimensions"),
        ([1.0], "0th dimension does not equal the sum of the 0th dimension sizes"),
    ],
)
def test_outputs_that_cannot_be_divided_are_an_error(output, message):
    with pytest.raises(ServingError, match=message) as caught:
        batching(ConstantRunner(output)).run({"x:0": np.zeros(2)}, FETCHES)
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION


def test_no_rows_are_run_as_they_are():
    runner = DoublingRunner()
    batched = batching(runner, max_batch_size=4, allowed_batch_sizes=(4,))
    assert batched.run({"x:0": np.zeros((0, 2))}, FETCHES)[0].shape == (0, 2)


def test_many_threads_each_get_their_own_answer(pool):
    batched = batching(DoublingRunner(), num_slots=2, max_batch_size=8, max_enqueued_batches=1000)

    def ask(number: int) -> float:
        return batched.run({"x:0": np.array([float(number)])}, FETCHES)[0].item()

    numbers = [n for n in range(2000) if n != 13]
    assert list(pool.map(ask, numbers)) == [2.0 * number for number in numbers]


def test_the_deployed_file_is_understood(project):
    options = read_batching_options(str(project / "serving" / "deploy" / "batching.config"))
    assert options == BatchingOptions(
        max_batch_size=64,
        batch_timeout_micros=0,
        max_enqueued_batches=1000,
        num_batch_threads=1,
        allowed_batch_sizes=(1, 2, 4, 8, 16, 32, 64),
    )


def test_without_a_file_the_defaults_are_those_of_tensorflow_serving():
    options = read_batching_options("")
    assert (options.max_batch_size, options.batch_timeout_micros) == (1000, 0)
    assert options.max_enqueued_batches == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("allowed_batch_sizes: 8", "last entry was 8; expected 1000"),
        (
            "max_batch_size { value: 4 } allowed_batch_sizes: [4, 2, 4]",
            "must be monotonically increasing",
        ),
        ("num_batch_threads { value: 0 }", "num_batch_threads must be positive; was 0"),
        ("batch_timeout_micros { value: -1 }", "must be non-negative; was -1"),
        ("max_batch: 4", "Invalid protobuf file"),
    ],
)
def test_a_wrong_batching_file_is_refused(tmp_path, text, message):
    file = tmp_path / "batching.config"
    file.write_text(text)
    with pytest.raises(ServingError, match=message):
        read_batching_options(str(file))


def test_a_request_of_more_rows_than_a_batch_is_split_with_the_setting():
    runner = DoublingRunner()
    options = {"enable_large_batch_splitting": True, "max_execution_batch_size": 2}
    batched = batching(runner, max_batch_size=5, **options)
    x = np.arange(5.0)
    assert batched.run({"x:0": x}, FETCHES)[0].tolist() == [0, 2, 4, 6, 8]
    assert batched.submit({"x:0": x}, FETCHES).result(10)[0].tolist() == [0, 2, 4, 6, 8]
    # Twice 5 rows, as 2 + 2 + 1.
    assert sorted(len(run["x:0"]) for run in runner.runs) == [1, 1, 2, 2, 2, 2]
    with pytest.raises(ServingError, match="Task size 6 is larger than maximum input batch size 5"):
        batched.run({"x:0": np.arange(6.0)}, FETCHES)


def test_a_request_that_is_split_fails_as_a_whole():
    options = {"enable_large_batch_splitting": True, "max_execution_batch_size": 2}
    batched = batching(DoublingRunner(), max_batch_size=5, **options)
    with pytest.raises(ServingError, match="no 13"):
        batched.run({"x:0": np.array([1.0, 2.0, 13.0])}, FETCHES)


def test_each_batch_is_reported_with_its_requests_and_its_padding(pool):
    runner, reports = DoublingRunner(), []
    options = BatchingOptions(max_batch_size=4, allowed_batch_sizes=(1, 4), thread_pool_name="p")
    with ThreadPoolExecutor(1) as leaders:
        slots = threading.Semaphore(1)
        batched = BatchingRunner(
            runner, options, slots, leaders, lambda *report: reports.append(report)
        )
        run_together(pool, runner, batched, [1.0], [2.0, 3.0])
    [alone, together] = reports
    assert (alone[0], alone[1], alone[3]) == ("p", [1], 1)
    # 1 + 2 rows, and one of padding.
    assert (together[0], together[1], together[3]) == ("p", [1, 2], 4)
    assert all(wait_s >= 0 for wait_s in together[2])
    assert len(together[2]) == 2


def test_every_field_of_a_batching_file_is_read(tmp_path):
    file = tmp_path / "batching.config"
    file.write_text(
        "max_batch_size { value: 64 } batch_timeout_micros { value: 5 } "
        "max_enqueued_batches { value: 7 } num_batch_threads { value: 3 } "
        'thread_pool_name { value: "pool" } allowed_batch_sizes: 8 allowed_batch_sizes: 32 '
        "pad_variable_length_inputs: true enable_large_batch_splitting { value: true } "
        "max_execution_batch_size { value: 32 }"
    )
    assert read_batching_options(str(file)) == BatchingOptions(
        max_batch_size=64,
        batch_timeout_micros=5,
        max_enqueued_batches=7,
        num_batch_threads=3,
        thread_pool_name="pool",
        allowed_batch_sizes=(8, 32),
        pad_variable_length_inputs=True,
        enable_large_batch_splitting=True,
        max_execution_batch_size=32,
    )


def test_without_splitting_a_batch_has_the_size_of_the_largest_request():
    options = BatchingOptions(max_batch_size=64, max_execution_batch_size=32)
    assert options.batch_limit == 64
    with pytest.raises(ServingError, match="max_execution_batch_size must be positive and at most"):
        BatchingOptions(max_batch_size=64, max_execution_batch_size=65)
