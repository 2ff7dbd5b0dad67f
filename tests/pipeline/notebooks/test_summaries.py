import numpy as np
import pyarrow as pa
import pytest

from common.errors import InputError
from models.features import Categorical, Numeric, Signal
from pipeline.notebooks.data import Data
from pipeline.notebooks.data_figures import plot_columns, plot_recordings
from pipeline.notebooks.summaries import (
    count_classes,
    separating_columns,
    signal_columns,
    summarise_columns,
)

_LABELS = [0, 0, 0, 1]
_COLUMNS = {
    "weak": [1.0, 2.0, 4.0, 3.0],
    "strong": [5.0, 6.0, None, 1.0],
    "area": [1, 1, 2, 3],
    "maker": pa.array([b"a", b"b", None, b"a"]),
    "wave": [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [9.0, 9.0]],
    "faulty": _LABELS,
}


@pytest.fixture
def data():
    return Data(
        name="wells",
        label="faulty",
        features={
            "weak": Numeric(unit="bar"),
            "area": Categorical(),
            "wave": Signal(num_samples=2, unit="A"),
        },
        table=pa.table(_COLUMNS),
        num_bad=0,
        num_unlabelled=0,
        bad_rows=(),
        is_complete=True,
    )


def test_classes_are_counted_with_the_exact_interval_of_their_share(data):
    counts = count_classes(data)
    assert counts["rows"].to_dict() == {"healthy": 3, "faulty": 1}
    assert counts.loc["faulty", "share"] == 0.25
    # Clopper and Pearson, 1 of 4: the lower limit is 1 - 0.975 ** (1 / 4).
    assert counts.loc["faulty", "low"] == pytest.approx(1 - 0.975**0.25)
    assert counts.loc["faulty", "high"] == pytest.approx(0.8059, abs=1e-4)


def test_columns_are_ordered_by_how_well_they_separate_the_classes(data):
    summary = summarise_columns(data)
    # strong: the faulty value is below all others, 1 after folding. weak: the faulty value is
    # above two of three.
    assert summary["separation"].dropna().to_dict() == pytest.approx({"strong": 1.0, "weak": 2 / 3})
    assert list(summary.index[:2]) == ["strong", "weak"]
    assert separating_columns(data, limit=1) == ["strong"]


def test_a_column_is_summarised_without_its_missing_values(data):
    summary = summarise_columns(data)
    assert summary.loc["strong", ["missing", "least", "median", "greatest"]].tolist() == [
        *(0.25, "1", "5", "6")
    ]
    assert summary.loc["weak", ["feature", "unit", "distinct"]].tolist() == ["numeric", "bar", 4]
    assert summary.loc["maker", "missing"] == 0.25
    assert np.isnan(summary.loc["wave", "distinct"])


def test_distributions_are_shares_of_each_class(data):
    figure = plot_columns(data, ["strong"])
    healthy, faulty = figure.data
    assert (healthy.name, faulty.name) == ("healthy", "faulty")
    assert sum(healthy.y) == pytest.approx(1)  # of the two values that are there
    assert faulty.y[0] == 1.0
    assert figure.layout.annotations[0].text == "strong"


def test_a_column_without_numbers_is_refused_by_name(data):
    with pytest.raises(InputError, match=r"`maker` is no column of numbers\. .*weak, strong"):
        plot_columns(data, ["maker"])


def test_recordings_of_each_class_are_plotted_and_none_without_signals(data):
    assert signal_columns(data) == ["wave"]
    figure = plot_recordings(data, per_class=1)
    assert [list(trace.y) for trace in figure.data] == [[0.0, 1.0], [9.0, 9.0]]
    assert figure.layout.annotations[0].text == "wave, A"
    bare = Data(**{**vars(data), "table": data.table.drop(["wave"])})
    assert plot_recordings(bare).data == ()
