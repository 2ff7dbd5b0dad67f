"""Traffic of a gateway: the version of each arm, and the share of requests of each."""

import re
from dataclasses import dataclass
from enum import StrEnum

_SALT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BASE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


class Arm(StrEnum):
    """One of the two servers behind the gateway."""

    STABLE = "stable"
    CANDIDATE = "candidate"

    @property
    def other(self) -> "Arm":
        """The other one."""
        return Arm.CANDIDATE if self is Arm.STABLE else Arm.STABLE


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One version of one model, the only one that an arm's server loads.

    Attributes:
        base: Name of the model's folder below `serving/`, such as `signals` or `signals_shadow`.
        version: Version, > 0: the name of the folder below `base`.
    """

    base: str
    version: int

    def __post_init__(self) -> None:
        if not _BASE.fullmatch(self.base):
            raise ValueError(f"base must be the name of one folder, got {self.base!r}")
        if self.version < 1:
            raise ValueError(f"version must be > 0, got {self.version}")

    def __str__(self) -> str:
        """Returns the reference of the version, NAME/VERSION."""
        return f"{self.base}/{self.version}"


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What the gateway does with the requests of one model.

    Attributes:
        stable: Version of the stable arm.
        candidate: Version of the candidate arm. None without a rollout: the candidate server is
            then pinned to the stable version, and warm.
        candidate_percent: Share of the keys that the candidate answers, in [0, 100].
        mirrored_percent: Share of the requests that are copied to the other arm, in [0, 100].
        salt: Id of the rollout, such as `r17`: decides which keys the candidate answers first.
    """

    stable: Pin
    candidate: Pin | None = None
    candidate_percent: int = 0
    mirrored_percent: int = 0
    salt: str = "none"

    def __post_init__(self) -> None:
        for name in ("candidate_percent", "mirrored_percent"):
            percent = getattr(self, name)
            if not 0 <= percent <= 100:
                raise ValueError(f"{name} must be in [0, 100], got {percent}")
            if self.candidate is None and percent:
                raise ValueError(f"{name} must be 0 without a candidate, got {percent}")
        if not _SALT.fullmatch(self.salt):
            raise ValueError(
                "salt must be 1 to 64 letters, digits, dots, dashes and underscores, "
                f"got {self.salt!r}"
            )

    @property
    def has_one_version(self) -> bool:
        """Whether both servers serve the same version, so that they stand in for each other."""
        return self.candidate in {None, self.stable}
