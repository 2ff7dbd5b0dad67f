"""Recordings assembled by the workers of an engine: the same files, byte for byte."""

from pathlib import Path

import pytest

from pipeline.config_loading import load_config
from pipeline.reading.ingest_spec import nominal_rates
from pipeline.reading.recordings.assembling import Assembled, Target, assemble
from pipeline.reading.recordings.raw import tables
from tests.engines.recording_files import write_array_files, write_scope_files
from tests.engines.use_cases import write_long_table, write_streams

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.engines,
    # Beam's worker threads end with an error when a finished job hangs up on them.
    pytest.mark.filterwarnings("ignore:Exception in thread (run_worker_|read_grpc_client_inputs)"),
]


@pytest.mark.parametrize(
    "write", [write_streams, write_long_table, write_array_files, write_scope_files]
)
@pytest.mark.parametrize("engine", ["flink", "spark"])
def test_an_engine_assembles_the_files_that_this_process_does(
    engine, write, request, tmp_path, monkeypatch
):
    monkeypatch.setattr(tables, "_RANGE_BYTES", 40_000)
    config = write(tmp_path)
    here = _assemble(config, tmp_path / "here")
    there = _assemble(config, tmp_path / engine, request.getfixturevalue(engine))
    assert len(here.files) > 3
    assert [Path(file).read_bytes() for file in there.files] == [
        Path(file).read_bytes() for file in here.files
    ]
    assert (there.bad, there.notes, there.table) == (here.bad, here.notes, here.table)


def _assemble(path: Path, folder: Path, beam_args: list[str] | None = None) -> Assembled:
    config = load_config(path)
    return assemble(
        config.data.path or "",
        config.data,
        label=config.label,
        folder=config.folder,
        target=Target(folder=folder, beam_args=beam_args, part_bytes=10_000),
        rates=nominal_rates(config),
    )
