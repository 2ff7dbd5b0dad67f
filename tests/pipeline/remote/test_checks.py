import socket
import time

import pytest

from common.errors import InputError
from pipeline.remote.checks import check_endpoint, find_problems
from pipeline.remote.engines import EngineOptions

DATAFLOW = (
    "--runner=DataflowRunner",
    "--project=my-project",
    "--region=europe-west1",
    "--temp_location=gs://my-bucket/tmp",
    "--sdk_container_image=registry/faultline:1",
)
JOB_SERVER = ("--runner=PortableRunner", "--job_endpoint=localhost:8099")
BUCKET = {"data": "gs://my-bucket/data", "artifacts": "gs://my-bucket/artifacts"}


def _without(name):
    return tuple(arg for arg in DATAFLOW if not arg.startswith(f"--{name}="))


@pytest.mark.tensorflow
def test_whole_options_have_no_problem():
    assert find_problems(EngineOptions(DATAFLOW), **BUCKET) == []
    loopback = EngineOptions((*JOB_SERVER, "--environment_type=LOOPBACK", "--parallelism=2"))
    assert find_problems(loopback, data="data.csv", artifacts="output") == []


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((*DATAFLOW, "--machin_type=n1"), "no option --machin_type. Did you mean --machine_type?"),
        ((*JOB_SERVER, "--paralelism=2", "--environment_type=LOOPBACK"), "--parallelism?"),
        ((*DATAFLOW, "project"), "`project` is not an option"),
        (_without("project"), "needs --project"),
        (_without("region"), "needs --region"),
        (_without("temp_location"), "needs --temp_location"),
        ((*DATAFLOW, "--temp_location=/tmp"), "--temp_location=/tmp is not a bucket"),
        (_without("sdk_container_image"), "need an image"),
        (JOB_SERVER, "need an image"),
        (("--runner=PortableRunner", "--environment_type=LOOPBACK"), "needs --job_endpoint"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(args, words):
    [problem] = find_problems(EngineOptions(args), **BUCKET)

    assert words in problem


@pytest.mark.tensorflow
@pytest.mark.parametrize("what", ["data", "artifacts"])
def test_local_paths_are_out_of_reach_of_other_machines(what):
    [problem] = find_problems(EngineOptions(DATAFLOW), **(BUCKET | {what: "/home/me/x"}))

    assert "/home/me/x cannot be reached" in problem
    assert what in problem


def test_an_endpoint_where_nothing_listens_is_told_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but it does not listen
        address = f"localhost:{taken.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(InputError, match=f"Nothing answers at {address}"):
            check_endpoint(EngineOptions(("--runner=PortableRunner", f"--job_endpoint={address}")))

    assert time.monotonic() - started < 5


def test_an_endpoint_that_listens_is_well():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        check_endpoint(EngineOptions(("--runner=FlinkRunner", f"--flink_master={address}")))


def test_an_endpoint_needs_a_port():
    with pytest.raises(InputError, match="`cluster` is not HOST:PORT"):
        check_endpoint(EngineOptions(("--runner=FlinkRunner", "--flink_master=cluster")))
