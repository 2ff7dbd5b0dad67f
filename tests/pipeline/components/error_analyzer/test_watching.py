"""A cluster becomes a slice of the gate: the same examples, by the YAML alone."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from pipeline.components.error_analyzer.analysis import find_clusters, scalar_columns
from pipeline.components.error_analyzer.watching import watch_yaml
from pipeline.components.evaluation.slices import rows_by_slice
from pipeline.config_loading import load_config
from pipeline.slicing import make_slice
from tests.pipeline.test_config_loading import MINIMAL

RANDOM = np.random.default_rng(0)
SIZE = 600
ERRORS = RANDOM.random(SIZE) < 0.1
TROUBLES = {"wrong sampling": np.where(ERRORS, RANDOM.random(SIZE) < 0.7, False)}


def column(values, kind) -> pa.Array:
    return pa.array([[] if value is None else [value] for value in values], pa.large_list(kind))


# Where errors are: maker b, a step of 0.1, hour 3, low depth, late seconds, no note.
BATCH = pa.record_batch(
    {
        "maker": column(np.where(ERRORS, b"b", b"a").tolist(), pa.large_binary()),
        "step": column(np.where(ERRORS, 0.1, 0.2).tolist(), pa.float32()),
        "hour": column(np.where(ERRORS, 3, 4).tolist(), pa.int64()),
        "depth": column((RANDOM.normal(7, 0.01, SIZE) - 0.02 * ERRORS).tolist(), pa.float32()),
        "seconds": column((1_700_000_000 + np.arange(SIZE) + 900 * ERRORS).tolist(), pa.int64()),
        "no: te": column([None if error else b"x" for error in ERRORS], pa.large_binary()),
    }
)


def clusters():
    table = scalar_columns(pa.Table.from_batches([BATCH]))
    return find_clusters(table, TROUBLES, ERRORS, skip=())


def test_all_kinds_of_clusters_are_found():
    names = {cluster.name for cluster in clusters()}
    assert {"maker = b", "step = 0.1", "hour = 3", "no: te is missing"} <= names
    assert "recording trouble: wrong sampling" in names
    assert any(name.startswith("depth below 6.9") for name in names)
    assert any(name.startswith("seconds at least 17000") for name in names)


@pytest.mark.parametrize("cluster", clusters(), ids=lambda cluster: cluster.name)
def test_the_yaml_of_a_cluster_is_a_slice_of_the_same_examples(cluster, tmp_path):
    labels = ERRORS.astype(np.int64)
    text = watch_yaml(cluster, labels, np.full(SIZE, 0.2), np.zeros(SIZE, np.int64), {})
    config = tmp_path / "pumps.yaml"
    signal = "  v: {kind: signal, num_samples: 8, rate_column: rate}\n"
    config.write_text(MINIMAL + signal + text)

    [asked] = load_config(config).gate.slices
    [(key, rows)] = rows_by_slice(BATCH, make_slice(asked.columns), TROUBLES)

    assert rows.tolist() == np.flatnonzero(cluster.members).tolist()
    assert key[0][0] == cluster.part.key_name


@pytest.mark.parametrize(
    ("label", "decision", "expected"),
    [
        # Of three faults one is missed, in the cluster: 2 of 3 are surely 0.094.
        ([1, 1, 1, 0], [0, 1, 1, 0], "{recall: 0.09}"),
        # Of three alarms one is false.
        ([0, 1, 1, 0], [1, 1, 1, 0], "{precision: 0.09}"),
        # Squares of 0.4, 0.2, 0.2 and 0.4 are 0.4 of 4: beta(1.4, 3.6) is below 0.6957 with 0.975.
        ([0, 1, 1, 0], [0, 1, 1, 0], "{brier: 0.696}"),
        ([1, 0, 0, 0], [0, 0, 0, 0], "{recall: 0.01}"),
    ],
)
def test_the_slice_must_show_what_the_whole_split_surely_shows(label, decision, expected):
    cluster = replace(clusters()[0], members=np.array([True, False, False, False]))
    probability = np.array([0.4, 0.8, 0.8, 0.4])

    text = watch_yaml(cluster, np.array(label), probability, np.array(decision), {})

    assert text.endswith(f"bars: {expected}\n")


def test_a_bar_of_the_config_holds_in_the_slice_too():
    cluster = clusters()[0]
    labels = ERRORS.astype(np.int64)
    text = watch_yaml(
        cluster, labels, labels.astype(float), 0 * labels, {"recall": 0.925, "brier": 0.1}
    )
    assert text.endswith("bars: {recall: 0.925}\n")
