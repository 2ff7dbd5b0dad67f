import io
import wave

import numpy as np
import pytest
from PIL import Image

from benchmarks.pictures_and_sounds import RATE_HZ, describe_picture, describe_sound, tabulate


def write_picture(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, format="PNG")
    return file.getvalue()


def write_sound(samples, rate_hz):
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate_hz)
        sound.writeframes(np.round(samples * 32_767).astype("<i2").tobytes())
    return file.getvalue()


def write_impacts(repetition_hz, rate_hz=RATE_HZ):
    """A second of noise and of a ringing at 3 kHz that begins anew `repetition_hz` times."""
    times_s = np.arange(rate_hz) / rate_hz
    since_s = times_s % (1 / repetition_hz)
    ringing = 0.5 * np.sin(2 * np.pi * 3_000 * since_s) * np.exp(-since_s / 0.001)
    noise = 0.01 * np.random.default_rng(0).standard_normal(rate_hz)
    return write_sound(ringing + noise, rate_hz)


def test_a_dark_spot_lowers_the_lowest_details_and_raises_their_kurtosis():
    plain = np.random.default_rng(0).normal(150, 5, (64, 64))
    spot = plain.copy()
    spot[30:33, 30:33] -= 80
    healthy, faulty = (describe_picture(write_picture(pixels)) for pixels in (plain, spot))

    assert faulty["detail 1 q0"] < 3 * healthy["detail 1 q0"] < 0
    assert faulty["detail 1 kurtosis"] > healthy["detail 1 kurtosis"] + 5
    assert faulty["grey q0.5"] == pytest.approx(healthy["grey q0.5"], abs=0.01)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_the_largest_peak_of_the_envelope_is_at_the_repetition_of_impacts(rate_hz):
    features = describe_sound(write_impacts(100, rate_hz))
    peaks = {first: features[f"peak 2400 {first}"] for first in (10, 40, 80, 115, 140)}

    # 100 Hz is between 80 and 115 Hz.
    assert max(peaks, key=peaks.get) == 80
    assert peaks[80] > 20


def test_a_tone_stands_out_of_its_band_only():
    times_s = np.arange(RATE_HZ) / RATE_HZ
    noise = 0.01 * np.random.default_rng(0).standard_normal(RATE_HZ)
    silent = describe_sound(write_sound(noise, RATE_HZ))
    whining = describe_sound(write_sound(noise + 0.1 * np.sin(2 * np.pi * 2_000 * times_s), 8_000))
    names = [name for name in whining if name.startswith("tone")]
    rise = {name: whining[name] - silent[name] for name in names}
    highest = max(rise, key=rise.get)
    following = names[names.index(highest) + 1]

    assert rise[highest] > 1
    assert float(highest.split()[1]) <= 2_000 < float(following.split()[1]) + 1


def test_the_context_is_part_of_the_table():
    picture = write_picture(np.random.default_rng(0).normal(150, 5, (32, 32)))
    columns = {
        "image": np.array([picture, picture], dtype=object),
        "um_per_px": np.array([0.5, 0.8]),
        "strength": np.array([0.0, 1.0]),
    }
    table = tabulate(columns)

    assert table["um_per_px"].tolist() == [0.5, 0.8]
    assert "strength" not in table
