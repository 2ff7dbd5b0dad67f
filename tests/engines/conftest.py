"""Engines that are started once for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.flink import flink_job_server
from engines.java import missing_programs
from engines.spark import spark_job_server
from engines.use_case_runs import UseCaseRun, portable_args, run_use_case_on
from pipeline.wiring.beam_options import LOCAL_BEAM_ARGS
from tests.engines.use_cases import WRITE


def _skip_without_java() -> None:
    if missing := missing_programs():
        pytest.skip(f"no engine without {' and '.join(missing)}")


@pytest.fixture(scope="session")
def flink() -> Iterator[list[str]]:
    """Beam's options for Flink inside the job server."""
    _skip_without_java()
    with flink_job_server() as endpoint:
        yield portable_args(endpoint, parallelism=2)


@pytest.fixture(scope="session")
def spark() -> Iterator[list[str]]:
    """Beam's options for Spark inside the job server."""
    _skip_without_java()
    with spark_job_server() as endpoint:
        yield portable_args(endpoint)


@pytest.fixture(scope="session", params=list(WRITE))
def in_memory_run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[UseCaseRun, Path]:
    """A use case up to the Evaluator in this process, with its YAML."""
    folder = tmp_path_factory.mktemp(request.param)
    config = WRITE[request.param](folder)
    run = run_use_case_on(
        list(LOCAL_BEAM_ARGS), config, folder / "in_memory", last_step="Evaluator"
    )
    return run, config
