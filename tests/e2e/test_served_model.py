"""A served model: its answers are explained, and what must not replace it is refused.

The tests are in the order of the story: each refusal replaces the data.
"""

import csv
import html
import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.harness import CONFIG, PROJECT, Done, Faultline, copy_project, wells_csv, write_wells

pytestmark = pytest.mark.e2e

_SCHEMA = """\
feature { name: "pressure" type: FLOAT shape { dim { size: 1 } } }
feature { name: "temperature" type: FLOAT shape { dim { size: 1 } } }
feature { name: "maker" type: BYTES domain: "maker" shape { dim { size: 1 } } }
feature { name: "faulty" type: INT shape { dim { size: 1 } } }
string_domain { name: "maker" value: "a" value: "b" value: "c" }
"""


# Runs each command in one process, which imports TensorFlow once; prints exit codes and messages.
_EXPLAIN_EACH = """
import json, sys
sys.path.insert(0, sys.argv[1])
from click.testing import CliRunner
from commands.command_line import main
results = [CliRunner().invoke(main, ["explain", *row]) for row in json.loads(sys.argv[2])]
print(json.dumps([[result.exit_code, result.stderr] for result in results]))
"""
_ABSENT_ROWS = {
    (): "Give one row",
    ("100000",): "There is no row 100000 in the test split",
    ("--data", "absent.csv", "--row", "1"): "absent.csv",
    ("1", "--row", "1"): "Give the row's number once",
    ("1", "--run", "pumps"): "No model or run matches pumps",
}


def _summary(faultline: Faultline) -> dict:
    newest = max((faultline.output / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return json.loads((newest / "summary.json").read_text())


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Faultline:
    """A folder with a pushed model."""
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp("wells") / "work")
    write_wells(faultline.cwd, wells_csv())
    done = faultline.in_fork("run", "--config", "wells.yaml")
    assert done.code == 0, done.err + faultline.last_log()
    return faultline


def _explain(faultline: Faultline, *arguments: str) -> dict:
    return _parsed(faultline.in_fork("explain", *arguments, "--json"))


def _parsed(done: Done) -> dict:
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_every_column_has_a_part_and_the_parts_add_up(served):
    explanation = _parsed(served("explain", "5", "--json"))
    parts = {part["column"]: part["part"] for part in explanation["parts"]}
    # The category too, through its embedding.
    assert set(parts) == {"pressure", "temperature", "maker"}
    assert all(parts.values())
    difference = explanation["probability"] - explanation["background_probability"]
    assert sum(parts.values()) == pytest.approx(difference, abs=1e-9)
    [version] = served.versions()
    assert explanation["version"] == f"wells/{version.name}"
    assert {part["column"]: part["unit"] for part in explanation["parts"]} == {
        "pressure": "bar",
        "temperature": "K",
        "maker": "",
    }
    assert len(explanation["neighbours"]) == 5
    assert explanation["num_searched"] == explanation["num_train"] > 500


def test_a_row_of_a_file_and_the_same_row_as_a_request_have_one_explanation(served):
    with (served.cwd / "wells.csv").open(newline="") as file:
        row = list(csv.DictReader(file))[11]
    request = {
        "pressure": float(row["pressure"]),
        "temperature": float(row["temperature"]),
        "maker": row["maker"],
    }
    of_file = _explain(served, "--data", "wells.csv", "--row", "12")
    of_request = _explain(served, "--request", json.dumps(request))
    assert of_file["row"] == "row 12 of wells.csv"
    assert of_file["parts"] == of_request["parts"]
    assert of_file["probability"] == of_request["probability"]
    assert of_file["neighbours"] == of_request["neighbours"]
    [page] = (served.output / "reports" / "wells").glob("*/explain-wells.csv-12.html")
    assert of_file["page"] == str(page)


@pytest.fixture(scope="module")
def refused(served) -> dict[tuple[str, ...], tuple[int, str]]:
    """Exit code and message of each command that asks for a row that is not there."""
    program = served.cwd / "explain_each.py"
    program.write_text(_EXPLAIN_EACH)
    done = served(str(PROJECT), json.dumps(list(_ABSENT_ROWS)), program=str(program))
    assert done.code == 0, done.err
    results = json.loads(done.out.splitlines()[-1])
    return {row: (code, text) for row, (code, text) in zip(_ABSENT_ROWS, results, strict=True)}


@pytest.mark.parametrize(("arguments", "message"), _ABSENT_ROWS.items())
def test_a_row_that_is_not_there_is_told_with_exit_code_2(refused, arguments, message):
    code, text = refused[arguments]
    assert code == 2
    assert message in text


def test_a_label_of_noise_is_refused_and_the_served_model_stays(served):
    before = _content(served.output / "serving")
    write_wells(served.cwd, wells_csv(noise=True))

    done = served.in_fork("run", "--config", "wells.yaml")

    assert done.code == 3, done.err + served.last_log()
    assert "REFUSED" in done.out
    assert "Nothing was pushed; the served model is unchanged." in done.out
    assert len(before) > 1
    assert _content(served.output / "serving") == before
    summary = _summary(served)
    assert (summary["verdict"], summary["pushed_version"]) == ("REJECTED", None)
    # Each bar says in words what was found and what was expected.
    failed = [reason["text"] for reason in summary["reasons"] if not reason["passed"]]
    assert any("PR-AUC" in text or "ROC-AUC" in text for text in failed)
    assert any("blessed before" in text for text in failed)
    # A refused model has its page, too, and the one before it still has its own.
    page = (served.output / "reports" / "model-wells.html").read_text()
    assert summary["run_id"] in page
    assert html.escape(failed[0]) in page
    assert len(list((served.output / "reports" / "wells").glob("*/model.html"))) == 2


def test_a_value_outside_the_schemas_domain_stops_before_transform_in_words(served):
    before = _content(served.output / "serving")
    config = CONFIG.replace("features:", "schema: wells.pbtxt\nfeatures:", 1)
    write_wells(served.cwd, wells_csv().replace(",b,", ",unheard of,"), config)
    (served.cwd / "wells.pbtxt").write_text(_SCHEMA)

    done = served.in_fork("run", "--config", "wells.yaml")

    assert done.code == 2, done.err + served.last_log()
    for words in ("`maker` in train", "unheard of", "domain `maker`", "add them to the column's"):
        assert words in done.err
    assert "Traceback" not in done.out + done.err
    steps = {step["name"]: step["state"] for step in _summary(served)["steps"]}
    assert steps["AnomalyGate"] == "failed"
    assert "Transform" not in steps
    assert "unheard of" in (served.output / "reports" / "anomalies-wells.md").read_text()
    page = served.output / "reports" / "data-wells.html"
    assert done.err.rstrip().splitlines()[-1].endswith(f"{page.relative_to(served.cwd)}")
    text = page.read_text()
    assert "The data stopped the run" in text
    assert "unheard of" in text
    assert _summary(served)["run_id"] in text
    assert _content(served.output / "serving") == before


def _run_always_healthy(folder: Path) -> tuple[Faultline, Done]:
    source = copy_project(folder / "project")
    shutil.copy2(
        Path(__file__).with_name("always_healthy.py"), source / "models" / "training" / "trainer.py"
    )
    faultline = Faultline(source, folder / "work")
    header, *rows = wells_csv(4 * 3130, seed=1).splitlines(keepends=True)
    healthy = [row for row in rows if row.endswith(",0\n")][:3130]
    faulty = [row for row in rows if row.endswith(",1\n")][:112]
    write_wells(faultline.cwd, "".join([header, *healthy, *faulty]))
    return faultline, faultline.in_fork("run", "--config", "wells.yaml", "--json")


def test_the_model_that_always_answers_healthy_is_refused_for_all_its_accuracy(tmp_path):
    faultline, done = _run_always_healthy(tmp_path)

    assert done.code == 3, done.err + faultline.last_log()
    summary = json.loads(done.out)
    metrics = summary["metrics"]
    right = metrics["true_negatives"] + metrics["true_positives"]
    # A tenth of 3,130 healthy and 112 faulty: 313 of 324, accuracy 0.97.
    assert metrics["num_examples"] == pytest.approx(324, abs=1)
    assert right / metrics["num_examples"] == pytest.approx(0.97, abs=0.005)
    assert metrics["recall"] == 0
    failed = {reason["metric"]: reason["text"] for reason in summary["reasons"]}
    assert "finds 0 of 11 positives" in failed["recall"]
    assert {"recall", "pr_auc", "roc_auc"} <= {
        reason["metric"] for reason in summary["reasons"] if not reason["passed"]
    }
    assert faultline.versions() == []
