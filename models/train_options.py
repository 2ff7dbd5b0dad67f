"""The training options of a use case."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class HardNegatives:
    """Which negatives of the train split count more in the loss.

    Attributes:
        share: Share of the negatives that the blessed model before scored highest, in (0, 1).
        weight: How many times as much as another negative each of them counts, > 1.
    """

    share: Annotated[float, Field(gt=0, lt=1)] = 0.05
    weight: Annotated[float, Field(gt=1, le=100)] = 3.0


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Augmentation:
    """How far a signal of the train split is varied, anew in every epoch, at random.

    Each is for a difference between recordings of which it is known that it means nothing: a
    trigger that is not exact, a gain that is not, a gap, the noise of a sensor.

    Attributes:
        shift_ms: Up to so many milliseconds to the left or right at the nominal rate, >= 0; all
            signals of a recording by the same draw. The outermost sample fills what comes free.
        scale: Up to so much larger or smaller, relative, in [0, 1).
        hide_share: Up to this share of the samples, in one stretch, is made a gap, in [0, 0.5];
            all signals of a recording at the same place.
        noise: Standard deviation of what is added to each sample, in the signal's unit, >= 0.
    """

    shift_ms: Annotated[float, Field(ge=0)] = 0.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    hide_share: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    noise: Annotated[float, Field(ge=0)] = 0.0


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class TrainOptions:
    """How the model is trained.

    Attributes:
        epochs: Most passes over the train split, > 0; early stopping usually ends sooner.
        batch_size: Examples per step, > 0.
        learning_rate: Adam's first step size, > 0; it falls to 0 along half a cosine.
        patience: Epochs without a better eval PR-AUC before training stops, > 0.
        class_weight: `balanced` weighs both classes equally in the loss, for faults so few that
            the network would learn the healthy alone; `none` counts examples.
        loss: `cross_entropy`, or `focal`, which counts examples less that are already right, for
            many easy negatives that drown the few hard ones.
        focal_gamma: Exponent of the focal loss, in [0, 10]; 0 is cross-entropy. For `focal` only.
        hard_negatives: Counts those negatives more that the model served before took for faults,
            for false alarms that come back; needs a calibration. None leaves all alike.
        augmentation: Signals that are varied while training, each with its ranges; for faults so
            few that the network learns them by heart. Other features never are.
        hidden_units: Width of each dense layer of the tabular branch and of the head.
        filters: Filters of each convolution of a signal branch.
        dropout: Share of units dropped in the head while training, in [0, 1).
    """

    epochs: Annotated[int, Field(gt=0)] = 40
    batch_size: Annotated[int, Field(gt=0)] = 128
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    patience: Annotated[int, Field(gt=0)] = 8
    class_weight: Literal["balanced", "none"] = "balanced"
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: Annotated[float, Field(ge=0, le=10)] = 2.0
    hard_negatives: HardNegatives | None = None
    augmentation: dict[str, Augmentation] = Field(default_factory=dict)
    hidden_units: tuple[Annotated[int, Field(gt=0)], ...] = (64, 32)
    filters: tuple[Annotated[int, Field(gt=0)], ...] = (16, 32, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
