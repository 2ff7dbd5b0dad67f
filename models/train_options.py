"""The training options of a use case."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class HardNegatives:
    """Which negatives of the train split count more in the loss.

    Attributes:
        share: Share of the negatives, those that the last blessed model scored highest, in (0, 1).
        weight: Weight of each of them in the loss, relative to another negative, > 1.
    """

    share: Annotated[float, Field(gt=0, lt=1)] = 0.05
    weight: Annotated[float, Field(gt=1, le=100)] = 3.0


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Augmentation:
    """Random variation of a signal of the train split, drawn anew in every epoch.

    Each key is for a difference between recordings that is known to be irrelevant: an inexact
    trigger, an inexact gain, a gap, sensor noise.

    Attributes:
        shift_ms: Largest shift to the left or right, in ms at the nominal rate, >= 0; the same for
            all signals of a recording. The outermost sample fills the freed positions.
        scale: Largest relative change of the amplitude, in [0, 1).
        hide_share: Largest share of the samples that becomes one gap, in [0, 0.5]; at the same
            place in all signals of a recording.
        noise: Standard deviation of the noise added to each sample, in the signal's unit, >= 0.
    """

    shift_ms: Annotated[float, Field(ge=0)] = 0.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    hide_share: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    noise: Annotated[float, Field(ge=0)] = 0.0


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class TrainOptions:
    """How the model is trained.

    Attributes:
        epochs: Largest number of passes over the train split, > 0; early stopping usually ends
            sooner.
        batch_size: Examples per step, > 0.
        learning_rate: Adam's first step size, > 0; it falls to 0 along half a cosine.
        patience: Epochs without a better eval PR-AUC before training stops, > 0.
        class_weight: `balanced` gives both classes the same total weight in the loss, for faults
            so few that the network would learn only the healthy class; `none` gives every example
            the same weight.
        loss: `cross_entropy`, or `focal`, which gives a smaller weight to examples that are already
            right, for many easy negatives that outweigh the few hard ones.
        focal_gamma: Exponent of the focal loss, in [0, 10]; 0 is cross-entropy. For `focal` only.
        hard_negatives: Gives a larger weight to the negatives that the last blessed model scored
            highest, against recurring false alarms; needs a calibration. By default all negatives
            have the same weight.
        augmentation: Signals that are varied during training, each with its ranges, for faults so
            few that the network would memorise them. Other features are not varied.
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
