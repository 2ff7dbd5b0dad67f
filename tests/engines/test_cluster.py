"""Flink's standalone cluster: the same result, also when a TaskManager is killed on the way."""

import threading
import time

import pytest

from engines.contents import find_differences
from engines.flink import flink_cluster, flink_job_server
from engines.java import missing_programs
from engines.use_case_runs import portable_args, run_use_case_on
from engines.worker import process_environment
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
from tests.engines.use_cases import WRITE

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.engines,
    # Beam's worker threads end with an error when a job or a TaskManager hangs up on them.
    pytest.mark.filterwarnings(
        "ignore:Exception in thread (run_worker_|read_grpc_client_inputs|read_state)"
    ),
]

_EQUAL = {"splits": [], "statistics": [], "vocabularies": [], "transformed values": []}
_WAIT_S = 120


@pytest.fixture(scope="module")
def cluster():
    """One JobManager and two TaskManagers."""
    if missing := missing_programs():
        pytest.skip(f"no engine without {' and '.join(missing)}")
    with flink_cluster() as started:
        yield started


@pytest.fixture(scope="module")
def beam_args(cluster, tmp_path_factory):
    """Beam's options for the cluster, on both of its slots, each with a worker of its own."""
    workers = process_environment(tmp_path_factory.mktemp("worker"))
    with flink_job_server(master=cluster.master) as endpoint:
        yield portable_args(endpoint, parallelism=2, workers=workers)


@pytest.mark.parametrize("use_case", ["signals", "taxi"])
def test_a_killed_task_manager_changes_no_result(use_case, cluster, beam_args, tmp_path):
    config = WRITE[use_case](tmp_path)
    expected = run_use_case_on(
        list(LOCAL_BEAM_ARGS), config, tmp_path / "in_memory", last_step="Transform"
    )
    killed = []

    def kill_in_transform(step):
        if step == "Transform":
            before = {job["jid"] for job in jobs(cluster)}
            threading.Thread(target=kill_one, args=(cluster, before, killed), daemon=True).start()

    run = run_use_case_on(
        beam_args,
        config,
        tmp_path / "cluster",
        last_step="Transform",
        on_start=kill_in_transform,
    )

    # Flink started the job again, or the step was tried again.
    assert len(killed) == 1
    assert find_differences(expected, run) == _EQUAL


def kill_one(cluster, before, killed):
    """Kills the newest TaskManager as soon as a new job runs on it, and starts another."""
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline:
        running = [
            job["jid"]
            for job in jobs(cluster)
            if job["jid"] not in before and job["tasks"]["running"] == 2
        ]
        if running:
            cluster.task_managers[-1].kill()
            cluster.start_task_manager()  # as Kubernetes would
            killed.append(running[0])
            return
        time.sleep(0.1)


def jobs(cluster):
    """What the JobManager knows of all jobs."""
    return cluster.ask("/jobs/overview")["jobs"]
