"""The evidence of drift of one version, over its chunks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any, Self

from measuring.monitoring.alarms import DriftDetector, Driver
from measuring.monitoring.joint import JointDrift
from measuring.monitoring.two_sample import Comparison

JOINT = "joint"
# A channel with a smaller share of the evidence is not named.
_LEAST_SHARE = 0.05
# No evidence beyond this is written: JSON has no infinity.
_MAX_LOG = 700.0
_NUM_LOSSES = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class ChunkDrift:
    """The comparisons of a chunk with the training data.

    Attributes:
        comparisons: Channel to comparison.
        joint: All features together; None if there are fewer than two.
    """

    comparisons: Mapping[str, Comparison]
    joint: JointDrift | None = None

    @property
    def p_values(self) -> dict[str, float]:
        """Channel to p-value."""
        values = {channel: c.p_value for channel, c in self.comparisons.items()}
        return values if self.joint is None else values | {JOINT: self.joint.p_value}

    @property
    def effective_share(self) -> float:
        """Independent rows that a row is worth, the median over the channels, in (0, 1]."""
        shares = [
            max(c.effective_rows, 1.0) / c.num_rows for c in self.comparisons.values() if c.num_rows
        ]
        return median(shares) if shares else 1.0


class Evidence:
    """The detector of a version's chunks, which have numbers over all versions."""

    def __init__(self, channels: Sequence[str], threshold: float) -> None:
        """Starts without evidence.

        Args:
            channels: All channels, at least one.
            threshold: Least expected number of chunks between false alarms, > 1.
        """
        self._detector = DriftDetector(channels, threshold)
        self._chunks: list[int] = []
        self._log_before = -math.inf

    def update(self, number: int, p_values: Mapping[str, float]) -> None:
        """Takes the next chunk of the version.

        Args:
            number: Its number over all versions.
            p_values: Channel to p-value; a channel without one shows no change.
        """
        self._log_before = self._detector.log_evidence
        self._detector.update({**dict.fromkeys(self._detector.channels, 1.0), **p_values})
        self._chunks.append(number)

    def reset(self) -> None:
        """Forgets the evidence, after an alarm that was acknowledged or is over."""
        self._detector.reset()

    @property
    def is_alarm(self) -> bool:
        """Whether the evidence has reached the limit."""
        return self._detector.is_alarm

    @property
    def has_fallen(self) -> bool:
        """Whether the last chunk took evidence away, or left at most 1: none worth the name.

        After a restart, chunks without any change raise the evidence from 0 towards 1.
        """
        log_evidence = self._detector.log_evidence
        return log_evidence < self._log_before or log_evidence <= 0

    @property
    def value(self) -> float:
        """The evidence."""
        return math.exp(min(self._detector.log_evidence, _MAX_LOG))

    @property
    def limit(self) -> float:
        """Evidence that raises an alarm."""
        return self._detector.threshold

    @property
    def since(self) -> int:
        """Number of the chunk since which the evidence is largest."""
        return self._chunks[self._detector.since]

    @property
    def drivers(self) -> list[Driver]:
        """Channels with a considerable share of the evidence, the largest first."""
        drivers = self._detector.drivers()
        drivers = [driver for driver in drivers if driver.share >= _LEAST_SHARE] or drivers[:1]
        return [replace(driver, since=self._chunks[driver.since]) for driver in drivers]

    def to_state(self) -> dict[str, Any]:
        """Returns the state, exact in JSON."""
        return {"detector": self._detector.to_state(), "chunks": self._chunks}

    def has_channels_of(self, state: Mapping[str, Any]) -> bool:
        """Whether a state is that of the same channels."""
        return tuple(state["detector"]["channels"]) == self._detector.channels

    def with_state(self, state: Mapping[str, Any]) -> Self:
        """Takes over what `to_state` returned; returns this object.

        Raises:
            ValueError: The state is that of other channels.
        """
        self._detector.with_state(state["detector"])
        self._chunks = list(state["chunks"])
        return self


def to_report(evidence: Evidence, drift: ChunkDrift) -> dict[str, Any]:
    """Returns what a chunk's report says of drift, as JSON values.

    Args:
        evidence: The evidence so far.
        drift: Comparisons of the chunk.
    """
    joint = drift.joint
    return {
        "evidence": evidence.value,
        "limit": evidence.limit,
        "p_values": drift.p_values,
        "effects": {
            channel: {"what": c.what, "effect": c.effect if math.isfinite(c.effect) else None}
            for channel, c in drift.comparisons.items()
        },
        "drivers": [asdict(driver) for driver in evidence.drivers],
        "joint": None
        if joint is None
        else {
            "roc_auc": joint.roc_auc if math.isfinite(joint.roc_auc) else None,
            "losses": dict(list(joint.losses.items())[:_NUM_LOSSES]),
        },
    }
