"""The training options of a use case."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
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
    """Random variation of a signal, sound or picture of the train split, anew in every epoch.

    Each key is for a difference between recordings that is known to be irrelevant: an inexact
    trigger, an inexact gain, a gap, sensor noise; the position of a part, or the light.

    Attributes:
        shift_ms: Of a signal or sound, the largest shift to the left or right, in ms at the nominal
            rate, >= 0; the same for all signals of a recording. The outermost sample fills the
            freed positions, or the mean of its band those of a sound.
        scale: Largest relative change of the amplitude, or of a picture's intensities, in [0, 1).
        hide_share: Largest share of the samples that becomes one gap, or of the frames of a sound,
            in [0, 0.5]; at the same place in all signals of a recording. Of a picture, the largest
            share of its area that becomes a rectangle of its mean intensity.
        noise: Standard deviation of the noise added to each sample, in the signal's unit; to each
            level of a sound's spectrogram, in dB; or to each intensity of a picture, which is from
            0 to 1; >= 0.
        gain_db: Of a sound, the largest change of all levels, in dB, >= 0.
        hide_bands: Of a sound, the largest share of neighbouring bands that are hidden, in [0,
            0.5].
        shift_px: Of a picture, the largest shift in each direction, in pixels of its resized form,
            >= 0. Its mirror image fills the freed pixels.
        rotate_deg: Of a picture, the largest rotation in either direction, in degrees, in [0, 180].
        flip: Of a picture, the directions in which it is mirrored, half of the time each.
        brightness: Of a picture, the largest change of all intensities, in [0, 1).
    """

    shift_ms: Annotated[float, Field(ge=0)] = 0.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    hide_share: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    noise: Annotated[float, Field(ge=0)] = 0.0
    gain_db: Annotated[float, Field(ge=0)] = 0.0
    hide_bands: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    shift_px: Annotated[float, Field(ge=0)] = 0.0
    rotate_deg: Annotated[float, Field(ge=0, le=180)] = 0.0
    flip: Literal["horizontal", "vertical", "both"] | None = None
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.0


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class TreeOptions:
    """How gradient-boosted trees are grown, by XGBoost.

    Attributes:
        max_depth: Largest depth of a tree, in [1, 8].
        rounds: Largest number of rounds, in [1, 5000]; each grows a tree, or `parallel_trees`.
        learning_rate: Factor of each tree's contribution, in (0, 1].
        subsample: Share of the rows that each tree is grown on, in (0, 1].
        column_share: Share of the columns that each split chooses from, in (0, 1].
        parallel_trees: Trees that are grown in each round, each on draws of its own, in [1, 20].
            Their mean is the round's step, which varies less than one tree. More than one needs
            `subsample` or `column_share` below 1.
        min_leaf_rows: Fewest rows of a leaf, >= 0, where they have the prevalence of the whole;
            a purer leaf needs more, one with more faults may have fewer.
        l2: Penalty on the squares of the leaves, >= 0.
        max_set_values: A category with more values than these is split by the rank of its values,
            the most frequent first, > 0; one with fewer by sets of values. By default all are split
            by sets.
        stopping: How the number of rounds is chosen, by log loss: `out_of_fold` on five folds of
            the train split, `eval` on the eval split, too small with few faults, or `none`: all
            rounds.
        patience: Rounds without a lower log loss before growing stops, > 0.
    """

    max_depth: Annotated[int, Field(ge=1, le=8)] = 6
    rounds: Annotated[int, Field(ge=1, le=5_000)] = 500
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    subsample: Annotated[float, Field(gt=0, le=1)] = 1.0
    column_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    parallel_trees: Annotated[int, Field(ge=1, le=20)] = 1
    min_leaf_rows: Annotated[float, Field(ge=0)] = 20.0
    l2: Annotated[float, Field(ge=0)] = 1.0
    max_set_values: Annotated[int, Field(gt=0)] | None = None
    stopping: Literal["out_of_fold", "eval", "none"] = "out_of_fold"
    patience: Annotated[int, Field(gt=0)] = 30

    @model_validator(mode="after")
    def _parallel_trees_differ(self) -> "TreeOptions":
        if self.parallel_trees > 1 and self.subsample == 1 and self.column_share == 1:
            raise ValueError(
                f"parallel_trees {self.parallel_trees} would grow the same tree several times. Set "
                "subsample or column_share below 1, such as subsample: 0.8"
            )
        return self


Kind = Literal["network", "trees", "blend", "auto"]
Part = Literal["network", "trees"]


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class TrainOptions:
    """How the model is trained.

    Attributes:
        model: `network`; `trees`, gradient-boosted; `blend`, a weighted mean of the logits of both;
            or `auto`, which chooses among them by their predictions of examples that they were not
            trained on.
        trees: Options of the trees.
        epochs: Largest number of passes over the train split, > 0; early stopping usually ends
            sooner.
        batch_size: Examples per step, > 0.
        learning_rate: Adam's first step size, > 0; it falls to 0 along half a cosine.
        patience: Epochs without a better eval PR-AUC before training stops, > 0.
        class_weight: `balanced` gives both classes the same total weight in the loss, for faults
            so few that the network would learn only the healthy class; `none` gives every example
            the same weight. By default `balanced` for the network and `none` for the trees, which
            find few faults without it.
        loss: `cross_entropy`, or `focal`, which gives a smaller weight to examples that are already
            right, for many easy negatives that outweigh the few hard ones.
        focal_gamma: Exponent of the focal loss, in [0, 10]; 0 is cross-entropy. For `focal` only.
        hard_negatives: Gives a larger weight to the negatives that the last blessed model scored
            highest, against recurring false alarms; needs a calibration. By default all negatives
            have the same weight.
        augmentation: Signals, sounds and pictures that are varied during training, each with its
            ranges, for faults so few that the network would memorise them. Other features are not
            varied.
        hidden_units: Width of each dense layer of the tabular branch and of the head.
        filters: Filters of each convolution of a signal branch.
        dropout: Share of units dropped in the head while training, in [0, 1).
    """

    model: Kind = "network"
    trees: TreeOptions = TreeOptions()
    epochs: Annotated[int, Field(gt=0)] = 40
    batch_size: Annotated[int, Field(gt=0)] = 128
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    patience: Annotated[int, Field(gt=0)] = 8
    class_weight: Literal["balanced", "none"] | None = None
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: Annotated[float, Field(ge=0, le=10)] = 2.0
    hard_negatives: HardNegatives | None = None
    augmentation: dict[str, Augmentation] = Field(default_factory=dict)
    hidden_units: tuple[Annotated[int, Field(gt=0)], ...] = (64, 32)
    filters: tuple[Annotated[int, Field(gt=0)], ...] = (16, 32, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2

    def weighting(self, part: Part) -> Literal["balanced", "none"]:
        """Returns how the classes weigh in the loss of a part of the model."""
        if self.class_weight is not None:
            return self.class_weight
        return "balanced" if part == "network" else "none"


def wants_trees(options: TrainOptions) -> bool:
    """Whether the model may have trees, which take signals by their summaries."""
    return options.model != "network"


def check_model(options: TrainOptions) -> None:
    """Checks that every option applies to the kind of model.

    Raises:
        ValueError: One does not.
    """
    if options.model in {"trees", "blend"} and options.loss == "focal":
        raise ValueError(
            f"train.loss `focal` is a loss of the network: trees are grown by log loss, and "
            f"train.model is `{options.model}`. Remove `loss`, or set `model: network`"
        )
    if options.model == "trees" and options.augmentation:
        raise ValueError(
            "train.augmentation varies signals, sounds and pictures in each epoch of the network; "
            "train.model is `trees`, which see the summaries of each once. Remove "
            "`augmentation`, or set `model: network`"
        )
