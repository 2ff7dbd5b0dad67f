"""Tables as people have them, through `init`, `run`, `explain` and the pages.

Names with units in brackets, a folder with brackets, rows without a label that differ from the
others.
"""

import numpy as np
import pandas as pd
import pytest

from tests.browser import needs_chromium, open_page
from tests.e2e.harness import PROJECT, Faultline

pytestmark = pytest.mark.e2e

NUM_ROWS, NUM_UNLABELLED = 1_200, 200


@pytest.fixture(scope="module")
def plant(tmp_path_factory) -> Faultline:
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp("plant") / "work")
    folder = faultline.cwd / "line [A]"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    pressure, flow = rng.normal(size=(2, NUM_ROWS + NUM_UNLABELLED))
    failed = (pressure + flow + rng.normal(0, 0.3, len(flow)) > 2).astype(int).astype(str)
    # The latest rows: no one has inspected them yet, and the pressure has risen by 10 bar.
    pressure[NUM_ROWS:] += 20
    failed[NUM_ROWS:] = ""
    frame = pd.DataFrame(
        {"pressure [bar]": 4 + pressure / 2, "flow [/h]": 310 + 5 * flow, "failed": failed}
    )
    frame.round(3).to_csv(folder / "readings.csv", index=False)
    return faultline


@pytest.fixture(scope="module")
def pushed(plant) -> str:
    done = plant("init", "line [A]/readings.csv", "--label", "failed")
    assert done.code == 0, done.err
    config = plant.cwd / "configs" / "readings.yaml"
    config.write_text(config.read_text().replace("model: auto", "model: trees"))
    done = plant.in_fork("run", "--config", "configs/readings.yaml")
    assert done.code == 0, done.out + done.err + plant.last_log()
    return done.out


def test_rows_without_a_label_are_in_no_split_and_their_drift_is_said(pushed):
    assert "1,200 rows" in pushed
    # 200 of 1,400 rows.
    assert "200 without a label (14.3% of all rows), in no split" in pushed
    words = " ".join(pushed.split())
    assert "200 rows without a label compared with train" in words
    assert "`pressure [bar]`: the distribution differs from train's by" in words


def test_names_and_folders_with_brackets_are_explained_as_they_are(plant, pushed):
    assert "BLESSED" in pushed
    done = plant("explain", "3")
    assert done.code == 0, done.err
    for name in ("pressure [bar]", "flow [/h]"):
        assert name in done.out
    assert "Traceback" not in done.out + done.err


@needs_chromium
def test_a_browser_shows_the_pages_of_a_run_and_their_index_without_an_error(
    plant, pushed, tmp_path
):
    reports = plant.output / "reports"
    pages = [f"{kind}-readings.html" for kind in ("data", "model", "errors")]
    index = (reports / "index.html").read_text()
    for page in (*pages, "index.html"):
        scratch = tmp_path / page
        scratch.mkdir()
        console, num_bytes = open_page(reports / page, scratch)
        assert console == [], page
        assert num_bytes > 20_000, page
    for page in pages:
        assert f"{page.removesuffix('-readings.html')}.html" in index
    assert pushed
