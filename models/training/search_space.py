"""Search space of the training options, and interpretation of a search result.

Needs neither Keras nor KerasTuner: the configuration is checked with it.
"""

import dataclasses
import json
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS, JsonValue
from models.train_options import TrainOptions

Objective = Literal["pr_auc", "expected_cost"]
Strategy = Literal["random", "bayesian", "hyperband"]

# How long a network is trained is not searched: the best epoch is kept, and Hyperband deals epochs.
# Nor is a block of options.
_NOT_SEARCHED = ("epochs", "patience", "hard_negatives", "augmentation")
# What KerasTuner's Hyperband notes among the values of a trial.
_OWN_PREFIX = "tuner/"
_EPOCHS = "tuner/epochs"


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Dimension:
    """The values of one training option that are tried: a range, or a list.

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
        raise ValueError("has `choices`, which stand alone; leave out `min`, `max` and `scale`")
    if len(choices) < 2:
        raise ValueError(f"choices must be two or more, got {len(choices)}")
    if len({type(choice) for choice in choices}) > 1:
        raise ValueError(f"choices must be of one type, got {json.dumps(choices)}")


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Tuning(JsonValue):
    """A search for better training options, before the Trainer.

    Attributes:
        objective: What a trial is judged by, on the eval split: `pr_auc`, the exact average
            precision of its best epoch, or `expected_cost`, what 1,000 examples cost at the
            threshold that the model would have.
        strategy: KerasTuner's `random`, `bayesian` (a Gaussian process proposes) or `hyperband`
            (many short trials, the best of them longer, up to `train.epochs`).
        trials: Largest number of networks that are trained, > 0; a small space or Hyperband may
            end sooner.
        space: Training option to the values that are tried.
    """

    objective: Objective = "pr_auc"
    strategy: Strategy = "random"
    trials: Annotated[int, Field(gt=0)] = 20
    space: Annotated[dict[str, Dimension], Field(min_length=1)]


_OPTIONS: TypeAdapter[TrainOptions] = TypeAdapter(TrainOptions)


def check_space(space: Mapping[str, Dimension], options: TrainOptions) -> None:
    """Checks that every value of a search space is one that training takes.

    Args:
        space: Training option to the values that are tried.
        options: What stays as it is.

    Raises:
        ValueError: Names the YAML key, the value and what is wrong with it.
    """
    names = [f.name for f in dataclasses.fields(options) if f.name not in _NOT_SEARCHED]
    for name, dimension in space.items():
        if name not in names:
            listed = ", ".join(f"`{each}`" for each in names)
            raise ValueError(f"tuning.space.{name} is not an option that is searched: {listed}")
        if dimension.choices is None and not is_number(name):
            raise ValueError(f"tuning.space.{name} is not a number: give `choices`, not a range")
        for value in dimension.choices or (dimension.min, dimension.max):
            _check_value(name, value, options)


def is_number(name: str) -> bool:
    """Whether a training option is one number."""
    return typing.get_type_hints(TrainOptions)[name] in {int, float}


def is_whole(name: str) -> bool:
    """Whether a training option is a whole number."""
    return typing.get_type_hints(TrainOptions)[name] is int


def _check_value(name: str, value: object, options: TrainOptions) -> None:
    if is_whole(name) and isinstance(value, float) and value.is_integer():
        value = int(value)
    values = json.loads(_OPTIONS.dump_json(options)) | {name: value}
    try:
        _OPTIONS.validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        raise ValueError(f"tuning.space.{name}: {json.dumps(value)}: {message}") from error


def as_choice(value: Any) -> Any:
    """Returns a choice as KerasTuner takes it: a list becomes its JSON text."""
    return json.dumps(value) if isinstance(value, list | tuple) else value


def tuned_options(options: TrainOptions, values: Mapping[str, Any]) -> TrainOptions:
    """Returns training options with what a search found in them.

    Args:
        options: What stays as it is.
        values: The `values` of KerasTuner's HyperParameters.

    Raises:
        ValueError: A value is none that training takes, or not an option at all.
    """
    found = {
        name: json.loads(value) if isinstance(value, str) and value.startswith("[") else value
        for name, value in values.items()
        if not name.startswith(_OWN_PREFIX)
    }
    return _OPTIONS.validate_python(dataclasses.asdict(options) | found)


def trial_options(options: TrainOptions, values: Mapping[str, Any]) -> TrainOptions:
    """Returns the options of one trial: as `tuned_options`, and the epochs that Hyperband deals."""
    tuned = tuned_options(options, values)
    return dataclasses.replace(tuned, epochs=int(values.get(_EPOCHS, tuned.epochs)))
