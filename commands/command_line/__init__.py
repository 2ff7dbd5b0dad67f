"""The command line of Faultline: each subcommand calls the layers below in a few lines."""

from commands.command_line import (  # noqa: F401 - each adds its commands to `main`
    monitoring,
    onboarding,
    retraining,
    rollout,
    running,
    runs,
    serving,
)
from commands.command_line.program import main

__all__ = ["main"]
