"""Options for rollouts: how a pushed model takes over from the served one."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS
from common.guards.redaction import is_secret_name
from serving.headers import (
    ARM_HEADER,
    COPY_HEADER,
    KEY_HEADER,
    LABEL_HEADER,
    REQUEST_ID_HEADER,
    ROLLOUT_HEADER,
)

StrategyName = Literal["shadow", "canary", "blue_green"]

# Headers with secrets, and those that the gateway or HTTP itself sets.
_NO_KEYS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "api-key",
        "apikey",
        "x-api-key",
        "host",
        "content-length",
        "content-type",
        "te",
        REQUEST_ID_HEADER,
        ARM_HEADER,
        COPY_HEADER,
        ROLLOUT_HEADER,
        LABEL_HEADER,
    }
)

Requests = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class CanaryStep:
    """One step of a canary rollout.

    Attributes:
        percent: Share of the keys that the candidate answers, in [1, 100].
        min_requests: Fewest requests that both models must have answered in this step before the
            next one.
        min_time_s: Shortest duration of this step in seconds.
    """

    percent: Annotated[int, Field(ge=1, le=100)]
    min_requests: Requests = 1_000
    min_time_s: Seconds = 600.0


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class ShadowStep:
    """How long a candidate only gets copies of requests.

    Attributes:
        min_requests: Fewest requests that both models must have answered.
        min_time_s: Shortest duration in seconds.
    """

    min_requests: Requests = 1_000
    min_time_s: Seconds = 600.0


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class RolloutOptions:
    """How a pushed model takes over from the served one, for `faultline serve --gateway`.

    Attributes:
        strategy: `shadow` gives the candidate copies of requests, and clients never see its
            answers; `canary` lets it answer a growing share of the keys; `blue_green` gives it
            copies first and then switches all requests at once.
        start: `by_hand` waits for `faultline rollout start`; `on_push` starts a rollout for each
            pushed model, or for the newest one if another rollout was in progress.
        steps: Steps of `canary`, in rising order of their percent.
        shadow: How long `shadow` lasts, and how long `blue_green` waits before the switch.
        mirror_percent: Share of the requests that are copied to the other model, in [0, 100]. Only
            requests that both models answered are compared.
        key_header: Request header with the sticky key, such as the number of a machine: all
            requests of a key get the same model. Requests without it are drawn one by one.
        bake_s: How long the old model stays warm after the switch of `blue_green`, in seconds.
    """

    strategy: StrategyName = "canary"
    start: Literal["by_hand", "on_push"] = "by_hand"
    steps: Annotated[tuple[CanaryStep, ...], Field(min_length=1)] = (
        CanaryStep(percent=5),
        CanaryStep(percent=25),
        CanaryStep(percent=50),
    )
    shadow: ShadowStep = Field(default_factory=ShadowStep)
    mirror_percent: Annotated[int, Field(ge=0, le=100)] = 100
    key_header: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)] = KEY_HEADER
    bake_s: Seconds = 3_600.0

    @field_validator("key_header")
    @classmethod
    def _no_secret(cls, name: str) -> str:
        # A sticky key may be called one.
        if name in _NO_KEYS or is_secret_name(name.replace("key", "")):
            raise ValueError(
                f"must name a header of its own: `{name}` has another use, and keys are logged"
            )
        return name

    @field_validator("steps")
    @classmethod
    def _rising(cls, steps: tuple[CanaryStep, ...]) -> tuple[CanaryStep, ...]:
        percents = [step.percent for step in steps]
        if any(later <= earlier for earlier, later in pairwise(percents)):
            raise ValueError(
                f"must rise from step to step, got {', '.join(map(str, percents))} percent: a key "
                "that the candidate answers keeps its model"
            )
        return steps
