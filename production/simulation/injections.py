"""Faults of sensors, clients and labels, injected into the requests of a day."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from production.simulation.traffic import Day

Injection = Callable[[np.random.Generator, Day], Day]
Change = Callable[[np.random.Generator, NDArray[np.float64]], NDArray[np.float64]]

# Two of eight sectors, a quarter of the magnets, share a recorder that fails.
_SECTORS = ("S12", "S23")


def one_recorder(feature: str, change: Change) -> Injection:
    """Changes a feature of the magnets of one recorder."""

    def inject(rng: np.random.Generator, day: Day) -> Day:
        values = day.numbers(feature)
        has_failed = np.isin([key.split(".")[1] for key in day.keys], _SECTORS)
        values[has_failed] = change(rng, values[has_failed])
        return day.with_column(feature, values)

    return inject


def all_clients(feature: str, change: Change) -> Injection:
    """Changes a feature of all requests."""

    def inject(rng: np.random.Generator, day: Day) -> Day:
        return day.with_column(feature, change(rng, day.numbers(feature)))

    return inject


def stuck(_: np.random.Generator, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each recording repeats its first sample."""
    return np.repeat(values[:, :1], values.shape[1], axis=1)


def noisy(sd: float) -> Change:
    """White noise is added."""
    return lambda rng, values: values + rng.normal(0.0, sd, values.shape)


def biased(offset: float) -> Change:
    """An offset is added."""
    return lambda _, values: values + offset


def scaled(factor: float, offset: float = 0.0) -> Change:
    """Another unit."""
    return lambda _, values: values * factor + offset


def dropped_out(_: np.random.Generator, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """No sample arrives."""
    return np.full_like(values, np.nan)


def delayed_signals(num_samples: int) -> Injection:
    """The recorders' clock is late: the trigger comes later, and the end is lost."""

    def delay(values: NDArray[np.float64]) -> NDArray[np.float64]:
        shifted = np.roll(values, num_samples, axis=1)
        shifted[:, :num_samples] = values[:, :1]
        return shifted

    def inject(_: np.random.Generator, day: Day) -> Day:
        for signal in ("voltage", "current"):
            day = day.with_column(signal, delay(day.numbers(signal)))
        return day

    return inject


def swapped(first: str, second: str) -> Injection:
    """Two features change places."""

    def inject(_: np.random.Generator, day: Day) -> Day:
        values = day.numbers(first), day.numbers(second)
        return day.with_column(first, values[1]).with_column(second, values[0])

    return inject


def duplicated(share: float) -> Injection:
    """Some requests are sent again, in place of others."""

    def inject(rng: np.random.Generator, day: Day) -> Day:
        places = np.arange(len(day.keys))
        late = rng.random(len(places)) < share
        late[0] = False
        places[late] = rng.choice(places[~late], int(late.sum()))
        return day.take(places)

    return inject


def unseen_faults(share: float) -> Injection:
    """Some healthy-looking magnets are faulty: a new kind of fault that no sensor shows."""

    def inject(rng: np.random.Generator, day: Day) -> Day:
        truth = day.truth | (rng.random(len(day.keys)) < share)
        return replace(day.with_column("is_faulty", truth), labels=truth)

    return inject


def flipped_labels(share: float) -> Injection:
    """Some labels say the opposite."""

    def inject(rng: np.random.Generator, day: Day) -> Day:
        is_flipped = rng.random(len(day.keys)) < share
        return replace(day, labels=np.where(is_flipped, 1 - day.truth, day.truth))

    return inject


def poisoned_labels(_: np.random.Generator, day: Day) -> Day:
    """Somebody reports each fault as healthy, and as many healthy recordings as faulty."""
    labels = np.zeros_like(day.truth)
    labels[np.flatnonzero(day.truth == 0)[: int(day.truth.sum())]] = 1
    return replace(day, labels=labels)


def no_labels(_: np.random.Generator, day: Day) -> Day:
    """No label is delivered."""
    return replace(day, labels=np.full_like(day.truth, -1))
