"""Values that replace those of the config in a run of separate steps."""

import re
from dataclasses import asdict, dataclass, replace

from pydantic import ValidationError

from common.errors import InputError
from pipeline.config import Config

# Kubeflow's parameters always have a value.
AS_IN_CONFIG = -1
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """Values that replace those of the config; None keeps the config's.

    Attributes:
        window: Number of latest spans to train on: `data.window`.
        span: The latest span to use: `data.last_span`.
        seed: Seed of splits, initial weights and batches.
        metadata_url: Location of ML Metadata: `metadata.url`.
    """

    window: int | None = None
    span: int | None = None
    seed: int | None = None
    metadata_url: str | None = None

    def apply(self, config: Config) -> Config:
        """Returns the config with these values.

        Raises:
            InputError: A value is not valid in this config.
        """
        try:
            if self.window is not None:
                config = replace(config, data=replace(config.data, window=self.window))
            if self.span is not None:
                config = replace(config, data=replace(config.data, last_span=self.span))
            if self.seed is not None:
                config = replace(config, seed=self.seed)
            if self.metadata_url is not None:
                metadata = replace(config.metadata, url=self.metadata_url)
                config = replace(config, metadata=metadata)
        except ValueError as error:
            given = {name: value for name, value in asdict(self).items() if value is not None}
            options = ", ".join(f"--{name.replace('_', '-')} {v}" for name, v in given.items())
            raise InputError(f"The config does not take {options}: {_reason(error)}") from error
        return config


def _reason(error: ValueError) -> str:
    """Returns what pydantic found wrong, in one line."""
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" if one["loc"] else one["msg"]
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        )
    return str(error)


def check_run_id(run_id: str) -> str:
    """Returns the id of a run.

    Raises:
        InputError: It is no name of a folder, or has the form of a part of a run.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise InputError(
            "--run must be at most 100 letters, digits, `-` and `_`, the first one a letter or a "
            f"digit, got {run_id!r}."
        )
    return run_id
