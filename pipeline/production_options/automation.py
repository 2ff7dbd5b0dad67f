"""Options for the automation: who decides about predictions and rollouts."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS

if TYPE_CHECKING:
    from measuring.sequential import Margins

LevelName = Literal["human_inspection", "shadow_mode", "human_in_the_loop", "full_automation"]
LEVELS: tuple[LevelName, ...] = (
    "human_inspection",
    "shadow_mode",
    "human_in_the_loop",
    "full_automation",
)

_Share = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Limits:
    """What a candidate may change in production; beyond it, the automation rolls back or asks.

    Attributes:
        alpha: Probability of a wrong decision about a rollout, in (0, 1): half for promotion, half
            for rolling back. It holds however often the evidence is looked at.
        alarm_change: Alarms per request that the candidate may give more or fewer, in (0, 1).
        differing: Share of the requests on which both models may decide differently, in (0, 1).
            This also limits the harm of wrong decisions while there are no labels.
        loss_rise: Rise of the mean loss per request, where labels arrive, in (0, 1). The unit is
            the dearer of a miss and a false alarm; by default both cost the same.
        latency_ratio: Time of an answer as a multiple of that of the served model, >= 1.
        min_pairs: Fewest requests that both models must have answered before promotion.
        min_keys: Fewest keys before promotion, where requests have keys; several keys with few
            requests count as one.
        repeat_rows: The same difference on the same key counts against the candidate only once in
            so many rows of that key: an episode is one event, not many.
        labels_required: Whether promotion needs labels that show a loss within `loss_rise`.
        max_percent: Largest share of the keys that the candidate gets without a person, in
            [0, 100]; promotion needs 100.
        max_pairs: Requests that both models answered, after which a person is asked if the evidence
            is still undecided.
    """

    alpha: _Share = 0.05
    alarm_change: _Share = 0.01
    differing: _Share = 0.05
    loss_rise: _Share = 0.005
    latency_ratio: Annotated[float, Field(ge=1)] = 1.2
    min_pairs: Annotated[int, Field(ge=1)] = 1_000
    min_keys: Annotated[int, Field(ge=0)] = 5
    repeat_rows: Annotated[int, Field(ge=1)] = 5
    labels_required: bool = False
    max_percent: Annotated[int, Field(ge=0, le=100)] = 100
    max_pairs: Annotated[int, Field(ge=1)] = 100_000

    def margins(self, *, miss: float = 1.0, false_alarm: float = 1.0) -> "Margins":
        """Returns the part of the limits that the evidence is judged by.

        Args:
            miss: Cost of a miss.
            false_alarm: Cost of a false alarm, in the same unit.
        """
        from measuring.sequential import Margins  # SciPy takes half a second

        return Margins(
            alpha=self.alpha,
            alarm_change=self.alarm_change,
            differing=self.differing,
            loss_rise=self.loss_rise,
            latency_ratio=self.latency_ratio,
            min_pairs=self.min_pairs,
            min_keys=self.min_keys,
            repeat_rows=self.repeat_rows,
            labels_required=self.labels_required,
            miss=miss,
            false_alarm=false_alarm,
        )


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class AutomationOptions:
    """How much is decided without a person, for predictions and for rollouts.

    Attributes:
        level: 0 or `human_inspection`: the model advises; every alarm goes to a queue, where a
            person decides. 1 or `shadow_mode`: rollouts are only reported on. 2 or
            `human_in_the_loop`: each step of a rollout asks, and uncertain predictions go to the
            queue. 3 or `full_automation`: rollouts advance by themselves within `limits`, and ask
            beyond them. From level 2 on, evidence against a candidate rolls it back at once.
        uncertain: A prediction is uncertain if its log-odds are nearer than this to those of the
            threshold, >= 0.
        limits: What a candidate may change in production.
    """

    level: LevelName | Annotated[int, Field(ge=0, le=3)] = "human_in_the_loop"
    uncertain: Annotated[float, Field(ge=0)] = 0.5
    limits: Limits = Field(default_factory=Limits)

    @property
    def number(self) -> int:
        """The level, 0 to 3."""
        return self.level if isinstance(self.level, int) else LEVELS.index(self.level)
