"""Options for the monitoring of a served model."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS
from pipeline.production_options.delivery import Delivery, Hours

_HOURS_PER_YEAR = 24 * 365.25

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class ChunkSize:
    """Size of the chunks that recorded requests are divided into: `hours`, or `rows`.

    Attributes:
        hours: Length of a chunk in hours, in [0.01, 8766]. Chunks start at multiples of this length
            since 1970 in UTC: with 24, at midnight. The default is 24 unless `rows` is set.
        rows: Number of answered rows of a chunk, >= 1, instead of `hours`.
        per_year: Expected number of chunks a year, > 0, which `rows` needs: the budget of false
            alarms is counted in chunks.
    """

    hours: Annotated[float, Field(ge=0.01, le=_HOURS_PER_YEAR)] | None = None
    rows: Annotated[int, Field(ge=1)] | None = None
    per_year: Positive | None = None

    @model_validator(mode="after")
    def _one_size(self) -> "ChunkSize":
        if self.hours is not None and self.rows is not None:
            raise ValueError(f"set hours or rows, not both: got {self.hours} and {self.rows}")
        if self.rows is not None and self.per_year is None:
            raise ValueError(
                "rows needs per_year, the expected number of chunks a year: rows a year divided "
                "by rows"
            )
        if self.rows is None and self.per_year is not None:
            raise ValueError("per_year goes only with rows: hours determine the chunks a year")
        return self

    @property
    def length_hours(self) -> float | None:
        """Length of a chunk in hours; None if chunks have a number of rows."""
        return None if self.rows is not None else self.hours or 24.0

    @property
    def chunks_per_year(self) -> float:
        """Expected number of chunks a year."""
        if self.per_year is not None:
            return self.per_year
        return _HOURS_PER_YEAR / (self.hours or 24.0)


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class MonitoringOptions:
    """How `faultline monitor` watches what a served model is asked and answers.

    Attributes:
        chunk: Size of the chunks that recorded requests are divided into.
        false_alarms_per_year: Budget of false alarms a year, > 0, over all features and kinds of
            alarm together.
        detect: Change of a feature's mean that a chunk should show, in standard deviations, > 0.
            The monitor proposes another size for chunks that cannot show it.
        labels_after_days: Days after a request until its label has arrived if it ever does, in
            [0, 3650]. Figures that need labels wait for this time.
        loss_unit: Unit of losses in reports and alarms, such as `EUR`; by default that of `cost`.
        deliver: Where alarms are sent. By default `faultline alarms` lists them, and no more.
        repeat_hours: Hours after which an alarm that persists and that nobody acknowledged is sent
            again, > 0; null for never.
        escalate_after_hours: Hours after which an alarm that nobody acknowledged is escalated, > 0;
            null for never.
    """

    chunk: ChunkSize = Field(default_factory=ChunkSize)
    false_alarms_per_year: Positive = 2.0
    detect: Positive = 0.3
    labels_after_days: Annotated[float, Field(ge=0, le=3650)] = 7.0
    loss_unit: Annotated[str, Field(min_length=1, max_length=16)] | None = None
    deliver: Delivery = Field(default_factory=Delivery)
    repeat_hours: Hours | None = 24.0
    escalate_after_hours: Hours | None = None
