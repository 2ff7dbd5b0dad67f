import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from datasets.faults import CHANGED_FAULT_MIX, FAULT_MIX, NO_FAULT, draw_kinds
from datasets.options import SignalOptions
from datasets.signals import simulate_span
from datasets.troubles import TROUBLES, WRONG_RATES_HZ
from datasets.writing import SCHEMA

SMALL = SignalOptions(num_healthy=600, num_faulty=60, seed=3)


def simulate(options, span=1):
    return pa.Table.from_batches(simulate_span(options, span), schema=SCHEMA)


def dump(table):
    # Bytes, since NaN is not equal to itself.
    return [batch.serialize().to_pybytes() for batch in table.to_batches()]


def read_signals(table, name):
    return np.stack(table[name].to_numpy())


@pytest.fixture(scope="module")
def table():
    return simulate(SMALL)


@pytest.fixture(scope="module")
def second_span():
    return simulate(SMALL, span=2)


@pytest.fixture(scope="module")
def default_table():
    return simulate(SignalOptions())


def test_the_default_is_3130_healthy_and_112_faulty(default_table):
    labels = default_table["is_faulty"].to_numpy()

    assert (int((labels == 0).sum()), int((labels == 1).sum())) == (3130, 112)


@pytest.mark.parametrize(("num_healthy", "num_faulty"), [(1, 0), (0, 1), (513, 3), (1024, 7)])
def test_any_count_is_exact(num_healthy, num_faulty):
    labels = simulate(SignalOptions(num_healthy=num_healthy, num_faulty=num_faulty))["is_faulty"]

    assert labels.to_pylist().count(0) == num_healthy
    assert labels.to_pylist().count(1) == num_faulty


def test_the_label_says_whether_there_is_a_fault(table):
    kinds = table["fault_kind"].to_numpy(zero_copy_only=False)

    assert ((kinds != NO_FAULT) == (table["is_faulty"].to_numpy() == 1)).all()


def test_equal_options_give_equal_data_and_another_seed_other_data(table):
    assert dump(simulate(SMALL)) == dump(table)
    other = simulate(dataclasses.replace(SMALL, seed=4))
    assert not other["voltage"].equals(table["voltage"])


def test_every_recording_has_256_samples_of_plausible_size(default_table):
    voltage = read_signals(default_table, "voltage")
    current = read_signals(default_table, "current")

    assert voltage.shape == current.shape == (3242, 256)
    # Charging levels are 840 to 900 V; over about 10 ohm that is 84 to 90 A at most.
    assert 780.0 < np.nanmedian(voltage[:, :8]) < 930.0
    assert 60.0 < np.nanmedian(current[:, 20]) < 90.0


def test_identifiers_are_unique_and_tell_nothing_of_the_class(default_table):
    labels = default_table["is_faulty"].to_numpy()

    assert len(set(default_table["recording_id"].to_pylist())) == 3242
    # Faulty rows lie everywhere: about a quarter of the 112 in each quarter of the file.
    quarters = [int(part.sum()) for part in np.array_split(labels, 4)]
    assert min(quarters) > 12


def test_times_ascend_within_the_month_of_the_span(second_span):
    times = second_span["timestamp"].to_numpy()

    assert (np.diff(times) >= np.timedelta64(0)).all()
    assert times[0] >= np.datetime64("2024-01-31")
    assert times[-1] < np.datetime64("2024-03-01")


def test_troubles_strike_both_classes_at_about_eight_percent(default_table):
    troubles = default_table["trouble"].to_numpy(zero_copy_only=False)
    labels = default_table["is_faulty"].to_numpy()

    assert set(troubles) == {"none", *TROUBLES}
    for label in (0, 1):
        assert 0.02 < np.mean(troubles[labels == label] != "none") < 0.15


def test_gaps_are_where_the_tag_says(default_table):
    missing = np.isnan(read_signals(default_table, "voltage")).sum(axis=1)
    tagged = default_table["trouble"].to_numpy(zero_copy_only=False) == "gap"

    assert ((missing > 0) == tagged).all()
    # 8 to 40 samples are lost.
    assert missing[tagged].min() >= 8
    assert missing[tagged].max() <= 40


def test_the_sampling_rate_is_wrong_where_the_tag_says(default_table):
    rate_hz = default_table["sampling_rate_hz"].to_numpy()
    tagged = default_table["trouble"].to_numpy(zero_copy_only=False) == "wrong_sampling"

    assert set(rate_hz[~tagged]) == {500.0}
    assert set(rate_hz[tagged]) == set(WRONG_RATES_HZ)


def test_noise_and_bias_show_before_the_trigger(default_table):
    before = read_signals(default_table, "current")[:, :10]
    troubles = default_table["trouble"].to_numpy(zero_copy_only=False)
    plain, noisy, biased = (before[troubles == name] for name in ("none", "noise", "bias"))

    # Medians over recordings, since one of seven has a spike. Bias is 2 to 6 % of 128 A.
    assert np.median(noisy.std(axis=1)) > 4.0 * np.median(plain.std(axis=1))
    assert np.abs(np.median(biased, axis=1)).min() > 2.0
    assert np.median(np.abs(np.median(plain, axis=1))) < 0.2


@pytest.mark.parametrize(("changed_mix", "mix"), [(False, FAULT_MIX), (True, CHANGED_FAULT_MIX)])
def test_fault_kinds_follow_their_mix(changed_mix, mix):
    kinds = draw_kinds(np.random.default_rng(0), 20_000, changed_mix=changed_mix)

    assert {kind: np.mean(kinds == kind) for kind in mix} == pytest.approx(mix, abs=0.02)


def test_five_faults_are_of_five_kinds():
    kinds = draw_kinds(np.random.default_rng(0), 5, changed_mix=False)

    assert set(kinds) == set(FAULT_MIX)


def test_spans_differ_but_have_the_same_magnets(table, second_span):
    ids, later_ids = (set(span["recording_id"].to_pylist()) for span in (table, second_span))

    assert not ids & later_ids
    assert set(table["magnet"].to_pylist()) & set(second_span["magnet"].to_pylist())


def test_without_drift_a_later_span_is_as_warm_and_runs_the_same_firmware(table):
    fourth = simulate(SMALL, span=4)

    assert set(fourth["software_version"].to_pylist()) == set(table["software_version"].to_pylist())
    assert np.median(fourth["temperature_k"]) == pytest.approx(1.9, abs=0.05)


def test_drift_begins_with_its_span_and_grows(table):
    drifting = dataclasses.replace(
        SMALL, num_spans=3, drift_from_span=2, temperature_drift_k_per_span=10.0
    )

    assert dump(simulate(drifting, span=1)) == dump(table)
    warm, warmer = simulate(drifting, span=2), simulate(drifting, span=3)
    assert np.median(warm["temperature_k"]) == pytest.approx(11.9, abs=0.05)
    assert np.median(warmer["temperature_k"]) == pytest.approx(21.9, abs=0.05)
    assert 0.4 < warm["software_version"].to_pylist().count("5.0.0") / warm.num_rows < 0.6


def test_each_drift_can_be_switched_off(second_span):
    still = dataclasses.replace(
        SMALL,
        num_spans=2,
        drift_from_span=2,
        temperature_drift_k_per_span=0.0,
        new_firmware=False,
        changed_fault_mix=False,
    )

    assert dump(simulate(still, span=2)) == dump(second_span)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_healty": 1}, "unknown option 'num_healty'. Did you mean 'num_healthy'"),
        ({"num_healthy": -1}, "num_healthy must be >= 0, got -1"),
        ({"num_healthy": 0, "num_faulty": 0}, r"num_healthy \+ num_faulty must be > 0"),
        ({"num_spans": 0}, "num_spans must be >= 1, got 0"),
        ({"num_faulty": 1.5}, "num_faulty must be int, got 1.5"),
        ({"num_faulty": True}, "num_faulty must be int, got True"),
        ({"new_firmware": 1}, "new_firmware must be bool, got 1"),
        ({"drift_from_span": 3, "num_spans": 2}, r"drift_from_span must be <= num_spans \(2\)"),
        ({"temperature_drift_k_per_span": float("nan")}, r"must be in \[-50, 50\], got nan"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        SignalOptions.from_mapping(options)
