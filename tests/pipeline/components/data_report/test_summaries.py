import numpy as np
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from models.features import Audio, Image, Numeric, Time
from pipeline.components.data_report.summaries import class_balance, drifts, summarise_columns
from pipeline.components.example_validator.drift import Comparison, DriftReport

FEATURES = {"pressure": Numeric(unit="bar"), "start": Time()}


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
    columns = {column.name: column for column in summarise_columns(splits, FEATURES)}

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


def test_files_are_counted_and_have_no_distribution(splits):
    for kind, feature in {
        "picture": Image(height=8, width=8),
        "sound": Audio(sampling_rate_hz=8_000, duration_s=1),
    }.items():
        columns = {column.name: column for column in summarise_columns(splits, {"maker": feature})}
        assert columns["maker"].kind == kind
        assert columns["maker"].facts == {"distinct files": "2"}
        assert columns["maker"].distributions == {}


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

    identifier, column = summarise_columns(statistics, {})

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
        },
        {},
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

    [column] = summarise_columns({"train": statistics}, {})

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

    first, second = drifts(anomalies, DriftReport())

    assert (first.column, first.measure) == ("pressure", "jensen_shannon_divergence")
    assert (second.column, second.value, second.threshold) == ("maker", 0.1, 0.5)


def test_what_is_more_than_chance_comes_before_a_larger_distance_that_is_not():
    chance, drift = (
        Comparison(
            column=name,
            measure="distribution",
            distance=distance,
            floor=0.1,
            p_value=0.5,
            alarm=alarm,
            text="median 1 then, 2 now",
        )
        for name, distance, alarm in (("flow", 0.3, False), ("pressure", 0.2, True))
    )
    report = DriftReport(comparisons=(chance, drift))

    first, second = drifts(anomalies_pb2.Anomalies(), report)

    assert (first.column, first.is_alarm, first.text) == ("pressure", True, "median 1 then, 2 now")
    assert (second.column, second.is_alarm) == ("flow", False)


def test_a_point_in_time_is_shown_as_a_date():
    statistics = text_format.Parse(
        """
        num_examples: 2
        features {
          path { step: "start" }
          type: INT
          num_stats {
            common_stats { num_non_missing: 2 max_num_values: 1 tot_num_values: 2 }
            min: 0 median: 86400 max: 1795724572
          }
        }
        """,
        statistics_pb2.DatasetFeatureStatistics(),
    )

    [column] = summarise_columns({"train": statistics}, FEATURES)

    assert (column.kind, column.is_time, column.is_whole) == ("time", True, True)
    assert column.facts == {
        "first": "1970-01-01 00:00:00",
        "median": "1970-01-02 00:00:00",
        "last": "2026-11-26 20:22:52",
    }
