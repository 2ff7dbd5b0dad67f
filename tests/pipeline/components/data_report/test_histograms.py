import numpy as np
import pytest

from pipeline.components.data_report.histograms import ClassHistogram, bin_edges

NAN = float("nan")


def test_each_class_is_counted_over_all_batches():
    histogram = ClassHistogram.over(np.array([0.0, 1.0, 2.0]))
    histogram.add(np.array([0.5, 1.5, 1.6, NAN]), np.array([0, 0, 1, 0]))
    histogram.add(np.array([2.0, -1.0, 9.0]), np.array([1, 0, 1]))
    # The last bin holds its upper edge; a missing value is nowhere.
    assert histogram.counts.tolist() == [[1, 1], [0, 2]]
    assert histogram.outside.tolist() == [1, 1]


def test_bins_reach_from_the_least_to_the_greatest_value():
    edges = bin_edges([float(n) for n in range(11)], whole=False)
    assert (edges[0], edges[-1], len(edges)) == (0, 10, 31)


def test_an_outlier_does_not_stretch_the_bins():
    # The tenths within reach from 1 to 9; half of that further out is 13.
    edges = bin_edges([*range(10), 1e9], whole=False)
    assert edges[-1] == 13


def test_whole_numbers_are_in_the_middle_of_their_bins():
    edges = bin_edges([0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3], whole=True)
    assert edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]


def test_bins_of_many_whole_numbers_hold_several_of_them():
    edges = bin_edges([float(n * 100) for n in range(11)], whole=True)
    assert len(edges) <= 32
    assert set(np.diff(edges)) == {34.0}
    assert edges[-1] >= 1_000


@pytest.mark.parametrize("tenths", [[], [5.0] * 11])
def test_what_does_not_vary_has_no_bins(tenths):
    assert bin_edges(tenths, whole=False) is None


def test_a_column_of_which_only_an_outlier_differs_has_bins():
    edges = bin_edges([0.0] * 10 + [8.0], whole=False)
    assert (edges[0], edges[-1]) == (0, 8)
