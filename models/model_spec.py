"""The specification of a model, which Transform and Trainer receive as JSON."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS, JsonValue
from models.features import Feature
from models.threshold_rule import ThresholdRule
from models.train_options import TrainOptions

CalibrationMethod = Literal["platt", "temperature", "isotonic", "none"]


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class ModelSpec(JsonValue):
    """Everything that Transform and Trainer need, as one value that is passed as JSON.

    Attributes:
        label: Name of the label column: int64, 1 is the positive (rare) class.
        features: The features table.
        train: Training options.
        calibration: How the corrected logits become probabilities, fitted on eval: `platt` (slope
            and intercept, good with few positives), `temperature` (slope alone), `isotonic` (any
            rising function, 200 positives or more), `none` (the correction alone).
        threshold: Rule for the alarm threshold.
        seed: Seed of every random number, in [0, 2**31).
    """

    label: str
    features: dict[str, Feature]
    train: TrainOptions
    calibration: CalibrationMethod = "platt"
    threshold: ThresholdRule = ThresholdRule()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
