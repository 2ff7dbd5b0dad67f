"""How the exported graph cuts a whole recording into windows: as the assembly does."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS, JsonValue

# In the Trainer's `custom_config`: the framing, or why there is none.
FRAMING_KEY, NO_FRAMING_KEY = "framing", "no_framing"
# Inputs of the signature beside the channels and the context.
NUM_SAMPLES, RATE = "num_samples", "sampling_rate_hz"


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Framing(JsonValue):
    """The windows of a recording.

    Attributes:
        channels: Names of the channels; each is a signal of the model.
        size: Samples of a window, >= 2.
        hop: Samples from one window's start to the next one's, in [1, size].
        rate_hz: Nominal sampling rate in Hz; None if recordings are not resampled.
        length_s: Length of a window in s, where the config gives it so.
        history: Number of windows before a window that it is compared with; None: no comparison.
        past: The three columns of this comparison by channel: distance, shift and spread.
    """

    channels: tuple[str, ...]
    size: Annotated[int, Field(ge=2)]
    hop: Annotated[int, Field(ge=1)]
    rate_hz: float | None = None
    length_s: float | None = None
    history: int | None = None
    past: dict[str, tuple[str, str, str]] = Field(default_factory=dict)

    @property
    def computed(self) -> tuple[str, ...]:
        """Columns of the model that the graph computes from the samples."""
        return tuple(name for names in self.past.values() for name in names)
