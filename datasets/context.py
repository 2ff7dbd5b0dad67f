"""The magnets, and the context in which each recording was made."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from datasets.options import SignalOptions
from datasets.physics import Floats

SECTORS = ("S12", "S23", "S34", "S45", "S56", "S67", "S78", "S81")
MAGNETS_PER_SECTOR = 40
STRIP_OHM = 9.7
BANK_F = 6.85e-3
COLD_K = 1.9
# Current read by each firmware, relative to the true one.
FIRMWARE_GAIN = {"3.1.0": 1.0, "3.2.4": 1.025, "4.0.1": 0.985}
NEW_FIRMWARE, NEW_FIRMWARE_GAIN = "5.0.0", 1.045
CHARGING_LEVELS_V = (900.0, 870.0, 840.0)
SPAN_DAYS = 30


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """Context of each recording; arrays of shape [n].

    Attributes:
        magnet: Index of the magnet.
        magnet_ohm: Strip resistance of that magnet when cold, in ohm.
        magnet_f: Capacitance of that magnet's bank, in F.
        charging_voltage_v: Voltage that the charger reports, in V.
        temperature_k: Temperature of the magnet, in K.
        timestamp_s: Seconds since the Unix epoch, ascending.
        software_version: Firmware of the recorder.
        current_gain: Reading of the firmware for 1 A.
    """

    magnet: NDArray[np.int64]
    magnet_ohm: Floats
    magnet_f: Floats
    charging_voltage_v: Floats
    temperature_k: Floats
    timestamp_s: NDArray[np.int64]
    software_version: NDArray[np.str_]
    current_gain: Floats


def draw_context(rng: np.random.Generator, options: SignalOptions, span: int) -> Context:
    """Draws the context of every recording of `span`."""
    num = options.num_healthy + options.num_faulty
    num_magnets = len(SECTORS) * MAGNETS_PER_SECTOR
    # The magnets are the same in every span: their draws depend on the seed alone.
    magnets_rng = np.random.default_rng([options.seed, 0])
    magnet_ohm = STRIP_OHM * magnets_rng.normal(1.0, 0.012, num_magnets)
    magnet_f = BANK_F * magnets_rng.normal(1.0, 0.012, num_magnets)
    magnet = rng.integers(0, num_magnets, num)
    version, gain = _draw_firmware(rng, options, span)
    return Context(
        magnet=magnet,
        magnet_ohm=magnet_ohm[magnet],
        magnet_f=magnet_f[magnet],
        charging_voltage_v=np.round(
            rng.choice(CHARGING_LEVELS_V, num, p=[0.7, 0.2, 0.1]) + rng.normal(0.0, 3.0, num), 1
        ),
        temperature_k=_draw_temperature(rng, options, span),
        timestamp_s=_draw_timestamps(rng, num, span),
        software_version=version,
        current_gain=gain,
    )


def name_magnets(magnet: NDArray[np.int64]) -> tuple[list[str], list[str], list[str]]:
    """Names of circuit, magnet and sector for each index of a magnet."""
    sectors = [SECTORS[index // MAGNETS_PER_SECTOR] for index in magnet]
    numbers = [index % MAGNETS_PER_SECTOR + 1 for index in magnet]
    circuits = [f"RB.{sector}" for sector in sectors]
    names = [f"MB.{sector}.{number:02d}" for sector, number in zip(sectors, numbers, strict=True)]
    return circuits, names, sectors


def _draw_temperature(rng: np.random.Generator, options: SignalOptions, span: int) -> Floats:
    """1.9 K for three of four recordings, other temperatures while a magnet cools or warms."""
    num = options.num_healthy + options.num_faulty
    cold = rng.random(num) < 0.75
    temperature_k = np.where(cold, rng.normal(COLD_K, 0.02, num), rng.uniform(5.0, 120.0, num))
    drift_k = options.temperature_drift_k_per_span * options.num_drifting_spans(span)
    return np.round(np.maximum(temperature_k + drift_k, 1.8), 3)


def _draw_timestamps(rng: np.random.Generator, num: int, span: int) -> NDArray[np.int64]:
    """Ascending times within the span's 30 days; the first span begins with 2024."""
    start = np.datetime64("2024-01-01", "s").astype(np.int64) + (span - 1) * SPAN_DAYS * 86400
    return np.sort(start + rng.integers(0, SPAN_DAYS * 86400, num))


def _draw_firmware(
    rng: np.random.Generator, options: SignalOptions, span: int
) -> tuple[NDArray[np.str_], Floats]:
    num = options.num_healthy + options.num_faulty
    version = rng.choice(list(FIRMWARE_GAIN), num, p=[0.3, 0.5, 0.2])
    renewed = rng.random(num) < 0.5
    if options.new_firmware and options.num_drifting_spans(span):
        version = np.where(renewed, NEW_FIRMWARE, version)
    gains = FIRMWARE_GAIN | {NEW_FIRMWARE: NEW_FIRMWARE_GAIN}
    return version, np.array([gains[name] for name in version])
