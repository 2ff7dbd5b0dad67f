"""Options for retraining: when a new model is trained, and within which limits."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS
from pipeline.production_options.automation import LEVELS, LevelName

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class LabelCount:
    """A number of labelled requests that no span has yet.

    Attributes:
        rows: Labelled rows.
        positives: Those of them with a positive label.
    """

    rows: Count
    positives: Count

    @model_validator(mode="after")
    def _positives_are_rows(self) -> "LabelCount":
        if self.positives > self.rows:
            raise ValueError(
                f"positives must be <= rows, got {self.positives} of {self.rows}: they are some of "
                "the rows"
            )
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Triggers:
    """What starts a retraining, besides `faultline retrain`; each is off by default.

    Attributes:
        cost_per_day: Budget of the estimated cost of drift a day, in the unit of `cost`, which it
            needs. A higher estimate is a trigger while an alarm of drift or loss is open.
        labels: Number of new labels that is a trigger.
        every_days: Days since the last training after which the next one is due.
    """

    cost_per_day: Positive | None = None
    labels: LabelCount | None = None
    every_days: Positive | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Spend:
    """What retrainings may use in seven days; those of people count, but have no limit.

    Attributes:
        trainings_per_week: Most retrainings, >= 1.
        cpu_minutes_per_week: CPU minutes of their runs, > 0; no limit by default. No retraining
            starts once they are used up; one in progress is not stopped.
    """

    trainings_per_week: Annotated[int, Field(ge=1)] = 3
    cpu_minutes_per_week: Positive | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class RetrainingOptions:
    """When `faultline loop` trains a new model. It trains on `data.window`, the latest spans.

    Attributes:
        triggers: What starts a retraining.
        min_labels: Fewest new labels for a retraining without a person, whatever its trigger: they
            become the newest span, on which both models are judged as well.
        cool_down_days: Shortest time between the end of a retraining and the next one without a
            person, in days.
        spend: What retrainings may use in seven days.
        min_level: Lowest level of `automation` that starts a retraining by itself; below it, the
            retraining waits for `faultline retrain approve`.
    """

    triggers: Triggers = Field(default_factory=Triggers)
    min_labels: LabelCount = Field(default_factory=lambda: LabelCount(rows=200, positives=20))
    cool_down_days: Annotated[float, Field(ge=0)] = 1.0
    spend: Spend = Field(default_factory=Spend)
    min_level: LevelName | Annotated[int, Field(ge=0, le=3)] = "full_automation"

    @model_validator(mode="after")
    def _trigger_is_enough(self) -> "RetrainingOptions":
        asked, least = self.triggers.labels, self.min_labels
        if asked and (asked.rows < least.rows or asked.positives < least.positives):
            raise ValueError(
                f"triggers.labels must be >= min_labels, got {asked.rows} rows with "
                f"{asked.positives} positives, and {least.rows} with {least.positives}: the "
                "trigger would have no effect"
            )
        return self

    @property
    def level(self) -> int:
        """`min_level` as a number, 0 to 3."""
        chosen = self.min_level
        return chosen if isinstance(chosen, int) else LEVELS.index(chosen)
