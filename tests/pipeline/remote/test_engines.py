import pytest

from pipeline.config import Beam
from pipeline.remote.engines import EngineOptions, combine_options
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS

LOCAL = Beam()


def test_the_short_form_stands_for_a_job_server_with_workers_in_this_process():
    options = combine_options("flink", LOCAL, [])

    assert options.runner == "PortableRunner"
    assert options.endpoint == "localhost:8099"
    assert options.shares_files
    assert not options.is_local


def test_without_anything_the_work_stays_in_this_process():
    options = combine_options(None, LOCAL, [])

    assert options.args == LOCAL_BEAM_ARGS
    assert options.is_local
    assert options.endpoint is None


def test_the_command_line_wins_over_the_config_and_that_over_the_short_form():
    config = Beam(engine="spark", options={"job_endpoint": "spark:1", "parallelism": 4})

    by_config = combine_options(None, config, []).values
    by_hand = combine_options(None, config, ["--job_endpoint", "other:2"]).values

    assert (by_config["job_endpoint"], by_config["parallelism"]) == ("spark:1", "4")
    assert by_hand["job_endpoint"] == "other:2"
    assert by_hand["environment_type"] == "LOOPBACK"


def test_the_configs_options_are_for_its_own_engine():
    config = Beam(engine="spark", options={"job_endpoint": "spark:1"})

    assert combine_options("flink", config, []).endpoint == "localhost:8099"


def test_a_runner_on_the_command_line_stands_alone():
    given = ["--runner=FlinkRunner", "--flink_master=cluster:8081"]

    options = combine_options(None, Beam(engine="spark", options={"parallelism": 4}), given)

    assert options.args == tuple(given)
    assert options.endpoint == "cluster:8081"


@pytest.mark.parametrize(
    ("args", "shares"),
    [
        (("--runner=DataflowRunner",), False),
        (("--runner=PortableRunner", "--job_endpoint=localhost:1"), False),
        (("--runner=PortableRunner", "--job_endpoint=embed"), True),
        (("--runner=PortableRunner", "--job_endpoint=h:1", "--environment_type=LOOPBACK"), True),
        (("--runner=PortableRunner", "--job_endpoint=h:1", "--environment_type=PROCESS"), False),
        (("--runner=PortableRunner", "--job_endpoint=[::1]:1", "--environment_type=PROCESS"), True),
        (("--runner=SparkRunner", "--spark_master_url=local[2]"), False),
    ],
)
def test_which_workers_see_this_machines_files(args, shares):
    assert EngineOptions(args).shares_files is shares


def test_a_flag_without_value_is_true():
    assert EngineOptions(("--streaming", "--region=x=y")).values == {
        "streaming": "true",
        "region": "x=y",
    }
