import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import reference, reference_signals, reference_taxi, small_cnn
from datasets.options import SignalOptions
from datasets.signals import simulate_span

SPLITS = {"train": 0, "eval": 1, "test": 2}


@pytest.fixture(scope="module")
def signals():
    """160 recordings in each split, 40 of them faulty."""
    splits = {}
    for name, seed in SPLITS.items():
        options = SignalOptions(num_healthy=120, num_faulty=40, seed=seed)
        batches = list(simulate_span(options, 1))
        assert len(batches) == 1
        columns = {n: batches[0][n].to_numpy(zero_copy_only=False) for n in batches[0].schema.names}
        wide = {n: np.stack(columns[n]) for n in ("voltage", "current")}
        splits[name] = columns | wide
    return splits


def test_the_table_has_no_column_that_gives_the_label_away(signals):
    table = reference_signals.tabulate(signals["train"])

    assert {"decay_s", "voltage_q50", "temperature_k", "software_version"} <= set(table)
    assert not {"is_faulty", "fault_kind", "trouble", "magnet", "recording_id"} & set(table)


@pytest.mark.parametrize(
    "candidates", [reference_signals.linear_candidates, reference_signals.boosting_candidates]
)
def test_a_model_on_summary_statistics_beats_chance(signals, candidates):
    features = {name: reference_signals.tabulate(columns) for name, columns in signals.items()}
    label = {name: columns["is_faulty"] for name, columns in signals.items()}
    figures = reference.score_best(candidates()[:1], features, label)

    # Chance is the share of faults, 40 of 160.
    assert figures["pr_auc"] > 0.4


def test_the_networks_inputs_are_standardised_by_train_and_mark_gaps(signals):
    prepared = small_cnn.prepare(signals)
    shapes, context = prepared["train"]
    gaps = np.isnan(signals["train"]["voltage"])

    assert shapes.shape == (160, 256, 4)
    assert np.array_equal(shapes[..., 2] == 1.0, gaps)
    assert (shapes[..., 0][gaps] == 0.0).all()
    # A sample in the middle of the pulse, of the recordings that have it.
    there = shapes[~gaps[:, 60], 60, 0]
    assert there.mean() == pytest.approx(0.0, abs=1e-4)
    assert there.std() == pytest.approx(1.0, abs=1e-4)
    assert context.mean(axis=0) == pytest.approx(0.0, abs=1e-4)


def make_trips(companies, num=200, seed=0):
    rng = np.random.default_rng(seed)
    fare = rng.uniform(3.0, 30.0, num)
    return {
        "fare": fare,
        "company": rng.choice(np.array(companies, dtype=object), num),
        "tips": fare,
        "big_tipper": (fare > 20.0).astype(float),
    }


def test_taxi_categories_are_those_of_train_and_the_tip_is_left_out():
    splits = {
        "train": make_trips([b"a", b"b", None]),
        "eval": make_trips([b"a", b"new"]),
        "test": make_trips([b"b"]),
    }
    tables = reference_taxi.tabulate(splits)

    assert set(tables["train"].columns) == {"fare", "company"}
    new = splits["eval"]["company"] == b"new"
    assert tables["eval"]["company"].isna().to_numpy().tolist() == new.tolist()
    assert tables["test"]["company"].astype(float).nunique() == 1


def test_the_taxi_reference_learns_a_threshold_on_the_fare():
    splits = {name: make_trips([b"a", b"b"], seed=seed) for name, seed in SPLITS.items()}

    assert reference_taxi.evaluate(splits)["boosting"]["roc_auc"] > 0.98


@pytest.mark.tensorflow
@pytest.mark.parametrize("command", [reference_signals.main, reference_taxi.main])
def test_a_folder_that_is_no_artifact_is_refused(tmp_path, command):
    result = CliRunner().invoke(command, ["--splits", str(tmp_path)])

    assert result.exit_code == 2
    assert "Split-train holds no *.gz files" in result.output
