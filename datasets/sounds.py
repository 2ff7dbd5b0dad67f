"""Simulated sounds of a machine: a bearing, a room, and rare impacts and tones of damage.

The sounds are simulated: fit for trying out the pipeline, not for judging a real machine.
"""

import io
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import signal

from datasets.folders import (
    NO_FAULT,
    Example,
    FolderOptions,
    describe_row,
    draw_fault_kinds,
    take_rows,
)

# Part of the digest: raise it whenever the sounds change for equal options.
SIMULATOR_VERSION = 1
# Sounds that are simulated at once; bounds memory.
BLOCK_SIZE = 64
# Share of each kind among the faulty.
FAULT_MIX = {"outer_race": 0.3, "inner_race": 0.25, "ball": 0.15, "whine": 0.3}
# Impacts per turn of the shaft in a deep-groove bearing with nine balls of 7.94 mm on a pitch
# diameter of 39.04 mm, inner ring turning (Randall and Antoni, "Rolling element bearing
# diagnostics: a tutorial", Mechanical Systems and Signal Processing 25(2), 2011, equations 1 to 4).
NUM_BALLS, DIAMETER_RATIO = 9, 7.94 / 39.04
IMPACTS_PER_TURN = {
    "outer_race": NUM_BALLS / 2 * (1 - DIAMETER_RATIO),
    "inner_race": NUM_BALLS / 2 * (1 + DIAMETER_RATIO),
    "ball": (1 - DIAMETER_RATIO**2) / DIAMETER_RATIO,
}
# The load zone modulates impacts of the inner race by the turns of the shaft, those of a ball by
# the turns of the cage.
MODULATION_PER_TURN = {
    "outer_race": 0.0,
    "inner_race": 1.0,
    "ball": (1 - DIAMETER_RATIO) / 2,
}
# Sounds are made at this rate. Most recorders keep every second sample, after a low-pass filter.
FULL_RATE_HZ = 16_000
RATES_HZ = {8_000: 0.85, FULL_RATE_HZ: 0.15}
MICROPHONES = {"A": 1.0, "B": 0.6, "C": 1.5}
SHAFT_HZ = (24.0, 31.0)
TROUBLES = {NO_FAULT: 0.94, "clipping": 0.03, "offset": 0.03}
MIN_DURATION_S = 0.95
# Root mean square of a healthy machine, relative to full scale.
LEVEL = 0.06
# Fields of `Machines` that the header of a file gives.
_IN_FILE = ("rate_hz", "duration_s")

Floats = NDArray[np.float64]


class SoundOptions(FolderOptions, frozen=True):
    """Options of the simulated machine sounds.

    Attributes:
        duration_s: Longest duration of a sound in s, in [1, 60]; the shortest is 0.95 s.
    """

    num_healthy: Annotated[int, Field(ge=0)] = 1200
    num_faulty: Annotated[int, Field(ge=0)] = 120
    duration_s: Annotated[float, Field(ge=1.0, le=60.0)] = 1.0


@dataclass(frozen=True, kw_only=True)
class Machines:
    """What the sounds of a block are of; arrays of shape [n].

    Attributes:
        shaft_hz: Turns of the shaft per second.
        load: Load of the machine, relative to nominal.
        microphone: Name of the microphone, which has a gain of its own.
        rate_hz: Sampling rate of the file in Hz.
        duration_s: Duration in s.
        trouble: Trouble of the recording, `none` for most.
        fault_kind: Kind of the fault, `none` for healthy machines.
        strength: Strength of the fault, in [0, 1]; 0 for healthy machines.
    """

    shaft_hz: Floats
    load: Floats
    microphone: NDArray[np.str_]
    rate_hz: NDArray[np.int64]
    duration_s: Floats
    trouble: NDArray[np.str_]
    fault_kind: NDArray[np.str_]
    strength: Floats


def simulate(options: SoundOptions) -> Iterator[Example]:
    """Simulates all sounds as 16-bit mono WAV files, healthy and faulty mixed."""
    machines = draw_machines(options)
    for start in range(0, len(machines.fault_kind), BLOCK_SIZE):
        block = take_rows(machines, slice(start, start + BLOCK_SIZE))
        sounds = render(block, duration_s=options.duration_s, seed=(options.seed, start))
        for offset, sound in enumerate(sounds):
            content = _encode(sound, int(block.rate_hz[offset]))
            yield (
                f"s{start + offset:05d}.wav",
                content,
                describe_row(block, offset, leave_out=_IN_FILE),
            )


def draw_machines(options: SoundOptions) -> Machines:
    """Draws what every sound is of: exact counts, every kind of fault from four faults on."""
    rng = np.random.default_rng([options.seed])
    num = options.num_healthy + options.num_faulty
    fault_kind = draw_fault_kinds(rng, options, FAULT_MIX)
    return Machines(
        shaft_hz=np.round(rng.uniform(*SHAFT_HZ, num), 2),
        load=np.round(rng.uniform(0.4, 1.0, num), 2),
        microphone=rng.choice(list(MICROPHONES), num),
        rate_hz=rng.choice(list(RATES_HZ), num, p=list(RATES_HZ.values())),
        duration_s=np.round(rng.uniform(MIN_DURATION_S, options.duration_s, num), 2),
        trouble=rng.choice(list(TROUBLES), num, p=list(TROUBLES.values())),
        fault_kind=fault_kind,
        strength=np.where(fault_kind == NO_FAULT, 0.0, np.round(rng.random(num), 3)),
    )


def render(
    machines: Machines, *, duration_s: float, seed: tuple[int, int]
) -> list[NDArray[np.int16]]:
    """Renders the sounds of a block.

    The machine and the room depend on the seed only: with other faults, the same seed gives the
    same sounds except for the faults.

    Args:
        machines: What the sounds are of.
        duration_s: Longest duration in s.
        seed: Seed of the data set, and number of the block's first sound.

    Returns:
        The samples of each sound at its own rate, int16.
    """
    rng = np.random.default_rng([*seed, 0])
    times_s = np.arange(round(duration_s * FULL_RATE_HZ)) / FULL_RATE_HZ
    pressure = _run_healthy(rng, machines, times_s) + _hear_room(rng, len(machines.load), times_s)
    pressure += _damage(np.random.default_rng([*seed, 1]), machines, times_s)
    return _record(rng, machines, pressure)


def _run_healthy(rng: np.random.Generator, machines: Machines, times_s: Floats) -> Floats:
    """Harmonics of the shaft, a gear mesh with sidebands, and rolling noise; [n, samples]."""
    num = len(machines.load)
    turns = machines.shaft_hz[:, None] * times_s + rng.random((num, 1))
    tones = np.zeros((num, len(times_s)))
    for order, size in enumerate((0.5, 0.3, 0.2, 0.1), start=1):
        amplitude = size * rng.lognormal(0.0, 0.3, (num, 1))
        tones += amplitude * np.sin(2 * np.pi * (order * turns + rng.random((num, 1))))
    mesh = rng.lognormal(-0.9, 0.4, (num, 1)) * machines.load[:, None]
    swing = 1 + rng.uniform(0.1, 0.4, (num, 1)) * np.sin(2 * np.pi * turns)
    tones += mesh * swing * np.sin(2 * np.pi * 23 * turns)
    rolling = _shape_noise(rng, num, len(times_s), slope=0.5)
    rolling += 0.5 * _ring(rng, rng.standard_normal(tones.shape), rng.uniform(2200, 3200, num))
    return tones + (0.5 + 0.5 * machines.load[:, None]) * rolling


def _hear_room(rng: np.random.Generator, num: int, times_s: Floats) -> Floats:
    """Noise of varying level, hum of the mains, a neighbour's tone, and now and then a bang."""
    noise = rng.lognormal(-0.7, 0.5, (num, 1)) * _shape_noise(rng, num, len(times_s), slope=1.0)
    hum = rng.exponential(0.15, (num, 1)) * np.sin(2 * np.pi * 100 * times_s)
    is_near = rng.random((num, 1)) < 0.25
    neighbour_hz = rng.uniform(250, 900, (num, 1))
    neighbour = rng.uniform(0.1, 0.3, (num, 1)) * np.sin(2 * np.pi * neighbour_hz * times_s)
    # One to three bangs in a fifth of the sounds, so that not every impact is damage.
    bangs = np.zeros((num, len(times_s)))
    for row in np.flatnonzero(rng.random(num) < 0.2):
        num_bangs = rng.integers(1, 4)
        bangs[row, rng.integers(0, len(times_s), num_bangs)] = rng.uniform(10, 35, num_bangs)
    return noise + hum + is_near * neighbour + _ring(rng, bangs, rng.uniform(400, 2000, num))


def _damage(rng: np.random.Generator, machines: Machines, times_s: Floats) -> Floats:
    """The sound that the fault of each machine adds; [n, samples], 0 where there is none."""
    sound = np.zeros((len(machines.load), len(times_s)))
    for kind in IMPACTS_PER_TURN:
        rows = np.flatnonzero(machines.fault_kind == kind)
        hits = np.zeros((len(rows), len(times_s)))
        for hit, row in zip(hits, rows, strict=True):
            _strike(rng, hit, kind, float(machines.shaft_hz[row]))
        size = (3.5 + 10.0 * machines.strength[rows, None]) * machines.load[rows, None] ** 0.5
        sound[rows] = size * _ring(rng, hits, rng.uniform(2600, 3400, len(rows)))
    rows = np.flatnonzero(machines.fault_kind == "whine")
    # A dry cage whines at a frequency that is no harmonic of the shaft, and warbles.
    whine_hz = rng.uniform(1200, 2800, (len(rows), 1))
    warble = 3.0 * np.sin(2 * np.pi * rng.uniform(3, 8, (len(rows), 1)) * times_s)
    tone = np.sin(2 * np.pi * whine_hz * times_s + warble)
    sound[rows] = (0.3 + 0.9 * machines.strength[rows, None]) * tone
    return sound


def _strike(rng: np.random.Generator, hits: Floats, kind: str, shaft_hz: float) -> None:
    """Adds the impacts of a damaged part to `hits` [samples], which slip by 1 % of a period."""
    period_s = 1 / (IMPACTS_PER_TURN[kind] * shaft_hz)
    duration_s = len(hits) / FULL_RATE_HZ
    intervals_s = period_s * rng.normal(1.0, 0.01, int(duration_s / period_s) + 1)
    at_s = rng.uniform(0, period_s) + np.cumsum(intervals_s)
    at_s = at_s[at_s < duration_s]
    swing = np.cos(2 * np.pi * (MODULATION_PER_TURN[kind] * shaft_hz * at_s + rng.random()))
    depth = 0.8 if MODULATION_PER_TURN[kind] else 0.0
    force = rng.uniform(0.8, 1.2, len(at_s)) * (1 - depth / 2 + depth / 2 * swing)
    np.add.at(hits, (at_s * FULL_RATE_HZ).astype(int), force)


def _ring(rng: np.random.Generator, force: Floats, resonance_hz: Floats) -> Floats:
    """Response of a structure with one resonance to a force [n, samples]; of unit energy."""
    num_samples = force.shape[1]
    damping = rng.uniform(0.03, 0.06, (len(force), 1))
    frequency = np.fft.rfftfreq(2 * num_samples, 1 / FULL_RATE_HZ) / resonance_hz[:, None]
    response = 1 / (1 - frequency**2 + 2j * damping * frequency)
    response /= np.sqrt(np.mean(np.abs(response) ** 2, axis=1, keepdims=True))
    spectrum = np.fft.rfft(force, 2 * num_samples) * response
    ringing: Floats = np.fft.irfft(spectrum)[:, :num_samples]
    return ringing


def _shape_noise(rng: np.random.Generator, num: int, num_samples: int, *, slope: float) -> Floats:
    """Noise of unit power whose amplitude falls by frequency to the power of -`slope`."""
    frequency_hz = np.fft.rfftfreq(num_samples, 1 / FULL_RATE_HZ)
    # Level below 60 Hz, where a microphone hears nothing.
    shape = np.maximum(frequency_hz, 60.0) ** -slope
    spectrum = np.fft.rfft(rng.standard_normal((num, num_samples))) * shape
    noise = np.fft.irfft(spectrum, num_samples)
    noise /= np.sqrt(np.mean(noise**2, axis=1, keepdims=True))
    return np.asarray(noise)


def _record(
    rng: np.random.Generator, machines: Machines, pressure: Floats
) -> list[NDArray[np.int16]]:
    """The gain of each microphone, the troubles, the file's rate and duration, and 16 bits."""
    gain = np.array([MICROPHONES[name] for name in machines.microphone])
    gain *= LEVEL * rng.lognormal(0.0, 0.15, len(gain))
    gain *= np.where(machines.trouble == "clipping", 12.0, 1.0)
    offset = np.where(machines.trouble == "offset", rng.choice([-0.1, 0.1], len(gain)), 0.0)
    heard = gain[:, None] * pressure + offset[:, None]
    is_slow = machines.rate_hz < FULL_RATE_HZ
    slow = signal.resample_poly(heard[is_slow], 1, 2, axis=1)
    slow_rows = dict(zip(np.flatnonzero(is_slow).tolist(), slow, strict=True))
    sounds = []
    for row, whole in enumerate(heard):
        num_samples = round(machines.duration_s[row] * machines.rate_hz[row])
        samples = slow_rows.get(row, whole)[:num_samples]
        sounds.append(np.round(np.clip(samples, -1, 1) * 32_767).astype(np.int16))
    return sounds


def _encode(samples: NDArray[np.int16], rate_hz: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate_hz)
        sound.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()
