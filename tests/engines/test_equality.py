"""The same use case on each engine: the same rows, statistics, vocabularies, values, metrics.

The taxi trips come in several files, so that there is something to spread and to merge.
"""

import pytest

from engines.contents import find_differences
from engines.use_case_runs import run_use_case_on

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.engines,
    # What TFMA's reader says of TensorFlow's old record iterator.
    pytest.mark.filterwarnings("ignore:tf_record_iterator"),
    # Beam's worker threads end with an error when a finished job hangs up on them.
    pytest.mark.filterwarnings("ignore:Exception in thread (run_worker_|read_grpc_client_inputs)"),
]

EQUAL = {
    "splits": [],
    "statistics": [],
    "vocabularies": [],
    "transformed values": [],
    "metrics": [],
}


@pytest.mark.parametrize("engine", ["flink", "spark"])
def test_an_engine_makes_what_this_process_makes(engine, in_memory_run, request, tmp_path):
    expected, config = in_memory_run
    beam_args = request.getfixturevalue(engine)

    run = run_use_case_on(beam_args, config, tmp_path / engine, last_step="Evaluator")

    assert find_differences(expected, run) == EQUAL
