"""Options of the simulated signals data set, validated on construction."""

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Self

# Part of every digest: raise it whenever the simulator's output changes for equal options.
SIMULATOR_VERSION = 3


def suggest(name: str, known: Iterable[str]) -> str:
    """Suggests the name that was probably meant, or lists all names.

    >>> suggest("num_fualty", ["num_faulty", "seed"])
    "Did you mean 'num_faulty'?"
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known are: {', '.join(known)}."


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignalOptions:
    """Options of the simulated quench-heater discharges.

    Counts are per span. A span depends only on the seed, its number and these options, so that
    another span leaves the earlier ones unchanged.

    Attributes:
        seed: Seed of every random draw, >= 0.
        num_healthy: Healthy recordings in each span, >= 0.
        num_faulty: Faulty recordings in each span, >= 0.
        num_spans: Spans to write, numbered from 1, >= 1.
        drift_from_span: First span with drift, 0 for none; at most `num_spans`.
        temperature_drift_k_per_span: Rise of the temperature from one drifting span to the
            next, in kelvin, in [-50, 50]; 0 switches this drift off.
        new_firmware: Whether half of the recorders run a new firmware, of another current
            scaling, from `drift_from_span` on.
        changed_fault_mix: Whether other kinds of faults prevail from `drift_from_span` on.
    """

    seed: int = 0
    num_healthy: int = 3130
    num_faulty: int = 112
    num_spans: int = 1
    drift_from_span: int = 0
    temperature_drift_k_per_span: float = 10.0
    new_firmware: bool = True
    changed_fault_mix: bool = True

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_type(field.name, getattr(self, field.name), type(field.default))
        for name, minimum in _MINIMA.items():
            if getattr(self, name) < minimum:
                raise ValueError(f"signals: {name} must be >= {minimum}, got {getattr(self, name)}")
        if self.num_healthy + self.num_faulty == 0:
            raise ValueError("signals: num_healthy + num_faulty must be > 0, got 0")
        if self.drift_from_span > self.num_spans:
            raise ValueError(
                f"signals: drift_from_span must be <= num_spans ({self.num_spans}), "
                f"got {self.drift_from_span}. Raise num_spans, or set 0 for no drift."
            )
        if not -50 <= self.temperature_drift_k_per_span <= 50:
            raise ValueError(
                "signals: temperature_drift_k_per_span must be in [-50, 50], "
                f"got {self.temperature_drift_k_per_span}"
            )

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> Self:
        """Builds options from the names and values of a YAML file.

        Raises:
            ValueError: A name is unknown, or a value has the wrong type or range.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        for name in options:
            if name not in known:
                raise ValueError(f"signals: unknown option {name!r}. {suggest(str(name), known)}")
        return cls(**options)

    def num_drifting_spans(self, span: int) -> int:
        """Number of drifting spans up to and including `span`; 0 before drift begins."""
        if self.drift_from_span == 0:
            return 0
        return max(0, span - self.drift_from_span + 1)

    def span_digest(self, span: int) -> str:
        """SHA-256 of everything that determines the content of `span`."""
        drift: list[Any] = []
        if num_spans := self.num_drifting_spans(span):
            kelvin = float(self.temperature_drift_k_per_span) * num_spans
            drift = [kelvin, self.new_firmware, self.changed_fault_mix]
        content = [SIMULATOR_VERSION, self.seed, self.num_healthy, self.num_faulty, span, drift]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


_MINIMA = {"seed": 0, "num_healthy": 0, "num_faulty": 0, "num_spans": 1, "drift_from_span": 0}


def _check_type(name: str, value: object, expected: type) -> None:
    # An int is a valid float, but a bool is not a valid count.
    accepted = (int, float) if expected is float else (expected,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and expected is not bool):
        raise ValueError(f"signals: {name} must be {expected.__name__}, got {value!r}")
