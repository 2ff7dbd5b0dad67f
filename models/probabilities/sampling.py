"""Effect of case-control sampling on the train split and on the odds of a fault."""

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS, JsonValue

# Key of the record, as JSON, in the `custom_config` of a training function.
SAMPLING_KEY = "sampling"


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Kept:
    """The negatives of one stratum of the train split.

    Attributes:
        nominal: The requested rate, in (0, 1].
        kept: How many were kept.
        total: How many there were.
    """

    nominal: Annotated[float, Field(gt=0, le=1)]
    kept: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)]

    @property
    def rate(self) -> float:
        """The realised rate, or the nominal one for an empty stratum.

        King & Zeng's correction needs the rate of the sample that was drawn, not the requested one.
        """
        return self.kept / self.total if self.total else self.nominal


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class SamplingRecord(JsonValue):
    """The rates at which negatives of the train split were kept; all positives were kept.

    Attributes:
        by: Column whose values are the strata; None where there is one rate for all.
        strata: The strata with a rate of their own, by value.
        rest: All other negatives, and all of them without `by`.
    """

    by: str | None = None
    strata: dict[str, Kept]
    rest: Kept


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class SamplingShift:
    """Shift of the logit for the negatives that were left out: ln of the rate kept.

    Attributes:
        by: Column that the shift depends on, or None.
        strata: Shift of each stratum with a rate of its own, <= 0.
        rest: Shift of every other example, a missing value of `by` among them, <= 0.

    References:
        King & Zeng (2001), Logistic regression in rare events data, section 4.1 (prior correction):
        with all positives and a share r of the negatives, the sample's odds are 1/r times the
        population's, whatever the features; so logit p = logit p_s + ln r.
    """

    by: str | None = None
    strata: dict[str, float] = Field(default_factory=dict)
    rest: float = 0.0


def sampling_shift(record: SamplingRecord | None) -> SamplingShift:
    """Returns the shift that a record requires; none without a record."""
    if record is None:
        return SamplingShift()
    strata: Mapping[str, Kept] = record.strata
    return SamplingShift(
        by=record.by,
        strata={value: math.log(kept.rate) for value, kept in strata.items()},
        rest=math.log(record.rest.rate),
    )


def check_shift(shift: SamplingShift, record: SamplingRecord | None) -> None:
    """Checks that a model corrects for exactly the sampling of its train split.

    Args:
        shift: What the model adds to its logits.
        record: The sampling of the train split in ML Metadata; None means none.

    Raises:
        ValueError: They differ: the model's probabilities would be wrong by that factor.
    """
    wanted = sampling_shift(record)
    same = (
        shift.by == wanted.by
        and shift.strata.keys() == wanted.strata.keys()
        and all(math.isclose(shift.strata[k], v, abs_tol=1e-9) for k, v in wanted.strata.items())
        and math.isclose(shift.rest, wanted.rest, abs_tol=1e-9)
    )
    if not same:
        raise ValueError(
            f"The model's correction does not match its data: it adds {_described(shift)} to the "
            f"logit, but the recorded sampling of the train split requires "
            f"{_described(wanted)}. Its probabilities would be off by that factor of the odds, so "
            "it is not exported. Train it with the sampling record of the examples that it is "
            "trained on."
        )


def _described(shift: SamplingShift) -> str:
    if shift.by is None:
        return f"{shift.rest:+.6f}"
    parts = [f"{value} {offset:+.6f}" for value, offset in sorted(shift.strata.items())]
    return f"{shift.rest:+.6f}, by {shift.by}: {', '.join(parts)}"
