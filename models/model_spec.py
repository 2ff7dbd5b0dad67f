"""The specification of a model, which Transform and Trainer receive as JSON."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS, JsonValue
from models.features import Feature
from models.threshold_rule import ThresholdRule
from models.train_options import TrainOptions

FoldStrategy = Literal["stratified", "group", "time", "blocks"]
CalibrationMethod = Literal["platt", "temperature", "isotonic", "none"]


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class FoldRule:
    """How examples are dealt to folds: as the split deals them.

    Attributes:
        strategy: The strategy of the split.
        column: The column with the groups or times, or `BLOCK_COLUMN`; None for `stratified`.
    """

    strategy: FoldStrategy = "stratified"
    column: str | None = None

    @property
    def group(self) -> str | None:
        """The column whose equal values are not independent examples, if there is one."""
        return self.column if self.strategy in {"group", "blocks"} else None


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
        folds: How examples are dealt to folds.
        cross_fit: Number of folds of train and eval that are cross-fitted; None: train on train,
            and calibrate on eval.
    """

    label: str
    features: dict[str, Feature]
    train: TrainOptions
    calibration: CalibrationMethod = "platt"
    threshold: ThresholdRule = ThresholdRule()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    folds: FoldRule = FoldRule()
    cross_fit: Annotated[int, Field(ge=3, le=10)] | None = None
