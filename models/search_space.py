"""Search space of the training options, and interpretation of a search result.

Imports neither Keras nor KerasTuner, because the configuration is checked with it.
"""

import dataclasses
import json
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS, JsonValue
from models.train_options import TrainOptions, TreeOptions

Objective = Literal["pr_auc", "expected_cost"]
Strategy = Literal["random", "bayesian", "hyperband"]

# Not searched: the length of a training, because the best epoch is kept and Hyperband assigns the
# epochs; and options that are blocks of their own.
_NOT_SEARCHED = ("model", "trees", "epochs", "patience", "hard_negatives", "augmentation")
# Options of the trees have this prefix; the others are the network's, except these.
_OF_TREES = "trees."
_OF_BOTH = ("class_weight",)
# Keys that KerasTuner's Hyperband adds to the values of a trial.
_OWN_PREFIX = "tuner/"
_EPOCHS = "tuner/epochs"


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Dimension:
    """The values to try for one training option: a range, or a list.

    Attributes:
        min: Lowest value of a number.
        max: Highest value, included.
        scale: `log` tries as many values between 0.001 and 0.01 as between 0.01 and 0.1.
        choices: The values themselves, two or more of one type, instead of a range.
    """

    min: float | None = None
    max: float | None = None
    scale: Literal["linear", "log"] = "linear"
    choices: tuple[Any, ...] | None = None

    @model_validator(mode="after")
    def _range_or_list(self) -> "Dimension":
        if self.choices is not None:
            _check_choices(self)
        elif self.min is None or self.max is None:
            raise ValueError("needs `min` and `max`, or `choices`")
        elif not self.min < self.max:
            raise ValueError(f"needs min < max, got {self.min:g} and {self.max:g}")
        elif self.scale == "log" and self.min <= 0:
            raise ValueError(f"scale `log` needs min > 0, got {self.min:g}")
        return self


def _check_choices(dimension: Dimension) -> None:
    choices = dimension.choices or ()
    if dimension.min is not None or dimension.max is not None or dimension.scale != "linear":
        raise ValueError("has `choices`; remove `min`, `max` and `scale`")
    if len(choices) < 2:
        raise ValueError(f"choices must be two or more, got {len(choices)}")
    if len({type(choice) for choice in choices}) > 1:
        raise ValueError(f"choices must be of one type, got {json.dumps(choices)}")


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Tuning(JsonValue):
    """A search for better training options, before the Trainer; not for `train.model: auto`.

    Attributes:
        objective: What a trial is judged by, on the eval split: `pr_auc`, the exact average
            precision of its best epoch, or `expected_cost`, what 1,000 examples cost at the
            threshold that the model would have.
        strategy: KerasTuner's `random`, `bayesian` (a Gaussian process proposes) or `hyperband`
            (many short trials, the best of them longer, up to `train.epochs`; not for trees alone).
        trials: Largest number of models that are trained, > 0; a small space or Hyperband may
            end sooner.
        space: Training option to the values that are tried; options of the trees by a dotted name,
            such as `trees.max_depth`.
    """

    objective: Objective = "pr_auc"
    strategy: Strategy = "random"
    trials: Annotated[int, Field(gt=0)] = 20
    space: Annotated[dict[str, Dimension], Field(min_length=1)]


_OPTIONS: TypeAdapter[TrainOptions] = TypeAdapter(TrainOptions)


def check_space(space: Mapping[str, Dimension], options: TrainOptions) -> None:
    """Checks that training accepts every value of a search space.

    Args:
        space: Training option to the values that are tried.
        options: The training options; those not searched are unchanged.

    Raises:
        ValueError: Names the YAML key, the value and what is wrong with it.
    """
    names = _searched_names()
    for name, dimension in space.items():
        if name not in names:
            listed = ", ".join(f"`{option}`" for option in names)
            raise ValueError(f"tuning.space.{name} is not an option that is searched: {listed}")
        _check_part(name, options)
        if dimension.choices is None and not is_number(name):
            raise ValueError(f"tuning.space.{name} is not a number: give `choices`, not a range")
        for value in dimension.choices or (dimension.min, dimension.max):
            _check_value(name, value, options)


def _searched_names() -> list[str]:
    of_network = [f.name for f in dataclasses.fields(TrainOptions) if f.name not in _NOT_SEARCHED]
    return of_network + [f"{_OF_TREES}{f.name}" for f in dataclasses.fields(TreeOptions)]


def _check_part(name: str, options: TrainOptions) -> None:
    """Checks that the model has the part that an option is for."""
    of_trees = name.startswith(_OF_TREES)
    if of_trees and options.model == "network":
        raise ValueError(
            f"tuning.space.{name} is an option of the trees, and train.model is `network`. Remove "
            "it, or set `model: trees` or `model: blend`"
        )
    if not of_trees and name not in _OF_BOTH and options.model == "trees":
        raise ValueError(
            f"tuning.space.{name} is an option of the network, and train.model is `trees`. Remove "
            "it, or set `model: network` or `model: blend`"
        )


def check_tuning(tuning: Tuning, options: TrainOptions) -> None:
    """Checks that a search suits the model, and that training accepts every value of its space.

    Args:
        tuning: The search.
        options: The training options; those not searched are unchanged.

    Raises:
        ValueError: Names the YAML key and what is wrong.
    """
    if options.model == "auto":
        raise ValueError(
            "tuning is for one kind of model, and train.model is `auto`, which compares several in "
            "every training. Set `model` to `network`, `trees` or `blend`"
        )
    if options.model == "trees" and tuning.strategy == "hyperband":
        raise ValueError(
            "tuning.strategy `hyperband` shortens trials by epochs, which trees do not have. Set "
            "`strategy: random` or `bayesian`"
        )
    check_space(tuning.space, options)


def is_number(name: str) -> bool:
    """Whether a training option is one number."""
    return _type_of(name) in {int, float}


def is_whole(name: str) -> bool:
    """Whether a training option is a whole number."""
    return _type_of(name) is int


def _type_of(name: str) -> Any:
    if name.startswith(_OF_TREES):
        return typing.get_type_hints(TreeOptions)[name.removeprefix(_OF_TREES)]
    return typing.get_type_hints(TrainOptions)[name]


def _with_values(options: TrainOptions, values: Mapping[str, Any]) -> dict[str, Any]:
    """The options as plain values, with others in place of some; trees have dotted names."""
    of_trees = {
        name.removeprefix(_OF_TREES): value
        for name, value in values.items()
        if name.startswith(_OF_TREES)
    }
    of_model = {name: value for name, value in values.items() if not name.startswith(_OF_TREES)}
    plain = dataclasses.asdict(options) | of_model
    return plain | {"trees": plain["trees"] | of_trees}


def _check_value(name: str, value: object, options: TrainOptions) -> None:
    if is_whole(name) and isinstance(value, float) and value.is_integer():
        value = int(value)
    values = _with_values(options, {name: value})
    try:
        _OPTIONS.validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        raise ValueError(f"tuning.space.{name}: {json.dumps(value)}: {message}") from error


def as_choice(value: Any) -> Any:
    """Returns a choice in KerasTuner's form: a list becomes JSON text."""
    return json.dumps(value) if isinstance(value, list | tuple) else value


def tuned_options(options: TrainOptions, values: Mapping[str, Any]) -> TrainOptions:
    """Returns training options with the values of a trial.

    Args:
        options: The training options; those not searched are unchanged.
        values: The `values` of KerasTuner's HyperParameters.

    Raises:
        ValueError: Training does not accept a value, or there is no such option.
    """
    tuned = {
        name: json.loads(value) if isinstance(value, str) and value.startswith("[") else value
        for name, value in values.items()
        if not name.startswith(_OWN_PREFIX)
    }
    return _OPTIONS.validate_python(_with_values(options, tuned))


def trial_options(options: TrainOptions, values: Mapping[str, Any]) -> TrainOptions:
    """Returns the options of one trial: as `tuned_options`, with the epochs from Hyperband."""
    tuned = tuned_options(options, values)
    return dataclasses.replace(tuned, epochs=int(values.get(_EPOCHS, tuned.epochs)))
