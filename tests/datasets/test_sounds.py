import dataclasses
import io
import wave
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from datasets.sounds import (
    BLOCK_SIZE,
    FAULT_MIX,
    FULL_RATE_HZ,
    IMPACTS_PER_TURN,
    NO_FAULT,
    Machines,
    SoundOptions,
    draw_machines,
    render,
    simulate,
)

NUM, SHAFT_HZ, DURATION_S = 6, 25.0, 2.0


def make_machines(fault_kind: str = NO_FAULT, *, strength: float = 0.0):
    return Machines(
        shaft_hz=np.full(NUM, SHAFT_HZ),
        load=np.full(NUM, 1.0),
        microphone=np.full(NUM, "A"),
        rate_hz=np.full(NUM, FULL_RATE_HZ),
        duration_s=np.full(NUM, DURATION_S),
        trouble=np.full(NUM, "none"),
        fault_kind=np.full(NUM, fault_kind),
        strength=np.full(NUM, strength),
    )


def render_sounds(machines):
    return np.stack(render(machines, duration_s=DURATION_S, seed=(1, 0))) / 32_767


def hear_fault(kind: str, strength: float):
    """Returns what the fault alone adds to the sound; [n, samples]."""
    faulty = render_sounds(make_machines(kind, strength=strength))
    return faulty - render_sounds(make_machines())


def envelope_spectrum(sounds):
    """Returns frequencies in Hz, in steps of 0.5, and the mean spectrum of the envelopes."""
    envelope = np.abs(signal.hilbert(sounds))
    envelope -= envelope.mean(axis=1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(envelope)).mean(axis=0)
    return np.fft.rfftfreq(sounds.shape[1], 1 / FULL_RATE_HZ), spectrum


@given(healthy=st.integers(0, 90), faulty=st.integers(0, 90), seed=st.integers(0, 2**32))
@settings(max_examples=20)
def test_counts_are_exact_for_any_seed(healthy, faulty, seed):
    options = SoundOptions(num_healthy=healthy, num_faulty=faulty, seed=seed)
    kinds = Counter(draw_machines(options).fault_kind.tolist())

    assert kinds[NO_FAULT] == healthy
    assert kinds.total() == healthy + faulty
    assert len(set(kinds) - {NO_FAULT}) == min(faulty, len(FAULT_MIX))


def test_blocks_are_joined_without_gap_or_repetition():
    examples = list(simulate(SoundOptions(num_healthy=BLOCK_SIZE, num_faulty=2)))

    assert [name for name, _, _ in examples] == [f"s{row:05d}.wav" for row in range(BLOCK_SIZE + 2)]
    assert len({content for _, content, _ in examples}) == BLOCK_SIZE + 2


def test_files_are_16_bit_mono_wav_of_the_rate_and_duration_drawn():
    options = SoundOptions(num_healthy=20, num_faulty=0, seed=3)
    machines = draw_machines(options)
    rates = []
    for row, (_, content, _) in enumerate(simulate(options)):
        with wave.open(io.BytesIO(content)) as sound:
            assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
            rates.append(sound.getframerate())
            duration_s = sound.getnframes() / sound.getframerate()
        assert duration_s == pytest.approx(machines.duration_s[row], abs=1e-3)
    assert rates == machines.rate_hz.tolist()
    assert set(rates) == {8_000, 16_000}


def test_impacts_per_turn_are_those_published_for_this_bearing():
    # Bearing 6205 in the data of Case Western Reserve University: 3.5848 at the outer race, 5.4152
    # at the inner race and 4.7135 at a ball. Its balls of 7.94 mm run on 39.04 mm.
    assert IMPACTS_PER_TURN["outer_race"] == pytest.approx(3.5848, abs=1e-3)
    assert IMPACTS_PER_TURN["inner_race"] == pytest.approx(5.4152, abs=1e-3)
    assert IMPACTS_PER_TURN["ball"] == pytest.approx(4.7135, abs=1e-3)


@pytest.mark.parametrize("kind", IMPACTS_PER_TURN)
def test_impacts_repeat_at_the_frequency_of_the_damaged_part(kind):
    frequency_hz, spectrum = envelope_spectrum(hear_fault(kind, 0.9))
    is_low = (frequency_hz > 60) & (frequency_hz < 160)
    peak_hz = frequency_hz[is_low][np.argmax(spectrum[is_low])]

    # 25 turns a second: 89.6, 135.4 and 117.8 Hz; slip moves the peak by 2 % at most.
    assert peak_hz == pytest.approx(IMPACTS_PER_TURN[kind] * SHAFT_HZ, rel=0.02)


def test_a_fault_of_the_inner_race_swells_with_the_turns_of_the_shaft():
    frequency_hz, inner = envelope_spectrum(hear_fault("inner_race", 0.9))
    _, outer = envelope_spectrum(hear_fault("outer_race", 0.9))
    turn = np.argmin(np.abs(frequency_hz - SHAFT_HZ))
    is_noise = (frequency_hz > 15) & (frequency_hz < 35) & (np.abs(frequency_hz - SHAFT_HZ) > 3)

    assert inner[turn] > 3 * inner[is_noise].mean()
    assert outer[turn] < 3 * outer[is_noise].mean()


def test_impacts_ring_at_the_resonance_and_a_whine_is_one_narrow_line():
    frequency_hz, power = signal.welch(hear_fault("outer_race", 0.9), FULL_RATE_HZ, nperseg=1024)
    is_resonance = (frequency_hz > 2_200) & (frequency_hz < 3_800)
    assert power[:, is_resonance].sum() > 0.8 * power.sum()

    frequency_hz, power = signal.welch(hear_fault("whine", 0.9), FULL_RATE_HZ, nperseg=1024)
    peak = np.argmax(power, axis=1)
    assert ((frequency_hz[peak] > 1_150) & (frequency_hz[peak] < 2_850)).all()
    # The warble is 3 rad at 3 to 8 Hz: a swing of 24 Hz at most, within two steps of 15.6 Hz.
    near = np.abs(np.arange(power.shape[1]) - peak[:, None]) <= 4
    assert (power * near).sum() > 0.95 * power.sum()


@pytest.mark.parametrize("kind", FAULT_MIX)
def test_a_stronger_fault_is_louder_but_no_louder_than_the_machine(kind):
    weak, strong = hear_fault(kind, 0.1).std(), hear_fault(kind, 0.9).std()
    healthy = render_sounds(make_machines()).std()

    assert strong > 1.8 * weak
    assert strong < healthy


def test_half_the_rate_keeps_the_sound_below_its_nyquist_frequency():
    full = render_sounds(make_machines())
    slow = dataclasses.replace(make_machines(), rate_hz=np.full(NUM, 8_000))
    halved = render_sounds(slow)

    assert halved.shape[1] == full.shape[1] / 2
    frequency_hz, power = signal.welch(full, FULL_RATE_HZ, nperseg=1600)
    _, halved_power = signal.welch(halved, 8_000, nperseg=800)
    is_kept = frequency_hz < 3_000
    assert halved_power[:, : is_kept.sum()] == pytest.approx(power[:, is_kept], rel=0.2)


def test_clipping_reaches_full_scale_and_an_offset_shifts_the_mean():
    def render_trouble(trouble):
        return render_sounds(dataclasses.replace(make_machines(), trouble=np.full(NUM, trouble)))

    assert (np.abs(render_trouble("none")) < 1.0).all()
    assert (np.abs(render_trouble("clipping")) == 1.0).mean(axis=1).min() > 0.01
    assert np.abs(render_trouble("offset").mean(axis=1)) == pytest.approx(0.1, abs=0.01)
