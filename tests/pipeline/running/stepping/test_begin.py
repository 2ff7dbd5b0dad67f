"""The beginning of a run in separate steps, on real data."""

import json

import pytest

from common.errors import InputError
from pipeline.running.stepping.begin import Wish, begin_run
from pipeline.running.stepping.files import StepFiles
from pipeline.running.stepping.graph import StepGraph
from pipeline.running.stepping.overrides import Overrides
from tests.e2e.harness import wells_csv, write_wells

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def begin(tmp_path):
    """Begins a run; returns its files."""
    config_path = write_wells(tmp_path, wells_csv(40))

    def begun(run_id, *, seed=None, steps=""):
        overrides = Overrides(seed=seed)
        wish = Wish(config_path=config_path, run_id=run_id, overrides=overrides, steps=steps)
        assert begin_run(wish, tmp_path / "output") == 0
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
    with pytest.raises(InputError, match=r"Run first has begun before, with another config_digest"):
        begin("first", seed=5)


def test_a_specification_with_other_steps_is_refused_and_the_refusal_recorded(begin, tmp_path):
    with pytest.raises(InputError, match=r"not those of the specification.*Compile it again"):
        begin("first", steps=StepGraph({"Write": ()}).digest)
    files = StepFiles(tmp_path / "output" / "runs" / "first")
    assert not files.pipeline.exists()
    assert json.loads((files.root / "begin.json").read_text())["state"] == "failed"


def test_the_expected_steps_are_those_that_the_run_has(begin):
    digest = StepGraph.read(begin("first").graph).digest
    assert begin("second", steps=digest).pipeline.is_file()
