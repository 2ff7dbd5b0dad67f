"""Options for case-control sampling."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS, JsonValue
from models.features import Categorical, FeatureTable

Rate = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Sampling(JsonValue):
    """Which negatives of the train split are kept; positives and other splits are never sampled.

    For so many negatives that an epoch takes too long: the model's probabilities are corrected for
    the omitted negatives, so that sampling only costs some precision of the estimate.
    Exactly one of `negatives_per_positive` and `keep`.

    Attributes:
        negatives_per_positive: Expected number of negatives kept for each positive, > 0; each
            negative is drawn independently.
        keep: Share of the negatives to keep, in (0, 1].
        by: A categorical feature whose values may have rates of their own, for negatives some
            kinds of which are rarer or more informative than others.
        rates: Share to keep for values of `by`, each in (0, 1]; `keep` is for all others.
    """

    negatives_per_positive: Annotated[float, Field(gt=0)] | None = None
    keep: Rate | None = None
    by: str | None = None
    rates: dict[str, Rate] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_rate(self) -> "Sampling":
        if (self.negatives_per_positive is None) == (self.keep is None):
            raise ValueError("needs exactly one of `negatives_per_positive` and `keep`")
        if (self.by is None) != (not self.rates):
            raise ValueError("`by` and `rates` go together: give both or neither")
        if self.by is not None and self.keep is None:
            raise ValueError("`by` needs `keep`, the share for all values that `rates` leaves out")
        return self


def check_sampling(sampling: Sampling, features: FeatureTable) -> None:
    """Checks that the model will know what the sampling depends on.

    Raises:
        ValueError: `by` is not a categorical feature.
    """
    if sampling.by is None or isinstance(features.get(sampling.by), Categorical):
        return
    raise ValueError(
        f"sampling.by names `{sampling.by}`, which is not a categorical feature of this table. The "
        "served model has to see the column to correct its own rates; add it to `features`, or "
        "use one rate for all"
    )


def rates_of(
    sampling: Sampling, *, num_positives: int, num_negatives: int
) -> dict[str | None, float]:
    """Returns the nominal rate of each value of `by`, and under None that of all others.

    Args:
        sampling: The options.
        num_positives: Positives of the train split.
        num_negatives: Its negatives.
    """
    keep = sampling.keep
    if sampling.negatives_per_positive is not None:
        wanted = sampling.negatives_per_positive * num_positives
        keep = min(1.0, wanted / num_negatives) if num_negatives else 1.0
    assert keep is not None  # noqa: S101 - one of both is set, which mypy cannot see
    rates: dict[str | None, float] = {None: keep}
    rates.update(sampling.rates)
    return rates
