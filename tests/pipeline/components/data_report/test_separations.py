import numpy as np

from pipeline.components.data_report import separations
from pipeline.components.data_report.separations import ClassSample


def _rows(num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A column that follows the label, its negative, and one that does not; every tenth is 1."""
    labels = (np.arange(num_rows) % 10 == 0).astype(np.int64)
    honest = np.random.default_rng(0).normal(size=num_rows) + labels
    return np.stack([labels * 2.0, -labels * 2.0, honest], axis=1), labels


def test_columns_that_follow_the_label_are_found_over_batches():
    values, labels = _rows(1_000)
    sample = ClassSample(["up", "down", "honest"])
    for start in range(0, 1_000, 100):
        sample.add(values[start : start + 100], labels[start : start + 100])
    assert sample.separations() == {"up": 1.0, "down": 0.0}


def test_more_rows_than_the_sample_holds_are_drawn_from_all_batches(monkeypatch):
    monkeypatch.setattr(separations, "_MAX_ROWS", 50)
    values, labels = _rows(2_000)
    values[1_000:, 0] = 0.0  # of the second half the column says nothing: ROC-AUC 0.75
    sample = ClassSample(["half"])
    for half in (slice(0, 1_000), slice(1_000, 2_000)):
        sample.add(values[half, :1], labels[half])
    assert sample.separations() == {}
    assert ClassSample(["half"]).separations() == {}
