import numpy as np
import pytest

from models.features import Image, Numeric, Signal
from models.train_options import Augmentation
from models.training.augmentation import augment, check_augmentation

NAN = float("nan")
# 2 ms a sample.
VOLTAGE = Signal(num_samples=100, sampling_rate_hz=500, unit="V")
TABLE = {"voltage": VOLTAGE, "current": VOLTAGE}
RAMP = np.tile(np.arange(100, dtype=np.float32), (400, 1))


def varied(seed: int = 0, **augmentation: Augmentation) -> dict[str, np.ndarray]:
    signals = dict.fromkeys(augmentation, RAMP)
    return augment(signals, TABLE, augmentation, np.random.default_rng(seed))


def test_shifts_are_whole_samples_within_the_range_and_edges_fill_up():
    moved = varied(voltage=Augmentation(shift_ms=10))["voltage"]
    # A ramp of 1 a sample: the middle says by how much. 10 ms are 5 samples.
    shift = 50 - moved[:, 50]
    assert set(shift) == set(range(-5, 6))
    later = moved[shift == 5][0]
    assert later[:7].tolist() == [0, 0, 0, 0, 0, 0, 1]
    earlier = moved[shift == -5][0]
    assert earlier[-7:].tolist() == [98, 99, 99, 99, 99, 99, 99]


def test_signals_of_one_recording_are_shifted_and_hidden_together():
    options = Augmentation(shift_ms=10, hide_share=0.2)
    both = varied(voltage=options, current=options)
    assert np.array_equal(both["voltage"], both["current"], equal_nan=True)


def test_gains_lie_within_the_range_and_are_each_signals_own():
    options = Augmentation(scale=0.05)
    both = varied(voltage=options, current=options)
    gain = {name: values[:, 50] / 50 for name, values in both.items()}
    assert 0.95 <= gain["voltage"].min() < 0.955
    assert 1.045 < gain["voltage"].max() <= 1.05
    assert abs(np.corrcoef(gain["voltage"], gain["current"])[0, 1]) < 0.2


def test_noise_has_its_standard_deviation_in_the_signals_unit():
    noise = varied(voltage=Augmentation(noise=1.5))["voltage"] - RAMP
    # 40,000 samples: the standard error of both is below 0.01.
    assert noise.std() == pytest.approx(1.5, abs=0.03)
    assert noise.mean() == pytest.approx(0, abs=0.03)


def test_one_stretch_up_to_the_share_is_a_gap():
    hidden = np.isnan(varied(voltage=Augmentation(hide_share=0.2))["voltage"])
    lengths = hidden.sum(axis=1)
    assert (lengths.min(), lengths.max()) == (0, 20)
    edges = np.diff(np.pad(hidden, [(0, 0), (1, 1)]).astype(int), axis=1)
    assert ((edges == 1).sum(axis=1) <= 1).all()
    # Gaps come everywhere, also at both ends.
    assert hidden.any(axis=0).all()


def test_a_gap_of_the_recording_stays_a_gap():
    signal = RAMP.copy()
    signal[:, 40] = NAN
    options = {"voltage": Augmentation(scale=0.1, noise=1)}
    changed = augment({"voltage": signal}, TABLE, options, np.random.default_rng(0))["voltage"]
    assert np.isnan(changed[:, 40]).all()
    assert np.isfinite(np.delete(changed, 40, axis=1)).all()


def test_the_same_seed_gives_the_same_signals_as_float32():
    options = Augmentation(shift_ms=10, scale=0.1, hide_share=0.1, noise=1)
    first, again, other = (varied(seed, voltage=options)["voltage"] for seed in (1, 1, 2))
    assert first.dtype == np.float32
    assert first.tobytes() == again.tobytes() != other.tobytes()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("speed", Augmentation(noise=1), "`speed` is numeric; only signals, sounds and pictures"),
        ("volts", Augmentation(noise=1), "`volts` is not a feature of this table"),
        ("voltage", Augmentation(), "varies nothing; give one of `shift_ms`"),
        ("voltage", Augmentation(shift_ms=1), r"shift_ms must be from 2 ms, one sample, to 100"),
        ("voltage", Augmentation(shift_ms=101), r"to 100 ms, half of the recording, got 101"),
        ("voltage", Augmentation(rotate_deg=5), r"rotate_deg does not apply to the kind `signal`"),
        ("photo", Augmentation(shift_ms=5), r"shift_ms does not .* takes `shift_px`, `rotate_deg`"),
        ("photo", Augmentation(shift_px=9), r"shift_px must be .* to 8 px, half of the shorter"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_key(name, options, message):
    table = {**TABLE, "speed": Numeric(), "photo": Image(height=16, width=24)}
    with pytest.raises(ValueError, match=f"train.augmentation.{name}.*{message}"):
        check_augmentation({name: options}, table)


def test_any_range_within_the_recording_passes():
    check_augmentation({"voltage": Augmentation(shift_ms=2, noise=0.1)}, TABLE)
