"""The beginning of a run in separate steps, on real data."""

import json
import shutil

import pytest

from common.errors import InputError
from pipeline.running.stepping.begin import RunRequest, begin_run
from pipeline.running.stepping.files import StepFiles
from pipeline.running.stepping.graph import StepGraph
from pipeline.running.stepping.overrides import Overrides
from tests.e2e.harness import CONFIG, wells_csv, write_wells

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def begin(tmp_path):
    """Begins a run; returns its files."""
    config_path = write_wells(tmp_path, wells_csv(40))

    def begun(run_id, *, seed=None, steps=""):
        overrides = Overrides(seed=seed)
        request = RunRequest(
            config_path=config_path, run_id=run_id, overrides=overrides, steps=steps
        )
        assert begin_run(request, tmp_path / "output") == 0
        return StepFiles(tmp_path / "output" / "runs" / run_id)

    return begun


def test_a_run_may_begin_twice_and_another_after_it(begin, capfd):
    first = begin("first")
    content = first.pipeline.read_bytes()
    begin("first")
    assert first.pipeline.read_bytes() == content
    assert "This run has already begun." in capfd.readouterr().out
    begin("second")


def test_the_seed_is_that_of_the_run(begin):
    # The ingestion's options are part of the compiled pipeline, as JSON.
    assert b'"seed":5,' in begin("first", seed=5).pipeline.read_bytes()
    assert b'"seed":0,' in begin("second").pipeline.read_bytes()


def test_the_same_run_does_not_begin_with_other_values(begin):
    begin("first")
    message = r"Run first has begun before, and these differ now: values of the config, options\."
    with pytest.raises(InputError, match=message):
        begin("first", seed=5)


def test_the_run_of_one_process_is_not_begun_again_in_steps(begin, tmp_path):
    folder = tmp_path / "output" / "runs" / "first"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text("{}")
    with pytest.raises(InputError, match=r"not started by `begin`\. Give another --run"):
        begin("first")
    assert [path.name for path in folder.iterdir()] == ["summary.json"]


def test_a_run_of_another_folder_on_the_same_server_is_not_begun_here(begin, tmp_path):
    """Its executions are of other artifacts; here, they would pass for steps that have ended."""
    begin("first")
    shutil.rmtree(tmp_path / "output" / "runs" / "first")
    for _ in range(2):
        with pytest.raises(InputError, match=r"ML Metadata already has a run first"):
            begin("first")


def test_a_specification_with_other_steps_is_refused_and_the_refusal_recorded(begin, tmp_path):
    with pytest.raises(InputError, match=r"not those of the specification.*Compile it again"):
        begin("first", steps=StepGraph({"Write": ()}).digest)
    files = StepFiles(tmp_path / "output" / "runs" / "first")
    assert not files.pipeline.exists()
    assert json.loads((files.root / "begin.json").read_text())["state"] == "failed"


def test_the_expected_steps_are_those_that_the_run_has(begin):
    digest = StepGraph.read(begin("first").graph).digest
    assert begin("second", steps=digest).pipeline.is_file()


def test_the_beginning_reads_earlier_spans_once_and_keeps_the_window(tmp_path):
    text = CONFIG.replace("path: wells.csv", "path: span-{SPAN}.csv\n  window: 2")
    config_path = write_wells(tmp_path, "", text)
    for span in (1, 2, 3):
        (tmp_path / f"span-{span}.csv").write_text(wells_csv(60, seed=span))
    output = tmp_path / "output"
    request = RunRequest(config_path=config_path, run_id="first", overrides=Overrides(span=2))
    files = StepFiles(output / "runs" / "first")

    assert begin_run(request, output) == 0
    ending = files.read_ending("begin")
    assert [span["span"] for span in ending.spans] == [1]
    assert "SpanWindow" in StepGraph.read(files.graph).upstream
    # As if it had been killed last of all: span 1 has been accepted.
    files.pipeline.unlink()
    assert begin_run(request, output) == 0
    assert files.read_ending("begin").spans == []
    assert b"span-3" not in files.pipeline.read_bytes()
