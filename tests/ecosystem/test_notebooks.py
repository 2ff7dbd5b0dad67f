"""The notebooks, executed headless by papermill in a real kernel, and their pages."""

import json
import shutil
import sqlite3
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.metadata import open_store, sqlite_connection
from tests.browser import needs_chromium
from tests.e2e.harness import CONFIG, Faultline, wells_csv
from tests.pipeline.notebooks.test_run_errors import _TABLE
from tests.pipeline.records import Recorder, provenance

pytestmark = pytest.mark.ecosystem
_REASON = "not installed: make ecosystem-tools"
scrapbook = pytest.importorskip("scrapbook", reason=_REASON)
nbformat = pytest.importorskip("nbformat", reason=_REASON)
pytest.importorskip("papermill", reason=_REASON)
pytest.importorskip("nbconvert", reason=_REASON)


@pytest.fixture(scope="module")
def faultline(project, tmp_path_factory):
    """A project with data, and an output folder with the table of errors of a run."""
    faultline = Faultline(project, tmp_path_factory.mktemp("notebooks") / "work")
    faultline.cwd.mkdir()
    (faultline.cwd / "wells.csv").write_text(wells_csv(), encoding="utf-8")
    (faultline.cwd / "wells.yaml").write_text(CONFIG, encoding="utf-8")
    faultline.output.mkdir()
    store = open_store(sqlite_connection(faultline.output / "metadata.db"))
    run = Recorder(store, "run-1", provenance())
    run.step("ErrorAnalyzer", outputs={"analysis": ("ErrorAnalysis", {})})
    folder = faultline.cwd / "artifacts" / "ErrorAnalyzer"
    folder.mkdir(parents=True)
    pq.write_table(pa.table(_TABLE), folder / "errors.parquet")
    # Its record has a relative path, and a notebook is executed in the notebooks' folder.
    with sqlite3.connect(faultline.output / "metadata.db") as connection:
        connection.execute("UPDATE Artifact SET uri = ?", (str(folder),))
    return faultline


@pytest.fixture(scope="module")
def done(faultline):
    """What both commands said."""
    explore = faultline("notebook", "explore", "--config", "wells.yaml", "--json")
    errors = faultline("notebook", "errors", "--config", "wells.yaml")
    return explore, errors


def _scraps(path):
    return scrapbook.read_notebook(str(path)).scraps.data_dict


def test_both_notebooks_run_and_say_where_the_page_is(done, faultline):
    explore, errors = done
    assert (explore.code, errors.code) == (0, 0), explore.err + errors.err
    page = faultline.output / "reports" / "notebook-explore-wells.html"
    assert json.loads(explore.out)["page"] == str(page)
    assert errors.out == "Page: output/reports/notebook-errors-wells.html\n"


def test_the_recorded_figures_are_read_by_scrapbook(done, faultline):
    explored = _scraps(faultline.output / "notebooks" / "explore-wells.ipynb")
    csv = wells_csv().splitlines()[1:]
    num_faulty = sum(line.endswith(",1") for line in csv)
    assert explored["num_rows"] == len(csv)
    assert explored["num_faulty"] == num_faulty
    assert explored["prevalence"] == pytest.approx(num_faulty / len(csv))
    errors = _scraps(faultline.output / "notebooks" / "errors-wells.ipynb")
    assert errors == {"run": "run-1", "num_examples": 6, "num_errors": 2, "num_suspected": 1}


def test_the_pages_need_no_network_and_the_index_links_them(done, faultline):
    reports = faultline.output / "reports"
    for name in ("explore", "errors"):
        html = (reports / f"notebook-{name}-wells.html").read_text(encoding="utf-8")
        assert "http://" not in html
        assert "https://" not in html
        assert "Traceback" not in html
        assert 'src="assets/plotly.min.js"' in html
        assert f"notebook-{name}-wells.html" in (reports / "index.html").read_text()


@needs_chromium
def test_a_browser_draws_the_plots(done, faultline):
    page = faultline.output / "reports" / "notebook-explore-wells.html"
    dumped = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu"),
            *("--virtual-time-budget=5000", f"--user-data-dir={faultline.cwd}/browser"),
            *("--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    assert dumped.count('class="main-svg"') >= 2


def test_nothing_else_is_said_and_nothing_is_written_to_the_home_folder(done, faultline):
    assert done[1].err == ""
    assert list(faultline.home.rglob("*")) == []


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        (
            "from common.errors import InputError\nraise InputError('pick another run')",
            2,
            "Error: pick another run\n",
        ),
        ("1 / 0", 1, "Error: explore.ipynb failed at `1 / 0`: ZeroDivisionError: division by"),
        ("import os\nos._exit(9)", 1, "The kernel of explore.ipynb died"),
    ],
)
def test_a_cell_that_fails_ends_with_its_message_and_leaves_nothing(
    source, code, words, project, tmp_path, faultline
):
    copy = tmp_path / "copy"
    _copy_sources(project, copy)
    path = copy / "notebooks" / "explore.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2]["source"] = source  # after the title and the parameters
    nbformat.write(notebook, path)
    broken = Faultline(copy, tmp_path / "work")
    broken.cwd.mkdir()
    for name in ("wells.csv", "wells.yaml"):
        shutil.copy(faultline.cwd / name, broken.cwd / name)
    done = broken("notebook", "explore", "--config", "wells.yaml")
    assert done.code == code
    assert words in done.err
    assert "Traceback" not in done.err
    assert [path for path in broken.output.rglob("*") if path.is_file()] == []


def _copy_sources(project, folder):
    """Copies what git knows of the notebooks; links the packages, which stay as they are."""
    folder.mkdir()
    for path in project.iterdir():
        if path.name not in {"notebooks", "pipeline", "faultline.py", ".git", "output"}:
            (folder / path.name).symlink_to(path)
    shutil.copy(project / "faultline.py", folder / "faultline.py")
    # Real copies, for modules find the notebooks from their own place.
    shutil.copytree(project / "pipeline", folder / "pipeline")
    shutil.copytree(project / "notebooks", folder / "notebooks")


def test_the_interpreter_of_the_kernel_is_that_of_the_command(done, faultline):
    notebook = json.loads((faultline.output / "notebooks" / "explore-wells.ipynb").read_text())
    version = notebook["metadata"]["language_info"]["version"]
    assert version == sys.version.split()[0]
