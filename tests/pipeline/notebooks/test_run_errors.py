import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import InputError
from common.metadata import open_store, sqlite_connection
from pipeline.notebooks.run_errors import (
    RunErrors,
    errors_by,
    errors_by_column,
    plot_probabilities,
    read_errors,
    thresholds,
)
from tests.e2e.harness import CONFIG
from tests.pipeline.records import Recorder, provenance

# By loss: a false alarm, a missed fault, and four right answers.
_TABLE = {
    "rank": [1, 2, 3, 4, 5, 6],
    "row": [3, 0, 1, 2, 4, 5],
    "label": [0, 1, 1, 0, 0, 1],
    "probability": [0.9, 0.2, 0.7, 0.1, 0.05, 0.95],
    "decision": [1, 0, 1, 0, 0, 1],
    "loss": [2.3, 1.6, 0.36, 0.11, 0.05, 0.05],
    "suspected_label": [True, False, False, False, False, False],
    "troubles": pa.array([[], ["noise"], [], [], [], []], pa.list_(pa.string())),
    "maker": ["a", "a", "b", "b", None, "b"],
    "serial": ["s1", "s2", "s3", "s4", "s5", "s6"],
}


@pytest.fixture
def errors():
    return RunErrors(run_id="run-1", use_case="wells", frame=pa.table(_TABLE).to_pandas())


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with two runs that analysed their errors, and a later one that did not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wells.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "output").mkdir()
    store = open_store(sqlite_connection(tmp_path / "output" / "metadata.db"))
    for run_id in ("run-1", "run-2"):
        run = Recorder(store, run_id, provenance())
        run.step("ErrorAnalyzer", outputs={"analysis": ("ErrorAnalysis", {})})
    Recorder(store, "run-3", provenance()).step("StatisticsGen")
    folder = tmp_path / "artifacts" / "ErrorAnalyzer"  # where the recorder puts artifacts
    folder.mkdir(parents=True)
    pq.write_table(pa.table(_TABLE), folder / "errors.parquet")
    return tmp_path


def test_the_latest_run_that_analysed_its_errors_is_read(project):
    errors = read_errors("wells.yaml", "output")
    assert errors.run_id == "run-2"
    assert errors.columns == ["maker", "serial"]
    assert errors.wrong["rank"].tolist() == [1, 2]
    assert errors.describe().loc["wrong decisions", ""] == "2"


def test_a_run_is_chosen_by_its_id(project):
    assert read_errors("wells.yaml", "output", "run-1").run_id == "run-1"


@pytest.mark.parametrize(
    ("run", "words"),
    [("run-3", "run-3 made no table of errors"), ("absent", "No model or run matches absent")],
)
def test_a_run_without_a_table_is_an_error_that_says_what_to_do(project, run, words):
    with pytest.raises(InputError, match=words):
        read_errors("wells.yaml", "output", run)


def test_a_table_that_was_removed_is_named(project):
    (project / "artifacts" / "ErrorAnalyzer" / "errors.parquet").unlink()
    with pytest.raises(InputError, match=r"lost its table .*errors\.parquet"):
        read_errors("wells.yaml", "output")


def test_without_a_run_there_is_no_database_afterwards(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wells.yaml").write_text(CONFIG, encoding="utf-8")
    with pytest.raises(InputError, match="No runs yet"):
        read_errors("wells.yaml", "output")
    assert [path.name for path in tmp_path.iterdir()] == ["wells.yaml"]


def test_thresholds_show_what_is_found_and_missed(errors):
    table = thresholds(errors, steps=3)
    # Faulty: 0.2, 0.7, 0.95. At 0.2 the false alarm of 0.9 is among the four alarms.
    assert table.index.tolist() == [0.2, 0.7, 0.95]
    assert table["alarms"].tolist() == [4, 3, 1]
    assert table["found"].tolist() == [3, 2, 1]
    assert table["missed"].tolist() == [0, 1, 2]
    assert table["precision"].tolist() == pytest.approx([3 / 4, 2 / 3, 1])


def test_errors_are_counted_by_the_values_of_a_column_missing_ones_too(errors):
    table = errors_by(errors, "maker")
    assert table.loc["a", ["examples", "errors", "rate"]].tolist() == [2, 2, 1.0]
    assert table.loc["b", "errors"] == 0
    assert table["examples"].sum() == 6


def test_identifiers_are_no_groups(errors):
    table = errors_by_column(errors)
    assert {column for column, _ in table.index} == {"maker"}
    assert table.index[0] == ("maker", "a")


def test_an_unknown_column_is_refused_with_those_that_are_there(errors):
    with pytest.raises(InputError, match=r"`made` is no column\. The columns are: maker, serial"):
        errors_by(errors, "made")


def test_probabilities_are_counted_by_class(errors):
    healthy, faulty = plot_probabilities(errors).data
    assert (sum(healthy.y), sum(faulty.y)) == (3, 3)
    assert healthy.y[36] == 1  # 0.9 is in the bin from 0.9 on
