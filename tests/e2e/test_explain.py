"""`faultline explain` on the model of a run: any row, every column, and parts that add up."""

import csv
import json

import pytest

from tests.e2e.harness import CONFIG, Faultline, copy_project, wells_csv, write_wells

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def faultline(tmp_path_factory) -> Faultline:
    folder = tmp_path_factory.mktemp("explain")
    faultline = Faultline(copy_project(folder / "project"), folder / "work")
    write_wells(faultline.cwd, wells_csv(), CONFIG)
    done = faultline("run", "--config", "wells.yaml")
    assert done.code == 0, done.err + faultline.last_log()
    return faultline


def _explain(faultline: Faultline, *arguments: str) -> dict:
    done = faultline("explain", *arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_every_column_has_a_part_and_the_parts_add_up(faultline):
    found = _explain(faultline, "5")
    parts = {part["column"]: part["part"] for part in found["parts"]}
    # The category too, through its embedding.
    assert set(parts) == {"pressure", "temperature", "maker"}
    assert all(parts.values())
    difference = found["probability"] - found["background_probability"]
    assert sum(parts.values()) == pytest.approx(difference, abs=1e-9)
    [version] = faultline.versions()
    assert found["version"] == f"wells/{version.name}"
    assert {part["column"]: part["unit"] for part in found["parts"]} == {
        "pressure": "bar",
        "temperature": "K",
        "maker": "",
    }
    assert len(found["neighbours"]) == 5
    assert found["num_searched"] == found["num_train"] > 500


def test_a_row_of_a_file_and_the_same_row_as_a_request_have_one_explanation(faultline):
    with (faultline.cwd / "wells.csv").open(newline="") as file:
        row = list(csv.DictReader(file))[11]
    request = {
        "pressure": float(row["pressure"]),
        "temperature": float(row["temperature"]),
        "maker": row["maker"],
    }
    of_file = _explain(faultline, "--data", "wells.csv", "--row", "12")
    of_request = _explain(faultline, "--request", json.dumps(request))
    assert of_file["row"] == "row 12 of wells.csv"
    assert of_file["parts"] == of_request["parts"]
    assert of_file["probability"] == of_request["probability"]
    assert of_file["neighbours"] == of_request["neighbours"]
    [page] = (faultline.output / "reports" / "wells").glob("*/explain-wells.csv-12.html")
    assert of_file["page"] == str(page)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give one row"),
        (("100000",), "There is no row 100000 in the test split"),
        (("--data", "absent.csv", "--row", "1"), "absent.csv"),
        (("1", "--row", "1"), "Give the row's number once"),
        (("1", "--run", "pumps"), "No model or run matches pumps"),
    ],
)
def test_a_row_that_is_not_there_is_told_with_exit_code_2(faultline, arguments, message):
    done = faultline("explain", *arguments)
    assert done.code == 2
    assert message in done.err
