"""Data that a random split would take for learnable: recordings whose labels are chance."""

import numpy as np
import pytest

from tests.e2e.harness import PROJECT, Faultline

pytestmark = pytest.mark.e2e

_NUM_RECORDINGS, _ROWS = 300, 20


def recordings_csv() -> str:
    """Rows of a recording are near-copies and share a label that says nothing of the next one."""
    random = np.random.default_rng(0)
    labels = np.repeat((random.random(_NUM_RECORDINGS) < 0.2).astype(int), _ROWS)
    values = np.repeat(random.normal(size=(_NUM_RECORDINGS, 6)), _ROWS, axis=0)
    values += random.normal(0, 0.02, values.shape)
    header = ",".join([*(f"s{place}" for place in range(6)), "label"])
    rows = [
        ",".join([*(f"{value:.4f}" for value in row), str(label)])
        for row, label in zip(values, labels, strict=True)
    ]
    return "\n".join([header, *rows]) + "\n"


def test_labels_by_chance_are_refused_although_neighbours_would_give_them_away(tmp_path):
    (tmp_path / "recordings.csv").write_text(recordings_csv())
    faultline = Faultline(PROJECT, tmp_path / "work")
    begun = faultline("init", str(tmp_path / "recordings.csv"), "--label", "label")
    assert begun.code == 0, begun.err
    assert "Split: blocks; " in begun.out
    done = faultline.in_fork("run", "--config", "configs/recordings.yaml")
    assert done.code == 3, done.err + faultline.last_log()
    assert not faultline.versions("recordings")
