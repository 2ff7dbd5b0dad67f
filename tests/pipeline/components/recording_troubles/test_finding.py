import numpy as np
import pyarrow as pa

from models.features import Audio, Image, Signal
from pipeline.components.recording_troubles.finding import (
    find_troubles,
    measure_levels,
    sampling_rates,
    signal_values,
    usual_levels,
)
from tests.pipeline.components.recording_troubles.pictures.picture_files import encode, scene
from tests.pipeline.components.recording_troubles.sounds.test_sounds import RATE, TONE, WAV, wav


def test_short_missing_and_absent_recordings_have_missing_samples():
    table = pa.table({"v": pa.array([[1.0], None, [3.0, 4.0, 5.0]], pa.list_(pa.float32()))})

    values = signal_values(table, "v", 2)

    np.testing.assert_array_equal(values, [[1, np.nan], [np.nan, np.nan], [3, 4]])
    assert np.isnan(signal_values(table, "absent", 2)).all()


def test_a_trouble_of_any_signal_counts_and_rates_are_read_of_their_column():
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(20, 64))
    noisy = smooth.copy()
    noisy[3] *= 10
    table = pa.table(
        {
            "v": pa.array(list(smooth), pa.list_(pa.float64())),
            "i": pa.array(list(noisy), pa.list_(pa.float64())),
            "rate": pa.array([[500.0]] * 19 + [[400.0]], pa.list_(pa.float32())),
        }
    )
    signal = Signal(num_samples=64, sampling_rate_hz=500.0, rate_column="rate")

    troubles = find_troubles(table, {"v": signal, "i": signal})

    assert np.flatnonzero(troubles["noise"]).tolist() == [3]
    assert np.flatnonzero(troubles["wrong sampling"]).tolist() == [19]
    assert not troubles["gap"].any()
    assert find_troubles(table, {}) == {}


def test_the_padding_of_a_recording_is_no_gap():
    values = np.random.default_rng(0).normal(size=(3, 64))
    values[0, 40:] = np.nan
    values[1, 20:30] = np.nan
    table = pa.table({"v": pa.array(list(values), pa.list_(pa.float64()))})

    def gaps(lengths):
        return find_troubles(table, {"v": Signal(num_samples=64, lengths=lengths)})["gap"].tolist()

    assert gaps("pad") == [False, True, False]
    assert gaps(None) == [True, True, False]


def test_what_is_usual_is_told_of_all_parts_and_not_of_each():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(40, 64))
    values[:10] *= 10
    table = pa.table({"v": pa.array(list(values), pa.list_(pa.float64()))})
    signals = {"v": Signal(num_samples=64)}
    parts = [table.slice(0, 10), table.slice(10, 30)]

    usual = usual_levels([measure_levels(part, signals) for part in reversed(parts)], signals)
    found = [find_troubles(part, signals, usual)["noise"] for part in parts]

    # Among themselves the ten noisy ones are nothing unusual.
    assert not find_troubles(parts[0], signals)["noise"].any()
    assert np.flatnonzero(np.concatenate(found)).tolist() == list(range(10))


def test_troubles_of_pictures_are_found_beside_those_of_signals():
    pictures = [scene(seed) for seed in range(12)]
    pictures[2] = pictures[2] + 0.5
    smooth = np.random.default_rng(0).normal(size=(12, 64))
    table = pa.table(
        {
            "photo": pa.array([[encode(one)] for one in pictures], pa.list_(pa.binary())),
            "v": pa.array(list(smooth), pa.list_(pa.float64())),
        }
    )
    photo = Image(height=32, width=32)

    troubles = find_troubles(table, {"photo": photo, "v": Signal(num_samples=64)})

    assert np.flatnonzero(troubles["overexposure"]).tolist() == [2]
    assert not troubles["noise"].any()
    assert set(find_troubles(table, {"photo": photo})) == {
        "blur",
        "underexposure",
        "overexposure",
    }


def test_troubles_of_sounds_need_no_comparison():
    slow, silent = wav(TONE, rate=4_000), wav(0 * TONE)
    files = [WAV, slow, silent, wav(TONE + 0.1), wav(np.clip(1.5 * TONE, -0.6, 0.6)), b""]
    table = pa.table({"hum": pa.array([[one] if one else [] for one in files])})
    troubles = find_troubles(table, {"hum": Audio(sampling_rate_hz=RATE, duration_s=1)})
    assert {name: np.flatnonzero(flags).tolist() for name, flags in troubles.items()} == {
        "gap": [2],
        "bias": [3],
        "wrong sampling": [1],
        "clipping": [4],
    }


def test_a_column_that_is_empty_in_a_whole_part_is_a_gap():
    troubles = find_troubles(pa.table({"v": pa.nulls(2)}), {"v": Signal(num_samples=8)})

    assert troubles["gap"].all()
    assert not troubles["noise"].any()


def test_a_recordings_own_rate_counts_where_it_has_one():
    rates = pa.array([[250.0], [], [0.0], [float("nan")]], pa.list_(pa.float32()))
    signal = Signal(num_samples=2, sampling_rate_hz=500, rate_column="rate")
    table = pa.table({"rate": rates})
    assert sampling_rates(table, signal).tolist() == [250, 500, 500, 500]
    nominal = Signal(num_samples=2, sampling_rate_hz=500)
    assert sampling_rates(table, nominal).tolist() == [500] * 4
