import shutil
import subprocess

import numpy as np
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from pipeline.components.data_report.component import render_page
from pipeline.components.data_report.summaries import class_balance, drifts, summarise_columns


@pytest.fixture(scope="module")
def splits():
    """TFDV's own statistics of two splits."""
    import pandas as pd

    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "pressure": np.where(rng.random(400) < 0.25, np.nan, rng.normal(5, 1, 400)),
            "maker": rng.choice(["a", "<b>"], 400, p=[0.7, 0.3]),
            "faulty": (np.arange(400) % 8 == 0).astype(int),
        }
    )
    parts = {"train": frame[:320], "test": frame[320:]}
    return {
        split: tfdv.generate_statistics_from_dataframe(part).datasets[0]
        for split, part in parts.items()
    }


def test_the_classes_of_each_split_are_counted(splits):
    assert class_balance(splits, "faulty") == [("train", 320, 40, 0.125), ("test", 80, 10, 0.125)]


def test_each_column_has_its_kind_missing_share_and_distributions(splits):
    columns = {column.name: column for column in summarise_columns(splits)}

    assert {name: c.kind for name, c in columns.items()} == {
        "faulty": "number",
        "maker": "text",
        "pressure": "number",
    }
    assert columns["pressure"].missing == pytest.approx(0.25, abs=0.08)
    assert float(columns["pressure"].facts["mean"]) == pytest.approx(5, abs=0.3)
    assert columns["maker"].distributions["train"].x == ["a", "<b>"]
    assert sum(columns["maker"].distributions["train"].share) == pytest.approx(1)
    for name in ("pressure", "faulty"):
        for distribution in columns[name].distributions.values():
            assert distribution.x == sorted(distribution.x)
            assert distribution.share == sorted(distribution.share)
            assert (distribution.share[0], distribution.share[-1]) == (0, pytest.approx(1))


def test_splits_show_the_same_values_and_identifiers_none():
    import pandas as pd

    many = [f"v{n:02d}" for n in range(30)]
    frames = {
        "train": pd.DataFrame(
            {"id": [f"a{n}" for n in range(60)], "many": many + many[:20] + many[:10]}
        ),
        "test": pd.DataFrame(
            {"id": [f"b{n}" for n in range(40)], "many": many[20:] * 2 + many[:20]}
        ),
    }
    statistics = {
        split: tfdv.generate_statistics_from_dataframe(frame).datasets[0]
        for split, frame in frames.items()
    }

    identifier, column = summarise_columns(statistics)

    assert identifier.distributions == {}
    train, test = column.distributions["train"], column.distributions["test"]
    assert list(column.distributions) == ["train", "test"]
    assert sorted(train.x) == many[:20]
    assert test.x == train.x
    # In test each of them is one of 40, though others are more frequent there.
    assert test.share == pytest.approx([1 / 40] * 20)
    assert max(train.share) == pytest.approx(3 / 60)


def test_an_outlier_in_one_split_leaves_its_distribution_alike():
    import pandas as pd

    values = np.arange(1_000.0)
    frames = {"train": values, "test": np.append(values, 1e6)}
    [column] = summarise_columns(
        {
            split: tfdv.generate_statistics_from_dataframe(pd.DataFrame({"x": x})).datasets[0]
            for split, x in frames.items()
        }
    )

    train, test = column.distributions["train"], column.distributions["test"]
    assert train.x[:-1] == pytest.approx(test.x[:-1], abs=5)
    assert train.x[:-1] == pytest.approx(np.arange(0, 1_000, 100), abs=5)
    assert train.share == pytest.approx(np.linspace(0, 1, 11), abs=0.005)


def test_an_empty_list_is_a_missing_value():
    statistics = text_format.Parse(
        """
        num_examples: 4
        features {
          path { step: "x" }
          num_stats { common_stats { num_non_missing: 4 max_num_values: 1 tot_num_values: 3 } }
        }
        """,
        statistics_pb2.DatasetFeatureStatistics(),
    )

    [column] = summarise_columns({"train": statistics})

    assert column.missing == 0.25


def test_drift_is_what_the_validator_measured_the_nearest_to_its_limit_first():
    anomalies = text_format.Parse(
        """
        drift_skew_info {
          path { step: "maker" }
          drift_measurements { type: L_INFTY value: 0.1 threshold: 0.5 }
        }
        drift_skew_info {
          path { step: "pressure" }
          drift_measurements { type: JENSEN_SHANNON_DIVERGENCE value: 0.3 threshold: 0.2 }
        }
        """,
        anomalies_pb2.Anomalies(),
    )

    first, second = drifts(anomalies)

    assert (first.column, first.measure) == ("pressure", "jensen_shannon_divergence")
    assert (second.column, second.value, second.threshold) == ("maker", 0.1, 0.5)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_browser_shows_the_page_without_an_error(splits, tmp_path):
    r = np.array([[1.0, np.nan], [np.nan, 1.0]])
    path, picture = tmp_path / "page.html", tmp_path / "page.png"
    balance = class_balance(splits, "faulty")
    columns = summarise_columns(splits)
    path.write_text(render_page("wells", balance, columns, [], (["faulty", "pressure"], r)))

    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *("--v=0", "--virtual-time-budget=5000", f"--user-data-dir={tmp_path / 'profile'}"),
            *(f"--screenshot={picture}", path.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert picture.stat().st_size > 10_000
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []


def test_the_page_has_everything_and_escapes_it(splits):
    columns = summarise_columns(splits)
    r = np.array([[1.0, np.nan], [np.nan, 1.0]])

    page = render_page(
        "wells", class_balance(splits, "faulty"), columns, [], (["faulty", "pressure"], r)
    )

    own = page.split("<script>")[0] + page.rsplit("<script>", 1)[1]
    assert "most frequent a" in own
    assert "Not measured: there is no earlier span" in own
    assert "[[1.0, null], [null, 1.0]]" in own
    assert "<b>" not in own
    assert "http" not in own
